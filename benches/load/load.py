"""Compares the exporter with nginx serving the same bytes, and measures memory, start and size. Only ratios count."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time

import upstream
from app import LOOPBACK, TestApp, free_port
from servers import KINDS, fetch, start_exporter, start_nginx
from wrk import compare

# With the simulated tenant's four states: 60, 6,000 and 80,000 series of cxone_agent_state_seconds.
AGENTS = [15, 1_500, 20_000]
CONNECTIONS = [1, 8, 64]
ROUNDS, SECONDS = 3, 1
QUICK = {"agents": [15, 1_500], "rounds": 1, "connections": [8]}
STARTS = 9
IDLE_SECONDS = 5
UPSTREAM_AGENTS = 300
MEGABYTE = 1e6

# === The goals ===

LEAST_RATE_RATIO = 1.0
MOST_CPU_RATIO = 1.0
# Twice the rendered bytes in all encodings, because a scrape may still send replaced bytes, and a constant.
MEMORY_TIMES, MEMORY_PLUS = 2, 10 * MEGABYTE
MOST_START_SECONDS = 0.020
MOST_BINARY_BYTES = 12 * MEGABYTE
MOST_TAIL_SHARE = 0.1


def verdict(held):
    return "" if held else "  <- misses the goal"


def marked(ratio, held):
    return f"{ratio:.2f}" if held else f"**{ratio:.2f}**"


def serving(app, binary, agents, connections, rounds, cache):
    """The tables of one size."""
    exporter = start_exporter(app, binary, agents)
    refreshed = exporter.memory("VmHWM")
    nginx, lengths = start_nginx(app, exporter, cache)
    exporter.forget_peak()
    states = fetch(exporter.port)[2].count(b"\ncxone_agent_state_seconds{")
    print(f"\n## {states:,} series of cxone_agent_state_seconds, {agents:,} agents\n")
    print("| scrape | connections | exporter, requests a second | nginx | ratio | exporter, CPU s per 1,000 | nginx | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", flush=True)
    for place, (kind, headers) in enumerate(KINDS.items()):
        for count in connections:
            pair = compare(exporter, nginx, place, headers, count, rounds, SECONDS)
            name = f"{kind}, {lengths[kind]:,} bytes" if count == connections[0] else ""
            rates = " | ".join(f"{rate:,.0f}" for rate in pair.rates)
            cpus = " | ".join(f"{cpu:.3f}" for cpu in pair.cpus)
            # Cells that miss the goal are bold, so that the table can be pasted as it is.
            ratio = marked(pair.rate_ratio, pair.rate_ratio >= LEAST_RATE_RATIO)
            cpu_ratio = marked(pair.cpu_ratio, pair.cpu_ratio <= MOST_CPU_RATIO)
            print(f"| {name} | {count} | {rates} | {ratio} | {cpus} | {cpu_ratio} |", flush=True)
    kept = lengths["identity"] + lengths["gzip"]
    most = MEMORY_TIMES * kept + MEMORY_PLUS
    served, rest = exporter.memory("VmHWM"), exporter.memory("VmRSS")
    print(
        f"\nmemory: peak with the first refresh {refreshed / MEGABYTE:.1f} MB, peak while serving {served / MEGABYTE:.1f} MB, "
        f"now {rest / MEGABYTE:.1f} MB; goal: at most {most / MEGABYTE:.1f} MB{verdict(max(refreshed, served) <= most)}"
    )
    print(f"idle: {exporter.wake_ups(IDLE_SECONDS):.1f} wake-ups a second")
    for name in ("nginx", "exporter"):
        app.alive(name)
        app.stop(name)


def starting(app, binary):
    """The time from the start of the process to its first response."""
    config = app.write(
        "start.yml",
        "tenants:\n  - name: acme\n    domain: acme.example.com\n    client_id: a\n    client_secret: b\n    interval: PT1H\n    incremental: false\n    agents:\n"
        + "".join(f'      - id: "{number}"\n' for number in range(AGENTS[0])),
    )
    taken = []
    for number in range(STARTS):
        port = free_port()
        started = time.perf_counter()
        app.start(f"start-{number}", binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{port}")
        while True:
            try:
                assert fetch(port, "/-/healthy")[0] == 200
                break
            except ConnectionRefusedError:
                assert time.perf_counter() - started < 10, app.log(f"start-{number}")
                time.sleep(0.000_2)
        taken.append(time.perf_counter() - started)
        app.stop(f"start-{number}")
    median = statistics.median(taken)
    print(
        f"start to the first /-/healthy: median {1e3 * median:.1f} ms of {STARTS}, from {1e3 * min(taken):.1f} to "
        f"{1e3 * max(taken):.1f}; goal: {1e3 * MOST_START_SECONDS:.0f} ms{verdict(median <= MOST_START_SECONDS)}"
    )


def size(app, binary):
    stripped = app.path / "stripped"
    if shutil.which("strip"):
        subprocess.run(["strip", "-o", stripped, binary], check=True)
    else:
        shutil.copyfile(binary, stripped)
    bytes_ = stripped.stat().st_size
    print(
        f"binary, stripped: {bytes_ / MEGABYTE:.2f} MB; goal: at most {MOST_BINARY_BYTES / MEGABYTE:.0f} MB"
        f"{verdict(bytes_ <= MOST_BINARY_BYTES)}"
    )


def asking(app, binary):
    full, tail = upstream.measure(app, binary, UPSTREAM_AGENTS)
    print(f"\n## A refresh of {UPSTREAM_AGENTS} agents over a day in {upstream.INTERVAL}\n")
    print("| refresh | requests | buckets | bytes, as sent | seconds |\n| --- | ---: | ---: | ---: | ---: |")
    for name, refresh in (("full", full), ("incremental", tail)):
        print(f"| {name} | {refresh.requests} | {refresh.rows:,} | {refresh.bytes:,} | {refresh.seconds:.2f} |")
    share = tail.bytes / full.bytes
    print(f"\nboth equal the truth; an incremental refresh takes {100 * share:.1f} % of the bytes", end="")
    print(f"; goal: {100 * MOST_TAIL_SHARE:.0f} %{verdict(share <= MOST_TAIL_SHARE)}")


def numbers(text):
    return [int(number) for number in text.split(",")]


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("--quick", action="store_true", help="two sizes, one round, 8 connections")
    arguments.add_argument("--agents", type=numbers, help="sizes of tenants, separated by commas")
    arguments.add_argument("--connections", type=numbers, help="numbers of connections, separated by commas")
    arguments.add_argument("--rounds", type=int, help="how often the two take turns")
    arguments.add_argument("--open-file-cache", action="store_true", help="let nginx keep its files open")
    arguments = arguments.parse_args()
    defaults = {"agents": AGENTS, "rounds": ROUNDS, "connections": CONNECTIONS} | (QUICK if arguments.quick else {})
    agents, rounds, connections = (getattr(arguments, name) or defaults[name] for name in ("agents", "rounds", "connections"))
    version = subprocess.run(["/usr/sbin/nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip()
    load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
    print(f"{os.cpu_count()} cores, load average before: {load}; {version}; {rounds} rounds of {SECONDS} s each")
    with TestApp() as app:
        size(app, arguments.binary)
        starting(app, arguments.binary)
        for count in agents:
            serving(app, arguments.binary, count, connections, rounds, arguments.open_file_cache)
        asking(app, arguments.binary)
        print(f"\n{time.monotonic() - app.started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
