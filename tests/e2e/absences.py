"""Absences, from the agent who logs out to the notification and its end, on a real Prometheus and Alertmanager.

One agent leaves within a shift, another has not come and arrives. Two more are offline all the time, one of them off shift and one on
leave: nothing is said of them. Everything goes 60 times faster, see alerts.py, so the limit of 15 minutes is 15 seconds. The official API
is read, whose states are exact; the buckets of the presence API are too coarse at this speed.
"""

import datetime
import sys
import time

from app import TestApp, wait_for
from alerts import OF_API, OFFLINE, RULES, TEAM, TIMES
from monitoring import DEPLOY, SPEED, Alertmanager, Prometheus, Webhook, faster_config, faster_rules
from running import Exporter, Tenant

ABSENT = "CxoneAgentAbsent"
LIMIT_SECONDS = 15 * 60 // SPEED
# Two scrapes and an evaluation, at a second each, and what two cores need for them.
SLACK_SECONDS = 3 + 3
API = "official"
AGENTS = 240
# How far ahead agents are looked at, in which steps, and how exactly a change within a step is found.
AHEAD_SECONDS, STEP_SECONDS, EXACT_SECONDS = 250, 5, 0.25
# Until the processes run.
START_SECONDS = 45
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def offline_steps(tenant, now):
    """By agent, whether it is offline in each step from now on."""
    steps = {}
    for start in range(0, AHEAD_SECONDS, STEP_SECONDS):
        for agent, states in tenant.truth(now + start, now + start + STEP_SECONDS, API).items():
            steps.setdefault(agent, []).append(states.get(OFFLINE[API], 0.0) >= STEP_SECONDS - 0.5)
    return steps


def first(steps, wanted, after=0):
    """The first step from `after` on that is so, or the end."""
    return next((step for step in range(after, len(steps)) if steps[step] == wanted), len(steps))


def change(tenant, agent, now, step, offline):
    """Seconds from now on until the agent has gone offline or come, which the steps show to be by the beginning of `step`."""
    # A step that is offline nearly throughout counts as offline, so either change may lie in the step before or in this one.
    start, end = (step - 1) * STEP_SECONDS, (step + 1) * STEP_SECONDS
    for part in range(round(start / EXACT_SECONDS), round(end / EXACT_SECONDS)):
        at = part * EXACT_SECONDS
        seconds = tenant.truth(now + at, now + at + EXACT_SECONDS, API)[agent].get(OFFLINE[API], 0.0)
        if (seconds > EXACT_SECONDS / 2) == offline:
            return at
    raise AssertionError(f"agent {agent} does not change between {start} and {end} s")


def choose(steps):
    """Agents that leave and stay away, come, and are offline all the time; the first two with the step in which they do."""
    needed = (LIMIT_SECONDS + SLACK_SECONDS) // STEP_SECONDS + 3
    start = START_SECONDS // STEP_SECONDS
    leaves = {agent: first(of, True) for agent, of in steps.items() if not any(of[:start])}
    leaver = min((agent for agent, at in leaves.items() if first(steps[agent], False, at) - at >= needed), key=leaves.get, default=None)
    comes = {agent: first(of, False) for agent, of in steps.items() if all(of[:start + needed])}
    comer = min((agent for agent in comes if agent != leaver), key=comes.get, default=None)
    away = [agent for agent, of in steps.items() if all(of)][:2]
    assert leaver and comer and comes[comer] < AHEAD_SECONDS // STEP_SECONDS and len(away) == 2, "no such agents at this time"
    return leaver, leaves[leaver], comer, comes[comer], away


