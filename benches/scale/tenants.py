"""Many tenants in one process, some of them broken."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from curves import Exporter, MEGABYTE, PAGE_ROWS, REFRESH_SECONDS
from app import LOOPBACK, free_port
from latency import Scraper, median, p99
from servers import fetch
from simulated import Tenant

AGENTS_A_TENANT = 100
# Prometheus spreads its targets over the interval; this is worse.
AT_ONCE = 16
# One tenant in so many has a server that accepts connections and never answers, and one has a closed port.
BROKEN_ONE_IN = 10
PATIENCE_SECONDS = 2
SETTINGS = "    agents_per_request: 100\n    cooldown: 1s\n    max_staleness: 1h\n    request_timeout: 5s\n    refresh_timeout: 10s\n"


class Silent:
    """A server that accepts connections and never responds."""

    def __enter__(self):
        self.socket = socket.create_server((LOOPBACK, 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.take, daemon=True).start()
        return self

    def take(self):
        try:
            while True:
                self.taken.append(self.socket.accept()[0])
        except OSError:
            pass

    def __exit__(self, *_):
        self.socket.close()
        for taken in self.taken:
            taken.close()


def config(tenant, count, urls):
    """So many tenants with agents of their own; the nth is asked at the nth of `urls`, again and again."""
    text = "tenants:\n"
    for number in range(count):
        agents = tenant.agents[number * AGENTS_A_TENANT : (number + 1) * AGENTS_A_TENANT]
        text += (
            f"  - name: tenant-{number}\n    base_url: {urls[number % len(urls)]}\n    client_id: simulated-client\n"
            f"    client_secret: not-a-secret\n{SETTINGS}    agents:\n" + "".join(f'      - id: "{agent}"\n' for agent in agents)
        )
    return text


def probe(exporter, number, patience):
    """A probe of a tenant: whether it is up, and the seconds that it took."""
    started = time.perf_counter()
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": str(patience), "Accept": "text/plain;version=0.0.4"}
    status, _, body = fetch(exporter.port, f"/probe?target=tenant-{number}", headers, REFRESH_SECONDS)
    assert status == 200, body[:500]
    states = body.count(b"\ncxone_agent_state_seconds{")
    return b"\ncxone_up 1\n" in body and states >= AGENTS_A_TENANT, time.perf_counter() - started


def round_of(exporter, numbers, patience=REFRESH_SECONDS):
    """Probes of all these tenants, some at once: the seconds of each, and of all together."""
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda number: probe(exporter, number, patience), numbers))
    return answers, time.perf_counter() - started


def line(what, exporter, taken, whole, cached):
    print(
        f"| {what} | {whole:.2f} | {1e3 * median(taken):.0f} / {1e3 * p99(taken):.0f} "
        f"| {1e3 * median(cached):.2f} / {1e3 * p99(cached):.2f} | {exporter.memory('VmRSS') / MEGABYTE:.1f} "
        f"| {exporter.memory('VmHWM') / MEGABYTE:.1f} |",
        flush=True,
    )


def measure(app, binary, what, text, healthy, broken):
    exporter = Exporter(app, "exporter", binary, app.write("tenants.yml", text))
    # The broken ones are probed throughout, more often than by Prometheus.
    stopped = threading.Event()

    def nag(number):
        while not stopped.is_set():
            assert not probe(exporter, number, PATIENCE_SECONDS)[0]

    nagging = [threading.Thread(target=nag, args=(number,), daemon=True) for number in broken]
    for thread in nagging:
        thread.start()
    answers, whole = round_of(exporter, healthy)
    assert all(up for up, _ in answers), f"{what}: {[up for up, _ in answers].count(False)} tenants have no data"
    scrapers = [Scraper(exporter.port, f"/probe?target=tenant-{number}") for number in healthy]
    cached = [scraper.timed() for _ in range(3) for scraper in scrapers]
    line(what, exporter, [seconds for _, seconds in answers], whole, cached)
    stopped.set()
    for thread in nagging:
        thread.join(REFRESH_SECONDS)
    app.stop("exporter")


def tenants(app, binary, count):
    print(f"\n## {count} tenants of {AGENTS_A_TENANT} agents in one process\n")
    port = free_port()
    app.start(
        "simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{port}", f"--agents={count * AGENTS_A_TENANT}",
        f"--page-size={PAGE_ROWS}",
    )
    tenant = Tenant(port)
    print(f"First refreshes of the healthy ones, {AT_ONCE} probes at once, then three cached probes of each; median / p99, in ms.\n")
    print("| tenants | all refreshed after s | a first probe | a cached one | MB at rest | MB at most |\n" + "| --- " + "| ---: " * 5 + "|")
    all_numbers = range(count)
    measure(app, binary, f"{count}, all healthy", config(tenant, count, [tenant.url]), all_numbers, [])
    with Silent() as silent:
        urls = [tenant.url] * BROKEN_ONE_IN
        urls[0], urls[BROKEN_ONE_IN // 2] = f"http://{LOOPBACK}:{silent.port}", f"http://{LOOPBACK}:{free_port()}"
        broken = [number for number in all_numbers if urls[number % BROKEN_ONE_IN] != tenant.url]
        healthy = [number for number in all_numbers if number not in broken]
        what = f"{count}, {len(broken)} of them broken"
        measure(app, binary, what, config(tenant, count, urls), healthy, broken)
    app.stop("simulator")
