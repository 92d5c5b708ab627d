"""`increase()` on a real Prometheus is the time in each state, over restarts, kills, reloads and changed shards.

Everything goes 60 times faster, so that a window of 30 seconds has as many changes of state as half an hour, and Prometheus scrapes every
second.
"""

import signal
import sys

from app import TestApp, wait_for
from monitoring import SPEED, Prometheus
from running import Exporter, Tenant
from scrape import config

COUNTER, GAUGE = "cxone_agent_state_time_seconds_total", "cxone_agent_state_seconds"
WINDOW_SECONDS = 30
# Longer than the test.
RANGE = "10m"
AGENTS = 40
# Buckets of a second fill windows that begin and end at whole ones.
OF_API = {
    "presence": {"interval": "PT1S", "settle": "5s"},
    "official": {"history_lookback": "1m", "settle": "5s"},
}
TIMES = {"window": f"{WINDOW_SECONDS}s", "cooldown": "1s", "max_staleness": "10s", "refresh_timeout": "2s"}
# Rows of the official API have milliseconds, and an agent changes its state some twenty times a minute at most.
TOLERANCE_SECONDS = {"presence": 1e-4, "official": 0.05}
# Prometheus extrapolates an increase to the range from samples a second apart: it does not know up to a second at each end, at
# which a counter rises by a second at most.
INCREASE_TOLERANCE_SECONDS = 2.0
# Refreshes between one change and the next.
BETWEEN_SECONDS = 3