def configure(app, tenant, now, on_shift, off_shift, on_leave):
    """Writes the exporter's configuration."""
    today = datetime.datetime.fromtimestamp(now, datetime.timezone.utc)
    other = DAYS[(today.weekday() + 3) % 7]
    names = {agent["id"]: agent["name"] for agent in tenant.agents()}
    agents = [{"id": agent, "name": names[agent], "team": TEAM, "schedule": "always"} for agent in on_shift]
    agents.append({"id": off_shift, "name": names[off_shift], "team": TEAM, "schedule": "another-day"})
    leave = [{"from": (today - datetime.timedelta(days=1)).strftime("%Y-%m-%d")}]
    agents.append({"id": on_leave, "name": names[on_leave], "team": TEAM, "schedule": "always", "leave": leave})
    schedules = {
        "always": {"timezone": "UTC", "days": list(DAYS), "hours": "00:00-24:00"},
        "another-day": {"timezone": "UTC", "days": [other], "hours": "00:00-24:00"},
    }
    text = tenant.config(app, agents, schedules, api=API, absent_limit=f"{LIMIT_SECONDS}s", **TIMES, **OF_API[API])
    app.write("config.yml", text)


def main(binary):
    with TestApp() as app:
        webhook = Webhook()
        alertmanager = Alertmanager(app, webhook)
        tenant = Tenant(app, binary, f"--agents={AGENTS}", f"--time-scale={SPEED}", "--page-size=10000").start()
        now = time.time()
        leaver, leaves, comer, comes, (off_shift, on_leave) = choose(offline_steps(tenant, now))
        leaves, comes = change(tenant, leaver, now, leaves, True), change(tenant, comer, now, comes, False)
        configure(app, tenant, now, (leaver, comer), off_shift, on_leave)
        exporter = Exporter(app, binary, f"--config.file={app.path}/config.yml").start()
        for file in RULES:
            app.write(file, "groups: []")
        config = faster_config((DEPLOY / "prometheus/prometheus.yml").read_text())
        config = config.replace("127.0.0.1:10062", exporter.address).replace("127.0.0.1:9093", alertmanager.address)
        prometheus = Prometheus(app, config, "--query.lookback-delta=5s", "--rules.alert.resend-delay=1s")
        # Prometheus takes up its targets after 5 s, which is as long as CxoneExporterDown waits here.
        wait_for("Prometheus scrapes fresh data", lambda: prometheus.query("cxone_up == 1"))
        for file in RULES:
            app.write(file, faster_rules((DEPLOY / "prometheus" / file).read_text()))
        prometheus.reload()
        app.report(f"an agent leaves after {leaves} s, another comes after {comes} s, from the choice on")

        def firing(agent):
            found = [alert for alert in prometheus.alerts(ABSENT) if alert["labels"]["agent"] == agent]
            return found and found[0]["state"] == "firing"

        def told(agent, status):
            return any(
                alert["labels"]["agent"] == agent and now == status and receiver == "team-billing"
                for receiver, now, alert in webhook.alerts(ABSENT)
            )

        seen = {}

        def watch():
            """Notes when each agent's alert begins and ends; true at the end."""
            for agent in (leaver, comer):
                if firing(agent):
                    seen.setdefault((agent, "begins"), time.time() - now)
                elif (agent, "begins") in seen:
                    seen.setdefault((agent, "ends"), time.time() - now)
            return (leaver, "begins") in seen and (comer, "ends") in seen

        wait_for("one absence has begun and another has ended", watch, AHEAD_SECONDS + START_SECONDS)
        begun = seen[leaver, "begins"] - leaves - LIMIT_SECONDS
        assert -1 <= begun <= SLACK_SECONDS, f"alerted {begun:.1f} s after the limit"
        ended = seen[comer, "ends"] - comes
        assert -1 <= ended <= SLACK_SECONDS, f"the alert ended {ended:.1f} s after the return"
        app.report(f"alerted {begun:.1f} s after the limit, ended {ended:.1f} s after the return")
        wait_for("the team's lead is told of both", lambda: all(told(agent, "firing") for agent in (leaver, comer)))
        wait_for("and of the return", lambda: told(comer, "resolved"))
        agents = {alert["labels"].get("agent") for _, _, alert in webhook.alerts()}
        names = {name for name, _ in webhook.told()}
        assert (agents, names) == ({leaver, comer}, {ABSENT}), f"told of {agents} by {names}"
        link = next(alert for _, _, alert in webhook.alerts(ABSENT))["annotations"]["dashboard_url"]
        assert "/d/cxone-agent?var-agent=" in link, link
        exporter.stop()
        app.report(f"nothing is said of those off shift and on leave; {len(webhook.messages)} messages in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
