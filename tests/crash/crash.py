"""Kills the exporter at random moments under load and faults, and checks its guarantees after the restart."""

import argparse
import random
import signal
import subprocess
import sys
import threading
import time

from app import LOOPBACK, TestApp, free_port, wait_for
from tap import Tap
from simulated import FAULTS, Tenant, scrape

AGENTS = 20
COOLDOWN = 1.0
# Half of the faults are these: a Retry-After must survive a restart.
WAITS = ("rate-limited=1@1", "rate-limited=3@1", "rate-limited-until=2@2", "token:rate-limited=2@1")
# Each refresh is one request, so that the requests show when refreshes start.
SETTINGS = {
    "interval": "PT1H", "incremental": "false", "cooldown": "1s", "max_staleness": "10s", "request_timeout": "2s", "refresh_timeout": "4s", "agents_per_request": 20,
    "max_concurrent_requests": 1,
}
# Number of kills while a refresh waits, in addition to random ones.
WAITING_DEATHS = 3
# Seconds until a kill: during start-up, the first refresh, or a later refresh.
LIVES = ((0.02, 0.2), (0.05, 0.5), (0.5, 2.5))
# If the exporter is killed within this time after an answer, it may not have processed the answer.
LEARN_SECONDS = 0.25
# Inaccuracy of timers and transmission.
SLACK_SECONDS = 0.02
# A refresh writes its start to disk before the first request.
NOTING_SECONDS = 0.15


