"""Runs of wrk, and the ratios of alternating runs."""

import re
import statistics
import subprocess

from app import LOOPBACK

# More threads would take processors from the servers; one alone cannot read as fast as they send.
MOST_THREADS = 2


class Run:
    """Scrapes a second, and the server's CPU seconds for a thousand of them."""

    def __init__(self, server, path, headers, connections, seconds):
        before = server.cpu_seconds()
        text = wrk(server.port, path, headers, connections, seconds)
        used = server.cpu_seconds() - before
        assert "Non-2xx" not in text and "Socket errors" not in text, f"{server.name} {path}: {text}"
        self.rate = float(re.search(r"^Requests/sec:\s+([\d.]+)", text, re.M)[1])
        # Responses that the end of the run cut are not counted.
        requests = int(re.search(r"^\s*(\d+) requests in", text, re.M)[1])
        assert requests > 0, f"{server.name} {path} answered nothing: {text}"
        self.cpu_a_thousand = 1000 * used / requests


class Pair:
    """The medians of alternating runs against the exporter and nginx."""

    def __init__(self, exporter, nginx):
        self.rates = [statistics.median(run.rate for run in runs) for runs in (exporter, nginx)]
        self.cpus = [statistics.median(run.cpu_a_thousand for run in runs) for runs in (exporter, nginx)]
        # One ratio per turn, so that other activity of the machine affects both sides.
        self.rate_ratio = statistics.median(ours.rate / theirs.rate for ours, theirs in zip(exporter, nginx))
        self.cpu_ratio = statistics.median(
            ours.cpu_a_thousand / max(theirs.cpu_a_thousand, 1e-9) for ours, theirs in zip(exporter, nginx)
        )


def wrk(port, path, headers, connections, seconds):
    given = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    threads = min(connections, MOST_THREADS)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout=20s", *given]
    finished = subprocess.run([*command, f"http://{LOOPBACK}:{port}{path}"], capture_output=True, text=True, check=True)
    return finished.stdout


def compare(exporter, nginx, place, headers, connections, rounds, seconds):
    """Loads both servers alternately."""
    paths = ((exporter, "/metrics"), (nginx, f"/{place}"))
    runs = ([], [])
    for turn in range(rounds):
        # The order alternates between rounds.
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            server, path = paths[side]
            runs[side].append(Run(server, path, headers, connections, seconds))
    return Pair(*runs)
