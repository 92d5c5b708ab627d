"""Durations of cached scrapes, one after the other on one connection."""

import http.client
import math
import statistics
import time

from app import LOOPBACK

# As Prometheus asks.
ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
# With the shortest timeout: a scrape that waits for a refresh would measure the refresh.
HEADERS = {"Accept": ACCEPT, "Accept-Encoding": "gzip", "X-Prometheus-Scrape-Timeout-Seconds": "0"}
# A scraper that never sleeps takes a processor from the exporter.
PAUSE_SECONDS = 0.002
TIMEOUT_SECONDS = 60


class Scraper:
    """A connection that is kept."""

    def __init__(self, port, path="/metrics"):
        self.connection, self.path = http.client.HTTPConnection(LOOPBACK, port, timeout=TIMEOUT_SECONDS), path
        self.length = len(self.scrape())

    def scrape(self):
        self.connection.request("GET", self.path, headers=HEADERS)
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (self.path, answer.status, body[:200])
        return body

    def timed(self):
        """The seconds that a scrape takes."""
        started = time.perf_counter()
        self.scrape()
        taken = time.perf_counter() - started
        time.sleep(PAUSE_SECONDS)
        return taken


def in_turn(scrapers, goes_on):
    """The times of each scraper, all of which take turns for as long as `goes_on` says."""
    times = [[] for _ in scrapers]
    while goes_on():
        for scraper, taken in zip(scrapers, times):
            taken.append(scraper.timed())
    return times


def many(scrapers, count):
    """The times of so many scrapes by each."""
    left = iter(range(count))
    return in_turn(scrapers, lambda: next(left, None) is not None)


def median(times):
    return statistics.median(times)


def p99(times):
    """The time that one in a hundred exceeds: by nearest rank."""
    return sorted(times)[math.ceil(0.99 * len(times)) - 1]