class Run:
    """A tenant, an exporter with storage, and a Prometheus that scrapes it."""

    def __init__(self, app, binary, api):
        self.app, self.api = app, api
        self.tenant = Tenant(app, binary, f"--agents={AGENTS}", f"--time-scale={SPEED}", "--page-size=10000").start()
        self.agents = self.tenant.agents()
        self.configure(self.agents[:-1])
        flags = (f"--config.file={app.path}/config.yml", f"--storage.path={app.path}/state", "--web.enable-lifecycle")
        self.exporter = Exporter(app, binary, *flags).start()
        self.prometheus = Prometheus(app, config({"cxone": self.exporter.address}))
        self.passes()

    def configure(self, agents):
        """Writes the configuration with these agents."""
        settings = TIMES | OF_API[self.api]
        self.app.write("config.yml", self.tenant.config(self.app, agents, api=self.api, **settings))

    def end(self):
        """The end of the window that was scraped last with counters."""
        return self.prometheus.value(f"cxone_window_end_timestamp_seconds and on () count({COUNTER})")

    def passes(self, seconds=BETWEEN_SECONDS):
        """Waits until data is that much later."""
        begun = wait_for("counters are scraped", self.end)
        wait_for("the window moves on", lambda: self.end() >= begun + seconds, 60)

    def restarts(self, how, *flags):
        """Ends the exporter, and starts it with further flags."""
        started = self.prometheus.value("process_start_time_seconds")
        self.app.stop("exporter", how)
        before, self.exporter.flags = self.exporter.flags, self.exporter.flags + flags
        self.exporter.start()
        self.exporter.flags = before
        wait_for("the exporter is scraped after its restart", lambda: self.prometheus.query(f"process_start_time_seconds > {started!r}"))
        self.passes()

    def reloads(self, agents):
        """Configures other agents while the exporter runs."""
        self.configure(agents)
        self.exporter.reload()
        expected = {agent["id"] for agent in agents}
        wait_for("the reload is seen", lambda: {
            row["metric"]["agent"] for row in self.prometheus.query(f"count by (agent) ({COUNTER})")
        } == expected)
        self.passes()

    # === What Prometheus knows in the end ===

    def ends(self):
        """The window's end by the time of each scrape that had counters."""
        times = {time for row in self.prometheus.query(f"{COUNTER}[{RANGE}]") for time, _ in row["values"]}
        (row,) = self.prometheus.query(f"cxone_window_end_timestamp_seconds[{RANGE}]")
        return {time: float(end) for time, end in row["values"] if time in times}

    def seconds(self, expression):
        """The values of an expression by agent and state."""
        return {
            (row["metric"]["agent"], row["metric"]["state"]): float(row["value"][1]) for row in self.prometheus.query(expression)
        }

    def never_decreases(self):
        """No series has a reset, which would count all of its time again."""
        assert not self.prometheus.query(f"resets({COUNTER}[{RANGE}]) > 0"), "a counter has decreased"

    def equals_the_truth(self):
        """From each agent's first sample to the last one, the difference is the tenant's truth."""
        ends = self.ends()
        first = {}
        for row in self.prometheus.query(f"{COUNTER}[{RANGE}]"):
            agent, time = row["metric"]["agent"], row["values"][0][0]
            first[agent] = min(first.get(agent, time), time)
        assert first.keys() == {agent["id"] for agent in self.agents}, first.keys()
        last, compared = max(ends), 0
        values = self.seconds(f"{COUNTER} @ {last:.3f}")
        for begun in sorted(set(first.values())):
            truth = self.tenant.truth(ends[begun], ends[last], self.api)
            before = self.seconds(f"{COUNTER} @ {begun:.3f}")
            for agent in (agent for agent, time in first.items() if time == begun):
                states = {state for who, state in values if who == agent}
                assert states >= truth[agent].keys(), (states, truth[agent])
                for state in states:
                    counted = values[agent, state] - before.get((agent, state), 0.0)
                    self.equal(agent, state, counted, truth[agent].get(state, 0.0), TOLERANCE_SECONDS[self.api])
                    compared += 1
        length = ends[last] - ends[min(ends)]
        self.app.report(f"{compared} counters equal the truth over {length:.0f} s, in {len(ends)} scrapes, and none has decreased")

    def equals_the_gauge(self):
        """Over a window, difference and increase are the gauge at the window's end."""
        ends = self.ends()
        starts = {end: time for time, end in ends.items()}
        last, begun = next(
            (time, starts[ends[time] - WINDOW_SECONDS]) for time in sorted(ends, reverse=True) if ends[time] - WINDOW_SECONDS in starts
        )
        gauge = self.seconds(f"{GAUGE} @ {last:.3f}")
        difference = self.seconds(f"{COUNTER} @ {last:.3f} - {COUNTER} @ {begun:.3f}")
        increase = self.seconds(f"increase({COUNTER}[{WINDOW_SECONDS}s] @ {last:.3f})")
        # At a restart, and while an agent is configured no more or in another shard, more than a second is without its samples.
        unknown = {
            (row["metric"]["agent"], row["metric"]["state"]): row["values"][0][0] - (last - WINDOW_SECONDS)
            for row in self.prometheus.query(f"{COUNTER}[{WINDOW_SECONDS}s] @ {last:.3f}")
        }
        both = gauge.keys() & difference.keys()
        assert len(both) > AGENTS, "most series are as old as a window"
        for agent, state in both:
            self.equal(agent, state, difference[agent, state], gauge[agent, state], TOLERANCE_SECONDS[self.api])
            self.equal(agent, state, increase[agent, state], gauge[agent, state], INCREASE_TOLERANCE_SECONDS + unknown[agent, state])
        self.app.report(f"{len(both)} differences and increases over a window equal the gauge at its end")

    @staticmethod
    def equal(agent, state, counted, expected, tolerance):
        assert abs(counted - expected) <= tolerance, f"agent {agent}, {state}: {counted} s, expected {expected} s"


def main(binary, api="presence"):
    with TestApp() as app:
        run = Run(app, binary, api)
        agents = run.agents
        run.restarts(signal.SIGTERM)
        run.restarts(signal.SIGKILL)
        app.report("restarted, by SIGTERM and by SIGKILL")
        run.reloads(agents[1:])
        run.reloads(agents)
        app.report("an agent was removed and another added, then the first one came back")
        run.restarts(signal.SIGTERM, "--shard.total=2", "--shard.index=0")
        run.restarts(signal.SIGKILL, "--shard.total=2", "--shard.index=1")
        run.restarts(signal.SIGTERM)
        run.passes()
        app.report("ran as one shard of two, as the other, and alone again")
        run.never_decreases()
        run.equals_the_truth()
        run.equals_the_gauge()
        run.exporter.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
