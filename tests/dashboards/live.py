#!/usr/bin/env python3
"""Runs queries.py against a real Prometheus on loopback that scrapes exposition.py, for one tenant, for two, and for four shards.

Takes half a minute each. Further arguments go to queries.py.
"""

import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
DEPLOY = HERE.parents[1] / "deploy" / "prometheus"
# Enough for the rules that rest on rules to be evaluated, for $__rate_interval to see counters move, and for a step of 15 s of History.
SETTLE_SECONDS = 30
DEADLINE_SECONDS = 30


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def quick(example, exporter_ports):
    """The shipped example at a pace for tests, on the expositions' ports."""
    text = (DEPLOY / example).read_text()
    text = re.sub(r"scrape_(interval|timeout): \w+|evaluation_interval: \w+", lambda m: re.sub(r": \w+", ": 1s", m[0]), text)
    for nth, port in enumerate(exporter_ports):
        text = text.replace(f"127.0.0.1:{10062 + 10 * nth}", f"127.0.0.1:{port}")
    text = text.replace("  - cxone.", f"  - {DEPLOY}/cxone.")
    return text.replace('["127.0.0.1:9093"]', "[]")


def wait_for(url):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def run(example, tenants, arguments, shards=1):
    exporter_ports, port = [free_port() for _ in range(shards)], free_port()
    with tempfile.TemporaryDirectory() as directory:
        config = pathlib.Path(directory, "prometheus.yml")
        config.write_text(quick(example, exporter_ports))
        with open(f"{directory}/log", "w") as log:
            processes = []
            for nth, exporter_port in enumerate(exporter_ports):
                shard = [f"--shard={nth}/{shards}"] if shards > 1 else []
                command = [sys.executable, HERE / "exposition.py", *shard, str(exporter_port), *tenants]
                processes.append(subprocess.Popen(command))
            try:
                # First: Prometheus asks for the targets as it starts, and then a minute later.
                for exporter_port in exporter_ports:
                    wait_for(f"http://127.0.0.1:{exporter_port}/sd")
                base = f"http://127.0.0.1:{port}"
                command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={directory}/data",
                           f"--web.listen-address=127.0.0.1:{port}"]
                processes.append(subprocess.Popen(command, stdout=log, stderr=log))
                wait_for(f"{base}/-/ready")
                time.sleep(SETTLE_SECONDS)
                command = [sys.executable, HERE / "queries.py", base, "--range=30", "--scrape-interval=1", *arguments]
                return subprocess.run(command, check=False).returncode
            finally:
                for process in processes:
                    process.terminate()
                for process in processes:
                    process.wait(timeout=DEADLINE_SECONDS)


def main():
    results = [
        run("prometheus.yml", [], sys.argv[1:]),
        run("prometheus-tenants.yml", ["acme", "globex"], sys.argv[1:]),
        run("prometheus-shards.yml", [], sys.argv[1:], shards=4),
    ]
    return max(results)


if __name__ == "__main__":
    sys.exit(main())