class Crash:
    def __init__(self, app, binary, storage, chance):
        self.app, self.binary, self.chance = app, binary, chance
        simulator = free_port()
        app.start("simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={AGENTS}")
        self.tenant = Tenant(simulator)
        self.tap = Tap(simulator)
        self.config = app.write("config.yml", self.tenant.config(f"http://{LOOPBACK}:{self.tap.port}", **SETTINGS))
        self.storage = [f"--storage.path={app.path / 'storage'}"] if storage else []
        self.births, self.kills, self.problems = [], [], []
        self.scrapes, self.checked, self.refused = 0, 0, 0

    def problem(self, what):
        self.problems.append(f"in life {len(self.births)}: {what}")

    def live_once(self):
        """Starts the exporter, scrapes it with several clients, and kills it at a random moment."""
        port = self.start()
        exporter = self.app.processes["exporter"]
        span = self.chance.uniform(*self.chance.choice(LIVES))
        dead = threading.Event()
        clients = [threading.Thread(target=self.client, args=(port, dead)) for _ in range(3)]
        for client in clients:
            client.start()
        try:
            exporter.wait(span)
            self.problem(f"it ended by itself with {exporter.returncode}")
        except subprocess.TimeoutExpired:
            pass
        dead.set()
        self.kill()
        for client in clients:
            client.join()

    def die_waiting(self):
        """Kills the exporter while a refresh waits for a Retry-After, and checks the next start."""
        self.tenant.heal()
        port = self.start()
        # Start from a success, so that no back-off is longer than the wait.
        wait_for("a life has new data", lambda: scrape(port, 1).value("cxone_up") == 1)
        known = len(self.tap.log())
        answer = lambda: next((request for request in self.tap.log()[known:] if request.wait_ends), None)
        self.tenant.break_with(["rate-limited=3@1"])
        dead = threading.Event()
        client = threading.Thread(target=self.client, args=(port, dead))
        client.start()
        waiting = wait_for("a request is told to wait", answer)
        time.sleep(2 * LEARN_SECONDS)
        dead.set()
        self.kill()
        client.join()
        port = self.start()
        while time.time() < waiting.wait_ends + 0.5:
            try:
                self.check(scrape(port, 1))
            except OSError:
                pass
            time.sleep(0.05)
        self.kill()

    def start(self):
        """Starts the exporter; returns its port."""
        port = free_port()
        command = [self.binary, f"--config.file={self.config}", f"--web.listen-address={LOOPBACK}:{port}", *self.storage]
        self.births.append(time.time())
        self.app.start("exporter", *command)
        return port

    def kill(self):
        # Recorded first: later events may be incomplete.
        self.kills.append(time.time())
        self.app.stop("exporter", signal.SIGKILL)
        self.tap.settle()

    def client(self, port, dead):
        """Scrapes until the kill and checks the answers."""
        while not dead.is_set():
            try:
                seen = scrape(port)
            except OSError:
                # Not started yet, or killed already.
                time.sleep(0.01)
                continue
            except AssertionError as error:
                self.problem(str(error))
                continue
            except Exception as error:
                # A kill truncates answers.
                if not dead.wait(0.05):
                    self.problem(repr(error))
                continue
            self.scrapes += 1
            self.check(seen)
            time.sleep(0.02)

    def check(self, seen):
        fresh = seen.value("cxone_refresh_agents", result="fresh")
        if seen.value("cxone_up") == 1 and fresh == AGENTS:
            self.checked += 1
            for wrong in self.tenant.untruths(seen):
                self.problem(wrong)

    def judge_requests(self):
        """Checks the recorded requests: none before a Retry-After ends, no refresh within a cooldown."""
        log = self.tap.log()
        waits = [request for request in log if request.wait_ends and not self.killed_at(request.answered_at)]
        early = [
            wait.wait_ends - request.at
            for wait in waits
            for request in log
            # A concurrent batch may have sent its request before the answer arrived.
            if wait.answered_at + LEARN_SECONDS < request.at < wait.wait_ends - SLACK_SECONDS
            and self.must_know(wait, request)
        ]
        self.problems += [f"a request {ahead:.2f} s before a Retry-After ended" for ahead in early]
        starts = self.refresh_starts(log)
        gaps = [later.at - earlier.at for earlier, later in zip(starts, starts[1:]) if self.must_know(earlier, later)]
        close = [gap for gap in gaps if gap < COOLDOWN - NOTING_SECONDS]
        self.problems += [f"a refresh {gap:.2f} s after one" for gap in close]
        # Without storage each life may start a refresh at once; beyond that, and with it, a cooldown is between any two.
        span = log[-1].at - log[0].at
        most = int(span / COOLDOWN) + 1 + (0 if self.storage else len(self.births))
        if len(starts) > most:
            self.problems.append(f"{len(starts)} refreshes in {span:.0f} s, and {most} are allowed")
        return (
            f"{len(log)} requests, {len(starts)} refreshes of {most} allowed, the closest {min(gaps, default=0):.2f} s apart; "
            f"{len(waits)} times Retry-After, {len(early)} requests before its end"
        )

    def killed_at(self, moment):
        """Whether the exporter was killed before it could process an answer of this moment."""
        return any(moment <= kill + SLACK_SECONDS and kill < moment + LEARN_SECONDS for kill in self.kills)

    def must_know(self, earlier, later):
        """Whether the sender of the later request must know the earlier one."""
        return bool(self.storage) or self.life(earlier.at) == self.life(later.at)

    def life(self, moment):
        return sum(birth <= moment for birth in self.births)

    def refresh_starts(self, log):
        """The first request of each refresh. Its window ends with the second it began in, so its first pages are alike."""
        starts, refresh, token = [], None, None
        for request in log:
            if request.is_first_page:
                this = (self.life(request.at), request.path)
                if this != refresh:
                    asked_for_token = token is not None and self.life(token.at) == this[0]
                    starts.append(token if asked_for_token else request)
                refresh, token = this, None
            elif not request.is_presence:
                token = token or request
        return starts


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("binary")
    arguments.add_argument("cycles", type=int)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--faults", type=float, default=0.4, help="in which share of lives something goes wrong upstream")
    arguments.add_argument("--storage", action="store_true", help="with --storage.path, whose promises are checked too")
    arguments = arguments.parse_args()
    with TestApp() as app:
        chance = random.Random(arguments.seed)
        crash = Crash(app, arguments.binary, arguments.storage, chance)
        started = time.monotonic()
        for _ in range(arguments.cycles):
            # What was to go wrong in the last life is over, or faults would pile up while back-offs last.
            crash.tenant.heal()
            if chance.random() < arguments.faults:
                kinds = chance.choice((FAULTS, WAITS))
                crash.tenant.break_with(chance.choices(kinds, k=chance.randrange(1, 3)))
            crash.live_once()
        if arguments.storage:
            for _ in range(WAITING_DEATHS):
                crash.die_waiting()
        crash.tenant.heal()
        took = time.monotonic() - started
        recover(crash)
        figures = crash.judge_requests()
        print(f"{arguments.cycles} kills in {took:.0f} s, seed {arguments.seed}: {crash.scrapes} scrapes, of which {crash.checked} "
              f"were of a full refresh and held against the truth\n{figures}")
        log = app.log("exporter")
        crash.problems += [f"in the log: {line}" for line in log.splitlines() if "panicked" in line or "not-a-secret" in line]
        if crash.problems:
            sys.exit("\n".join([f"{len(crash.problems)} promises were broken:"] + crash.problems[:40]))


def recover(crash):
    """After all kills, the exporter serves correct data."""
    port = crash.start()
    born = time.time()

    def recovered():
        seen = scrape(port)
        new = seen.value("cxone_up") == 1 and seen.value("cxone_window_end_timestamp_seconds") >= int(born)
        return seen if new else None

    for wrong in crash.tenant.untruths(wait_for("the last life has new data", recovered, 45)):
        crash.problem(wrong)


main()
