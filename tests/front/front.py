"""Scrapes during load by slow clients: at most twice the time without load, and no descriptor is leaked."""

import argparse
import csv
import http.client
import os
import pathlib
import resource
import signal
import socket
import ssl
import statistics
import sys
import time

from app import LOOPBACK, TestApp, free_port, wait_for
from simulated import Tenant, scrape

AGENTS = 500
# One refresh for the whole run, so that only the HTTP server is measured.
SETTINGS = {"cooldown": "1h", "max_staleness": "2h"}
CONNECTIONS = 2_000
DIALS_A_SECOND = 1_000

# Scrapes with and without load alternate, so that other activity of the machine affects both.
ROUNDS = 3
SCRAPES = 50
PAUSE_SECONDS = 0.01
# Time until all connections are opened.
RAMP_SECONDS = CONNECTIONS / DIALS_A_SECOND + 0.5
# REPORT_SECONDS of http2_clients.py.
REPORT_SECONDS = 0.5
# How long slowhttptest runs: the ramp, the scrapes and a margin.
SLOW_SECONDS = 6

# The limit for a scrape during a load: twice its time without load, plus the wait for a processor, because the load and the
# scraper keep two processors busy. Scrapes of a second exporter without load, at the same time, measure that wait.
TIMES = 2
FLOOR_SECONDS = 0.002
# The slowest twentieth waits for some time slices of the kernel's scheduler.
TAIL_FLOOR_SECONDS = 0.010
# A load that exceeds a limit is repeated: a fault exceeds it again, a busy machine rarely does.
TRIES = 2

# The longest time that a scrape may take during any load.
NEWCOMER_SECONDS = 1
# Resident memory that the exporter may take during any load: well above its own and that of 512 connections.
RESIDENT_BYTES = 128 * 2**20

