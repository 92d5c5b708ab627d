"""Scrapes with random faults and a cooldown of a second; memory, threads and descriptors must not grow."""

import argparse
import gzip
import http.client
import pathlib
import random
import re
import socket
import statistics
import sys
import threading
import time

from app import LOOPBACK, TestApp, free_port, wait_for
from simulated import FAULTS, LIES, Scrape, Tenant, scrape

AGENTS = 120
SETTINGS = {
    "cooldown": "1s", "max_staleness": "20s", "request_timeout": "2s", "refresh_timeout": "5s", "agents_per_request": 25
}
SAMPLE_SECONDS = 5
# Memory: the allocator keeps this much more in the first two minutes of refreshes, then no more, without any leak.
RSS_SLACK_KIB, RSS_GROWTH = 6 * 1024, 1.10
# Descriptors: the connections upstream that are kept for the next refresh, one a concurrent request.
DESCRIPTOR_SLACK = 4
# Threads for name resolution and files end when they had nothing to do for ten seconds.
IDLE_THREAD_SECONDS = 15
# At most one refresh a second may begin or end a failure, each with one line.
LOG_LINES_A_SECOND = 1.0


class Process:
    """A process in /proc."""

    def __init__(self, pid):
        self.path = pathlib.Path("/proc") / str(pid)

    def sample(self):
        status = (self.path / "status").read_text()
        field = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M)[1])
        return {"rss_kib": field("VmRSS"), "threads": field("Threads"), "descriptors": len(list((self.path / "fd").iterdir()))}


class Load:
    """Clients that scrape continuously in different ways until stopped."""

    def __init__(self, port, seed):
        self.port, self.stop, self.failures = port, threading.Event(), []
        self.scrapes, self.served = 0, {}
        ways = [self.keep_alive, self.text, self.aborted, self.pages]
        self.threads = [threading.Thread(target=self.run, args=(way, random.Random(seed + n))) for n, way in enumerate(ways)]
        for thread in self.threads:
            thread.start()

    def run(self, way, chance):
        state = {}
        while not self.stop.is_set():
            try:
                way(chance, state)
            except Exception as error:
                self.failures.append(f"{way.__name__}: {error!r}")
            self.stop.wait(chance.uniform(0.05, 0.5))

    def keep_alive(self, _chance, state):
        """As Prometheus does it: one connection, OpenMetrics, gzip."""
        if "connection" not in state:
            state["connection"] = http.client.HTTPConnection(LOOPBACK, self.port, timeout=15)
        headers = {
            "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "Accept-Encoding": "gzip", "X-Prometheus-Scrape-Timeout-Seconds": "2",
        }
        state["connection"].request("GET", "/metrics", headers=headers)
        answer = state["connection"].getresponse()
        body = gzip.decompress(answer.read()).decode()
        assert answer.status == 200 and body.endswith("# EOF\n"), (answer.status, body[-100:])
        self.scrapes += 1

    def text(self, _chance, state):
        """One connection per scrape; counters never decrease."""
        counters = scrape(self.port).counters()
        for key, before in state.get("counters", {}).items():
            assert counters.get(key, -1) >= before, f"{key} went from {before} to {counters.get(key)}"
        state["counters"] = counters
        self.scrapes += 1

    def aborted(self, chance, _state):
        """Sends a partial or damaged request and closes the connection."""
        with socket.create_connection((LOOPBACK, self.port), timeout=15) as connection:
            head = b"GET /metrics HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n"
            damaged = bytearray(head)
            damaged[chance.randrange(len(head))] = chance.randrange(256)
            connection.sendall(chance.choice([head, head[: chance.randrange(len(head))], bytes(damaged)]))
            if chance.random() < 0.5:
                connection.settimeout(0.2)
                try:
                    connection.recv(chance.choice([1, 4096]))
                except OSError:
                    pass

    def pages(self, chance, _state):
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=15)
        path, status = chance.choice([("/", 200), ("/config", 200), ("/sd", 200), ("/-/healthy", 200), ("/x", 404)])
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status == status, f"{path} answered {answer.status}"

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    chance = random.Random(arguments.seed)
    with TestApp() as app:
        simulator, port = free_port(), free_port()
        app.start(
            "simulator", arguments.binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={AGENTS}",
            "--page-size=200", "--token-lifetime=2m",
        )
        tenant = Tenant(simulator)
        config = app.write("config.yml", tenant.config(**SETTINGS))
        exporter = app.start(
            "exporter", arguments.binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{port}"
        )
        wait_for("the exporter has data", lambda: scrape(port).value("cxone_up") == 1)
        process = Process(exporter.pid)
        at_rest = process.sample()
        load = Load(port, arguments.seed)
        samples, faults = [], 0
        started = time.monotonic()
        duration = arguments.minutes * 60
        while (elapsed := time.monotonic() - started) < duration:
            if chance.random() < 0.7:
                chosen = [lasting(chance, fault) for fault in chance.choices(FAULTS + LIES, k=chance.randrange(1, 4))]
                tenant.break_with(chosen)
                faults += len(chosen)
            else:
                tenant.heal()
            samples.append((elapsed, process.sample()))
            assert exporter.poll() is None, f"the exporter ended with {exporter.returncode}"
            time.sleep(SAMPLE_SECONDS)
        tenant.heal()
        healed = time.time()
        load.end()

        def recovered():
            last = scrape(port)
            return last if last.value("cxone_up") == 1 and last.value("cxone_window_end_timestamp_seconds") > healed else None

        last = wait_for("a full refresh after the faults", recovered, 40)
        wrong = tenant.untruths(last)
        in_the_end = at_rest_again(process, at_rest)
        log = app.log("exporter").splitlines()
        report(arguments, at_rest, samples, in_the_end, load, faults, log, last, tenant.requests())
        problems = wrong + load.failures[:20] + drift(at_rest, samples, in_the_end)
        if len(log) > LOG_LINES_A_SECOND * duration + 10:
            problems.append(f"{len(log)} lines were logged")
        problems += [f"in the log: {line}" for line in log if "panicked" in line or "not-a-secret" in line]
        if problems:
            sys.exit("\n".join(["the soak failed:"] + problems))


