"""The demo is exact at once, and Prometheus with the shipped rules has data for every dashboard query."""

import pathlib
import re
import subprocess
import sys
import time

from app import LOOPBACK, TestApp, free_port, get, get_json, wait_for
from monitoring import DEPLOY, Prometheus
from running import compare, moment, samples, sums

AGENTS = 240
# From the start of the process to a scrape with all agents.
SOON_SECONDS = {"presence": 2.0, "official": 10.0}
# Precision of a float with ten digits before the point; rows of the official API have milliseconds.
TOLERANCE_SECONDS = {"presence": 1e-5, "official": 1.0}
# The second refresh comes 15 s after the first, and rates want both; rules that rest on rules take some evaluations.
SETTLED_SECONDS = 90
QUERIES = pathlib.Path(__file__).resolve().parents[1] / "dashboards" / "queries.py"


def lively(address):
    """The shipped configuration with the demo as its target, and everything once a second."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", r"\1: 1s", text)
    text = text.replace("  - cxone.", f"  - {DEPLOY}/prometheus/cxone.").replace('["127.0.0.1:9093"]', "[]")
    assert "127.0.0.1:10062" in text
    return text.replace("127.0.0.1:10062", address)


def scrape(address):
    """An exposition that has every agent."""
    status, _, body = get(f"http://{address}/metrics")
    agents = {labels["agent"] for name, labels, _ in samples(body) if name == "cxone_agent_observed_seconds"}
    return body if status == 200 and len(agents) == AGENTS else None


def shows_planted_absences(app, prometheus):
    """At any time of the week some agents are absent, on leave and over their limit, and no other alert is about an agent."""
    firing = 'ALERTS{alertname="CxoneAgentAbsent", alertstate="firing"}'
    absent = {row["metric"]["agent"] for row in prometheus.query(firing)}
    long = {row["metric"]["agent"] for row in prometheus.query("cxone_agent_absent_seconds > 1200")}
    short = {row["metric"]["agent"] for row in prometheus.query("cxone_agent_absent_seconds < 900")}
    assert long and long <= absent and not short & absent, f"absent {absent}, for long {long}"
    over = {row["metric"]["agent"] for row in prometheus.query("agent:cxone_offline_seconds:over_limit")}
    assert over and not prometheus.query("agent:cxone_offline_seconds:over_limit and on (agent) cxone_agent_on_shift == 0"), over
    unknown = prometheus.query('ALERTS{alertname="CxoneAgentUnknown"}')
    # Absent, late, gone and on leave are 6 to 12 of 240 agents.
    assert not unknown and len(absent) <= 15 and len(over) <= 25, f"{len(absent)} absent, {len(over)} over the limit, {unknown}"
    app.report(f"{len(absent)} agents are absent and {len(over)} over their limit, and no other alert is about an agent")


def main(binary, api="presence"):
    with TestApp() as app:
        address = f"{LOOPBACK}:{free_port()}"
        began = time.monotonic()
        app.start("demo", binary, "demo", f"--api={api}", "--page-size=10000", f"--web.listen-address={address}", f"--agents={AGENTS}")
        body = wait_for("a scrape has every agent", lambda: app.alive("demo") and scrape(address))
        took = time.monotonic() - began
        assert took <= SOON_SECONDS[api], f"{took:.1f} s until a scrape has every agent"
        app.report(f"a scrape has all {AGENTS} agents {took:.2f} s after the start")

        values = {name: value for name, labels, value in samples(body) if not labels}
        start, end = (values[f"cxone_window_{edge}_timestamp_seconds"] for edge in ("start", "end"))
        tenant = re.search(r"http://127\.0\.0\.1:\d+", app.log("demo"))[0]
        truth = get_json(f"{tenant}/-/control/truth", start=moment(start), end=moment(end), api=api)["agents"]
        compared = compare(truth, sums(body), end - start, TOLERANCE_SECONDS[api])
        app.report(f"{compared} sums equal the truth, and each agent's fill the window")

        checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, text=True, check=False)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", ""), checked
        app.report("promtool check metrics has nothing to say")

        prometheus = Prometheus(app, lively(address))

        def queries():
            command = [sys.executable, "-B", QUERIES, prometheus.base_url, "--range=30", "--scrape-interval=1"]
            return subprocess.run(command, capture_output=True, text=True, check=False)

        refreshes = 'cxone_refreshes_total{result="success"} >= 2'
        wait_for("there have been two refreshes", lambda: prometheus.query(refreshes))
        deadline = time.monotonic() + SETTLED_SECONDS
        while (result := queries()).returncode and time.monotonic() < deadline:
            time.sleep(1)
        assert result.returncode == 0, result.stderr + result.stdout
        app.report(result.stdout.strip())
        shows_planted_absences(app, prometheus)
        assert app.stop("demo") == 0, "SIGTERM ends the demo in good order"


if __name__ == "__main__":
    main(*sys.argv[1:])
