"""History from before the first scrape: imported into a real Prometheus, which then scrapes the running exporter on top of it.

The counter and the gauge of 14 days and of the running exporter are one series, `increase()` over the seam equals the tenant's truth,
and the gauge has no gap. `tests/engines/run` runs this with Prometheus 3.
"""

import shutil
import subprocess
import sys
import time

from app import TestApp, get_json, wait_for
from monitoring import Prometheus
from running import Exporter, Tenant, moment, samples

AGENTS = 12
DAYS = 14
DAY_SECONDS = 24 * 3600
STEP_SECONDS = 300
# `promtool` reads the file once a block, which would be two hours long.
BLOCKS = "--max-block-duration=54h"
# Scrapes of the running exporter, one a second.
SCRAPED_SECONDS = 20
# The exporter's counter and the history's last value are exact; a refresh ends at a whole second.
EXACT_SECONDS = 1.5
# `increase()` extrapolates to both ends of its range, by a step at the most.
EXTRAPOLATED_SECONDS = STEP_SECONDS + 10
STATE_TIME, STATE = "cxone_agent_state_time_seconds_total", "cxone_agent_state_seconds"


def run(*command, expected=0):
    """The output of a command, which has to end with this code."""
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    assert ended.returncode == expected, f"{command} ended with {ended.returncode}: {ended.stderr[-2000:]}"
    return ended


def create_blocks(app, name, text):
    """Has promtool make blocks of OpenMetrics, and returns their folder."""
    history, blocks = app.write(f"{name}.om", text), app.path / f"{name}-blocks"
    run("promtool", "tsdb", "create-blocks-from", BLOCKS, "openmetrics", history, blocks)
    assert any(blocks.iterdir()), "promtool has made no block"
    return blocks


def first_refresh(exporter):
    """The end of the exporter's first window, from which its counters count."""
    (end,) = [value for name, _, value in samples(exporter.get("/metrics")) if name == "cxone_window_end_timestamp_seconds"]
    return end


def values(prometheus, expression, at):
    """Values by agent and state at a time."""
    answer = get_json(f"{prometheus.base_url}/api/v1/query", query=expression, time=at)
    return {(row["metric"]["agent"], row["metric"]["state"]): float(row["value"][1]) for row in answer["data"]["result"]}


def counts(prometheus, expression, start, end, step):
    """The value of an expression without labels at each step, by time."""
    answer = get_json(f"{prometheus.base_url}/api/v1/query_range", query=expression, start=start, end=end, step=step)
    (series,) = answer["data"]["result"]
    return {int(at): float(value) for at, value in series["values"]}


def compare(what, got, truth, tolerance):
    """Fails unless every state of every agent is the truth; returns the largest difference."""
    worst = 0.0
    for (agent, state), seconds in got.items():
        difference = abs(seconds - truth[agent].get(state, 0.0))
        assert difference <= tolerance, f"{what}: agent {agent}, {state}: {seconds}, the truth is {truth[agent].get(state, 0.0)}"
        worst = max(worst, difference)
    assert {agent for agent, _ in got} == truth.keys(), f"{what}: other agents than the tenant's"
    return worst