# The longest time-out of an inactive client (FIRST_HEAD_TIMEOUT, TLS_HANDSHAKE_TIMEOUT and WRITE_STALL_TIMEOUT in
# src/web/limits.rs), and a margin.
SILENCE_SECONDS = 10 + 3
# Time until the exporter notices closed connections.
GONE_SECONDS = 3
# Kernel memory that the connections of all clients may take: 512 times 128 KiB unsent (MAX_UNSENT_BYTES), data in flight on
# loopback, and a margin. Without a limit a few hundred slow readers fill the 2 GiB that Linux has for TCP.
TCP_MEMORY_BYTES = 512 * 2**20
PAGE_BYTES = resource.getpagesize()

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Exporter:
    """An exporter whose scrapes are timed."""

    def __init__(self, app, binary, name, config, tls):
        self.name, self.port, self.tls = name, free_port(), tls
        flags = [f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{self.port}"]
        self.context = None
        if tls:
            certificates = ROOT / "tests/configs/web"
            flags.append(f"--web.config.file={certificates / 'tls.good.yml'}")
            self.context = ssl.create_default_context(cafile=certificates / "ca.pem")
        self.process = app.start(name, binary, *flags)
        # The first scrape starts the only refresh.
        wait_for(f"{name} has data", lambda: b"cxone_up 1\n" in self.scrape())

    def scrape(self):
        """The body of a scrape on a connection of its own."""
        connection = (
            http.client.HTTPSConnection("localhost", self.port, timeout=15, context=self.context)
            if self.tls
            else http.client.HTTPConnection(LOOPBACK, self.port, timeout=15)
        )
        try:
            connection.request("GET", "/metrics", headers={"Connection": "close"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200 and body.endswith(b"\n"), (answer.status, body[-100:])
            return body
        finally:
            connection.close()

    def timed(self):
        """The seconds that a scrape takes."""
        started = time.perf_counter()
        self.scrape()
        return time.perf_counter() - started

    def resident(self):
        """The resident memory of the exporter, in bytes."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def rejected(self):
        """Numbers of rejected requests and connections by reason."""
        lines = (line.split(b" ") for line in self.scrape().splitlines() if line.startswith(b"cxone_exporter_http_rejected"))
        return {name.split(b'"')[1].decode(): int(value) for name, value in lines}


class SlowClients:
    """The load of slow_clients.py."""

    script = "slow_clients.py"
    # False for a load that takes much processor time itself, which slows every scrape.
    compares_with_alone = True

    def __init__(self, mode, connections=CONNECTIONS, rate=DIALS_A_SECOND, ramp=RAMP_SECONDS):
        self.mode, self.connections, self.rate, self.ramp = mode, connections, rate, ramp

    def start(self, app, port):
        self.app, self.name = app, f"slow-clients-{self.mode}"
        script = pathlib.Path(__file__).with_name(self.script)
        (app.path / f"{self.name}.log").unlink(missing_ok=True)
        self.process = app.start(self.name, sys.executable, script, self.mode, port, self.connections, self.rate)

    def proof(self):
        """Proof of the load: the number of connections."""
        dialled, held, received = map(int, self.app.log(self.name).splitlines()[-1].split())
        assert dialled >= self.connections, f"{self.name} dialled {dialled} of {self.connections}"
        return f"{dialled} dialled, {held} held, {received} bytes answered"

    def stop(self):
        self.app.stop(self.name, signal.SIGKILL)


class SlowHttpTest:
    """The load of slowhttptest."""

    compares_with_alone = True

    def __init__(self, *flags, rate=DIALS_A_SECOND, ramp=RAMP_SECONDS):
        self.flags, self.rate, self.ramp = flags, rate, ramp

    def start(self, app, port):
        self.app, self.name = app, "slowhttptest"
        (app.path / "slow.csv").unlink(missing_ok=True)
        target = [f"-uhttp://{LOOPBACK}:{port}/metrics", f"-c{CONNECTIONS}", f"-r{self.rate}", f"-l{SLOW_SECONDS}"]
        self.process = app.start(self.name, "slowhttptest", *self.flags, *target, "-g", "-oslow", "-v1")

    def proof(self):
        """Proof of the load: connections were established and the server was available."""
        # The report is written when slowhttptest ends by itself.
        self.process.wait(SLOW_SECONDS + 10)
        with open(self.app.path / "slow.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        connected, closed = (max(int(row[column]) for row in rows) for column in ("Connected", "Closed"))
        assert connected + closed >= CONNECTIONS / 2, f"slowhttptest had {connected} connections, and {closed} were closed"
        assert all(int(row["Service Available"]) > 0 for row in rows), f"slowhttptest found the exporter down: {rows}"
        return f"at most {connected} connections, {closed} seen closed"

    def stop(self):
        self.app.stop(self.name, signal.SIGKILL)


class Http2Clients(SlowClients):
    """The load of http2_clients.py: more connections than the exporter accepts, each with several streams."""

    script = "http2_clients.py"
    compares_with_alone = False

    def __init__(self, mode):
        super().__init__(mode, 530, 500, REPORT_SECONDS)

    def start(self, app, port):
        super().start(app, port)
        # Handshakes take processor time, so the ramp depends on the machine.
        wait_for("all are dialled", lambda: self.dialled() >= self.connections, 60)

    def dialled(self):
        lines = self.app.log(self.name).splitlines()
        return int(lines[-1].split()[0]) if lines else 0


# Each load, whether it is for an exporter with TLS, and whether its clients at the end keep their connections and send nothing.
LOADS = {
    "slow-heads": (SlowHttpTest("-H", "-i1"), False, False),
    # The exporter answers and closes these at once, so new ones are opened throughout.
    "slow-bodies": (SlowHttpTest("-B", "-i1", "-s8192", rate=CONNECTIONS // 5, ramp=0.3), False, False),
    "slow-reads": (SlowHttpTest("-X", "-n1", "-w8", "-y16", "-z8", "-k3"), False, True),
    "idle": (SlowClients("idle"), False, False),
    "half-sent": (SlowClients("half"), False, True),
    "pipelined": (SlowClients("pipelined", 50, 50), False, False),
    "no-tls": (SlowClients("no-tls"), True, True),
    "http2-no-window": (Http2Clients("no-window"), True, False),
    "http2-slow-window": (Http2Clients("slow-window"), True, False),
}


class Times:
    """Durations of scrapes in seconds, and failures."""

    def __init__(self):
        self.seconds, self.failures = [], []

    def measure(self, exporter):
        try:
            self.seconds.append(exporter.timed())
        except (OSError, http.client.HTTPException, AssertionError) as error:
            self.failures.append(repr(error))
        time.sleep(PAUSE_SECONDS)

    def median(self):
        return statistics.median(self.seconds)

    def tail(self):
        """The 95th percentile."""
        return statistics.quantiles(self.seconds, n=20)[-1]

    def __str__(self):
        figures = (figure * 1e3 for figure in (self.median(), self.tail(), max(self.seconds)))
        return "{:.2f} ms, p95 {:.2f}, worst {:.1f}".format(*figures)


def tcp_memory():
    """What all TCP connections of this network namespace hold in the kernel, in bytes."""
    words = pathlib.Path("/proc/net/sockstat").read_text().split("TCP:")[1].split()
    return int(words[words.index("mem") + 1]) * PAGE_BYTES


def measure(app, name, exporter, unloaded):
    """Scrapes without and with one load; returns the problems."""
    load, _, is_silent = LOADS[name]
    alone, loaded, reference, problems = Times(), Times(), Times(), []
    before, rejected_before = exporter.descriptors(), exporter.rejected()
    descriptors = memory = resident = 0
    for nth in range(ROUNDS):
        for _ in range(SCRAPES):
            alone.measure(exporter)
        load.start(app, exporter.port)
        time.sleep(load.ramp)
        for _ in range(SCRAPES):
            loaded.measure(exporter)
            reference.measure(unloaded)
            descriptors = max(descriptors, exporter.descriptors())
            memory = max(memory, tcp_memory())
            resident = max(resident, exporter.resident())
        if load.process.poll() is not None:
            problems.append(f"{name}: the load was over before the scrapes were")
        if is_silent and nth == ROUNDS - 1:
            # The clients keep their connections and send nothing more.
            load.process.send_signal(signal.SIGSTOP)
            took = descriptors_return(exporter, before, SILENCE_SECONDS)
            load.stop()
        else:
            proof = load.proof()
            load.stop()
            took = descriptors_return(exporter, before, GONE_SECONDS)
    increases = {reason: count - rejected_before[reason] for reason, count in exporter.rejected().items() if count > rejected_before[reason]}
    app.report(f"{name}: alone {alone}; with load {loaded}; second exporter at the same time {reference}")
    app.report(
        f"  {proof}; {descriptors} descriptors at most, and {before} again in {took:.1f} s; {memory / 2**20:.0f} MiB in the kernel, "
        f"{resident / 2**20:.0f} MiB resident; "
        f"rejected {increases}"
    )
    problems += [f"{name}: a scrape failed: {failure}" for failure in alone.failures + loaded.failures + reference.failures]
    if max(loaded.seconds, default=0) > NEWCOMER_SECONDS:
        problems.append(f"{name}: a scrape took {max(loaded.seconds):.2f} s, and at most {NEWCOMER_SECONDS} s are allowed")
    if resident > RESIDENT_BYTES:
        problems.append(f"{name}: {resident} bytes resident, and at most {RESIDENT_BYTES} are allowed")
    if memory > TCP_MEMORY_BYTES:
        problems.append(f"{name}: {memory} bytes in the kernel, and at most {TCP_MEMORY_BYTES} are allowed")
    for what, seconds, limit in (
        ("median", loaded.median(), TIMES * alone.median() + max(0, reference.median() - alone.median()) + FLOOR_SECONDS),
        ("tail", loaded.tail(), TIMES * max(alone.tail(), reference.tail()) + TAIL_FLOOR_SECONDS),
    ):
        if seconds > limit and load.compares_with_alone:
            problems.append(f"{name}: the {what} during it is {seconds * 1e3:.2f} ms, and at most {limit * 1e3:.2f} ms are allowed")
    return problems


def descriptors_return(exporter, before, timeout):
    """The seconds until no more descriptors are open than before."""
    started = time.monotonic()
    wait_for(f"{before} descriptors are open again", lambda: exporter.descriptors() <= before, timeout)
    return time.monotonic() - started


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("loads", nargs="*", choices=[[], *LOADS], help="only these")
    arguments = arguments.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * CONNECTIONS), hard))
    with TestApp() as app:
        simulator = free_port()
        command = [arguments.binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={AGENTS}"]
        app.start("simulator", *command)
        config = app.write("config.yml", Tenant(simulator).config(**SETTINGS))
        pairs = {}
        for tls in (False, True):
            kind = "tls" if tls else "plain"
            pairs[tls] = [Exporter(app, arguments.binary, f"{who}-{kind}", config, tls) for who in ("exporter", "unloaded")]
        problems = []
        for name in arguments.loads or LOADS:
            for _ in range(TRIES):
                found = measure(app, name, *pairs[LOADS[name][1]])
                if not found:
                    break
                app.report("  " + "\n  ".join(found))
            problems += found
        if problems:
            sys.exit("\n".join([f"{len(problems)} limits were exceeded:"] + problems))


main()
