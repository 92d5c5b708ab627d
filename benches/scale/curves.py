"""Refreshes of more and more agents, and scrapes beside them."""

import threading
import time

from app import LOOPBACK, free_port, wait_for
from latency import Scraper, in_turn, many, median, p99
from servers import Server, fetch, serve
from simulated import Tenant

# The largest tenant on a busy machine.
REFRESH_SECONDS = 300
COOLDOWN_SECONDS = 1
# The fewest requests, because the cost of agents is measured, not of requests.
SETTINGS = {
    "agents_per_request": 300,
    "cooldown": f"{COOLDOWN_SECONDS}s",
    "max_staleness": "2h",
    "request_timeout": "60s",
    "refresh_timeout": f"{REFRESH_SECONDS}s",
}
PAGE_ROWS = 10_000
SCRAPES = 300
# Small refreshes end before many scrapes, so there are several.
REFRESHES, MOST_REFRESHES, BESIDE = 3, 20, 200
MEGABYTE = 1e6


class Exporter(Server):
    """An exporter that asks the simulated tenant at `url`."""

    def __init__(self, app, name, binary, config):
        port, pid = serve(app, name, binary, config)
        super().__init__(name, port, [pid])
        wait_for(f"{name} answers", lambda: app.alive(name) and fetch(port, "/-/healthy")[0] == 200)

    def refresh(self):
        """Scrapes with a timeout longer than a refresh; returns the body."""
        patience = {"X-Prometheus-Scrape-Timeout-Seconds": str(REFRESH_SECONDS), "Accept": "text/plain;version=0.0.4"}
        status, _, body = fetch(self.port, headers=patience, timeout=REFRESH_SECONDS)
        assert status == 200 and b"\ncxone_up 1\n" in body, body[:2000]
        return body


def value(body, name):
    """The sample of a series without labels."""
    return float(body.partition(b"\n" + name.encode() + b" ")[2].partition(b"\n")[0])


class Point:
    """The cost of one number of agents."""

    def __init__(self, app, binary, agents):
        port = free_port()
        app.start(
            "simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{port}", f"--agents={agents}",
            f"--page-size={PAGE_ROWS}",
        )
        tenant = Tenant(port)
        config = app.write("curves.yml", tenant.config(**SETTINGS))
        self.agents = agents
        exporter = Exporter(app, "exporter", binary, config)
        body = exporter.refresh()
        self.seconds, self.cpu = value(body, "cxone_refresh_duration_seconds"), exporter.cpu_seconds()
        self.bytes, self.requests = value(body, "cxone_api_response_bytes_total"), tenant.requests()["presence"]
        self.peak, self.rest = exporter.memory("VmHWM"), exporter.memory("VmRSS")
        # Another exporter with the same data does not refresh: its scrapes measure the load of the machine.
        calm = Exporter(app, "calm", binary, app.write("calm.yml", tenant.config(**SETTINGS | {"cooldown": "1h"})))
        calm.refresh()
        scrapers = [Scraper(exporter.port), Scraper(calm.port)]
        self.length = scrapers[0].length
        self.beside(exporter, scrapers)
        # A scrape past the cooldown starts a refresh, so the one without refreshes is the calm one, and alone.
        app.stop("exporter")
        app.stop("simulator")
        [self.idle] = many(scrapers[1:], SCRAPES)
        app.stop("calm")

    def beside(self, exporter, scrapers):
        """Scrapes during refreshes."""
        self.refreshing, self.other = [], []
        for turn in range(MOST_REFRESHES):
            if turn >= REFRESHES and len(self.refreshing) >= BESIDE:
                break
            time.sleep(COOLDOWN_SECONDS)
            refresh = threading.Thread(target=exporter.refresh)
            refresh.start()
            ours, theirs = in_turn(scrapers, refresh.is_alive)
            refresh.join()
            # The last one began while the refresh went on, and may have ended after it; so may the body of the scrape
            # that waited for it have been under way.
            self.refreshing += ours[:-1]
            self.other += theirs[:-1]
        self.peak = max(self.peak, exporter.memory("VmHWM"))


def row(point):
    agents = point.agents
    return (
        f"| {agents:,} | {point.requests} | {point.bytes / MEGABYTE:.1f} | {point.seconds:.2f} | {1e6 * point.seconds / agents:.0f} "
        f"| {1e6 * point.cpu / agents:.0f} | {point.rest / MEGABYTE:.1f} | {point.peak / MEGABYTE:.1f} | {point.length / 1e3:,.0f} "
        f"| {1e3 * median(point.idle):.2f} / {1e3 * p99(point.idle):.2f} "
        f"| {1e3 * median(point.refreshing):.2f} / {1e3 * p99(point.refreshing):.2f} "
        f"| {1e3 * median(point.other):.2f} / {1e3 * p99(point.other):.2f} "
        f"| {p99(point.refreshing) / p99(point.idle):.2f} | {len(point.refreshing)} |"
    )


def curves(app, binary, sizes):
    print("\n## Agents, over a day in buckets of an hour\n")
    print("Scrapes are as Prometheus makes them, OpenMetrics in gzip; median / p99, in ms.\n")
    print(
        "| agents | requests | MB read | refresh s | µs an agent | CPU µs an agent | MB at rest | MB at most | kB a scrape "
        "| scrape alone | beside a refresh | another exporter's | p99 beside : alone | scrapes beside |"
    )
    print("| ---: " * 14 + "|", flush=True)
    for agents in sizes:
        print(row(Point(app, binary, agents)), flush=True)