class Run:
    """The processes of the test, and its steps in order."""

    def __init__(self, app, binary, api):
        self.app, self.binary, self.api = app, binary, api
        self.tenant = Tenant(app, binary, f"--agents={AGENTS}", "--page-size=10000").start()
        agents = self.tenant.agents()
        self.config = app.write("config.yml", self.tenant.config(app, agents, api=api, cooldown="1s"))
        self.exporter = Exporter(app, binary, f"--config.file={self.config}").start()
        self.labels = ("--label=job=cxone", f"--label=instance={self.exporter.address}")

    def ends_three_hours_ago(self):
        """`backfill` refuses what Prometheus may have in memory, and promtool takes what it prints."""
        now = time.time()
        command = (self.binary, "backfill", f"--config.file={self.config}", f"--from={moment(now - DAY_SECONDS)}", *self.labels)
        refused = run(*command, f"--to={moment(now - 2 * 3600)}", expected=2)
        assert "later than three hours ago" in refused.stderr, refused.stderr
        printed = run(*command).stdout
        last = max(float(line.rsplit(" ", 1)[1]) for line in printed.splitlines() if line.startswith(STATE_TIME))
        assert now - 3 * 3600 - STEP_SECONDS <= last <= time.time() - 3 * 3600, f"the last sample is {now - last} s old"
        create_blocks(self.app, "day", printed)
        self.app.report("backfill ends three hours ago, and promtool takes what it prints")

    def imports_history(self):
        self.seam = first_refresh(self.exporter)
        self.start = self.seam - DAYS * DAY_SECONDS
        printed = run(
            self.binary, "report", f"--config.file={self.config}", "--format=openmetrics", f"--from={moment(self.start)}",
            f"--to={moment(self.seam)}", f"--state={self.app.path}/state", *self.labels,
        ).stdout
        # The first sample is at a whole step.
        self.start -= self.start % STEP_SECONDS
        self.app.report(f"{DAYS} days of {AGENTS} agents are {printed.count(chr(10))} lines of {len(printed) // 1_000_000} MB")
        blocks = create_blocks(self.app, "history", printed)
        shutil.move(blocks, self.app.path / "tsdb")
        self.app.report("promtool has made blocks of them")

    def scrapes_on(self):
        config = (
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            f"  - {{job_name: cxone, honor_labels: true, static_configs: [{{targets: ['{self.exporter.address}']}}]}}\n"
        )
        self.prometheus = Prometheus(self.app, config)
        scrapes = f"count_over_time(cxone_up[{SCRAPED_SECONDS * 2}s]) >= {SCRAPED_SECONDS}"
        wait_for("Prometheus has scraped for a while", lambda: self.prometheus.query(scrapes), SCRAPED_SECONDS * 3)
        self.now = time.time()
        answer = get_json(f"{self.prometheus.base_url}/api/v1/query", query="cxone_window_end_timestamp_seconds", time=self.now)
        (row,) = answer["data"]["result"]
        self.end = float(row["value"][1])
        version = get_json(f"{self.prometheus.base_url}/api/v1/status/buildinfo")["data"]["version"]
        self.app.report(f"Prometheus {version} scrapes on, {self.now - self.seam:.0f} s after the seam")

    def counter_equals_the_truth(self):
        before = values(self.prometheus, STATE_TIME, self.seam)
        # An instant query would look back beyond the seam.
        after = values(self.prometheus, f"last_over_time({STATE_TIME}[{int(self.now - self.seam) - 1}s])", self.now)
        assert after.keys() <= before.keys(), "the exporter has series that do not continue the history"
        both = {key: before[key] + after.get(key, 0.0) for key in before}
        exact = compare("history and exporter", both, self.tenant.truth(self.start, self.end, self.api), EXACT_SECONDS)
        worst = []
        for days in (1, 7, DAYS - 1):
            got = values(self.prometheus, f"increase({STATE_TIME}[{days}d])", self.now)
            truth = self.tenant.truth(self.now - days * DAY_SECONDS, self.end, self.api)
            worst.append(compare(f"increase over {days} days", got, truth, EXTRAPOLATED_SECONDS))
        shown = ", ".join(f"{seconds:.1f}" for seconds in worst)
        self.app.report(f"both counters add up to the truth within {exact:.2f} s; increase() over 1, 7 and {DAYS - 1} days within {shown} s")

    def gauge_has_no_gap(self):
        agents = f"count(count by (agent) ({STATE}))"
        whole = counts(self.prometheus, agents, self.start, self.now, STEP_SECONDS)
        assert len(whole) == int(self.now - self.start) // STEP_SECONDS + 1 and set(whole.values()) == {AGENTS}, "the gauge has gaps"
        seam = counts(self.prometheus, agents, self.seam - 600, self.now, 1)
        assert len(seam) == int(self.now - (self.seam - 600)) + 1 and set(seam.values()) == {AGENTS}, "a gap at the seam"
        for at in (self.start, self.seam - 3 * DAY_SECONDS, self.seam):
            at -= at % STEP_SECONDS if at != self.seam else 0
            compare(f"gauge at {at}", values(self.prometheus, STATE, at), self.tenant.truth(at - DAY_SECONDS, at, self.api), STEP_SECONDS)
        # Each series of the exporter is one of the history.
        now, ever = (set(values(self.prometheus, f"last_over_time({STATE}[{span}])", self.now)) for span in ("10s", f"{DAYS + 1}d"))
        rows = self.prometheus.value(f"count(last_over_time({STATE}[{DAYS + 1}d]))")
        info = self.prometheus.value(f"count(last_over_time(cxone_agent_info[{DAYS + 1}d]))")
        assert now <= ever and (rows, info) == (len(ever), AGENTS), f"{rows} series of {len(ever)} states, {info} of agents"
        self.app.report(f"the gauge of {AGENTS} agents has {len(whole)} points without a gap, and {rows:.0f} series from start to end")


def main(binary, api="presence"):
    with TestApp() as app:
        run_ = Run(app, binary, api)
        run_.ends_three_hours_ago()
        run_.imports_history()
        run_.scrapes_on()
        run_.counter_equals_the_truth()
        run_.gauge_has_no_gap()
        run_.exporter.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