def lasting(chance, fault):
    """The fault, or with a probability of 1/5 a permanent one."""
    return fault.partition("@")[0] if chance.random() < 0.2 else fault


def at_rest_again(process, at_rest):
    """The last sample: once threads that wait for more to do have gone, or when they have had the time to."""
    deadline = time.monotonic() + IDLE_THREAD_SECONDS
    while (sample := process.sample())["threads"] > at_rest["threads"] and time.monotonic() < deadline:
        time.sleep(1)
    return sample


def after_warm_up(samples):
    """The first tenth after the first tenth: caches and the allocator have filled by then."""
    tenth = max(1, len(samples) // 10)
    return samples[tenth : 2 * tenth] or samples


def drift(at_rest, samples, in_the_end):
    tenth = max(1, len(samples) // 10)
    median = lambda some: statistics.median(sample["rss_kib"] for _, sample in some)
    before, after = median(after_warm_up(samples)), median(samples[-tenth:])
    problems = []
    if after > before * RSS_GROWTH + RSS_SLACK_KIB:
        problems.append(f"memory grew from {before} to {after} KiB")
    if in_the_end["threads"] > at_rest["threads"]:
        problems.append(f"threads grew from {at_rest['threads']} to {in_the_end['threads']}")
    if in_the_end["descriptors"] > at_rest["descriptors"] + DESCRIPTOR_SLACK:
        problems.append(f"descriptors grew from {at_rest['descriptors']} to {in_the_end['descriptors']}")
    return problems


def report(arguments, at_rest, samples, in_the_end, load, faults, log, last, requests):
    tenth = max(1, len(samples) // 10)
    rss = lambda some: int(statistics.median(sample["rss_kib"] for _, sample in some))
    refreshes = {labels["result"]: int(value) for labels, value in last.family("cxone_refreshes_total")}
    served = {labels["served"]: int(value) for labels, value in last.family("cxone_exporter_scrapes_total")}
    print(f"{arguments.minutes:g} minutes, seed {arguments.seed}: {load.scrapes} scrapes, {faults} faults, {refreshes=}, {served=}, {requests=}")
    print(f"memory, KiB: at rest {at_rest['rss_kib']}, after the warm-up {rss(after_warm_up(samples))}, "
          f"last tenth {rss(samples[-tenth:])}, most {max(s['rss_kib'] for _, s in samples)}, in the end {in_the_end['rss_kib']}")
    tenths = [rss(samples[at : at + tenth]) for at in range(0, len(samples), tenth)]
    print(f"memory over time, KiB: {' '.join(map(str, tenths))}")
    print(f"threads: {at_rest['threads']} -> {in_the_end['threads']}; descriptors: {at_rest['descriptors']} -> "
          f"{in_the_end['descriptors']}, most {max(s['descriptors'] for _, s in samples)}; {len(log)} lines logged; "
          f"{len(load.failures)} scrapes failed")


main()
