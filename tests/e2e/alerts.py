"""From an agent that stays offline to the notification: exporter, Prometheus and Alertmanager with the shipped rules.

Everything that has to do with time goes 60 times faster, by monitoring.py: the rules' durations, Alertmanager's intervals,
and the tenant, whose day passes in 24 minutes. So a window of 24 minutes is a day, and the exporter's times are a 60th too.
"""

import math
import sys
import time

from app import TestApp, wait_for
from monitoring import DEPLOY, SPEED, Alertmanager, Prometheus, Webhook, faster_config, faster_rules
from running import Exporter, Tenant

RULES = ("cxone.rules.yml", "cxone.alerts.yml")
OVER_LIMIT = "CxoneAgentOfflineOverLimit"
STALE = "CxoneDataStale"
FAILING = "CxoneRefreshesFailing"
# Enough agents that some agent is always offline that worked a day ago. Only some of them are configured, but the official API
# answers the history of all of them, at this speed a day of it within 24 minutes.
ROSTER = {"presence": 1200, "official": 400}
CONFIGURED = 12
TEAM = "Billing"
WINDOW_SECONDS = 24 * 3600 // SPEED
# Earliest and latest crossing of the limit, and how long the agent must stay over it, in seconds from the choice.
CROSSES_AFTER, CROSSED_BY, STAYS_FOR = 20, 40, 200
# Minimum distance from the limit before and after the crossing.
MARGIN_SECONDS = 5
STEP_SECONDS = 6
# The exporter's, as if they were 60 s and 15 minutes.
TIMES = {"window": f"{WINDOW_SECONDS}s", "cooldown": "1s", "max_staleness": f"{15 * 60 // SPEED}s"}
OF_API = {"presence": {"interval": "PT1M"}, "official": {"history_lookback": "1m", "settle": "10s"}}
# Name of the offline state.
OFFLINE = {"presence": "Offline", "official": "LoggedOut"}


# === The agent that crosses its limit ===


def offline(tenant, api, moments):
    """Seconds offline of every agent, by id, in the windows that end at these moments."""
    truths = [tenant.truth(moment - WINDOW_SECONDS, moment, api) for moment in moments]
    return {agent: [truth[agent].get(OFFLINE[api], 0.0) for truth in truths] for agent in truths[0]}


def choose(tenant, api):
    """The configured agents. Only the first crosses its limit soon, and stays over it."""
    now = time.time()
    after = [now + seconds for seconds in range(CROSSED_BY, STAYS_FOR, STEP_SECONDS)]
    series = offline(tenant, api, [now, now + CROSSES_AFTER, *after])

    def margin(agent):
        start, crossing, *rest = series[agent]
        return min(rest) - max(start, crossing)

    best = max(series, key=margin)
    assert margin(best) >= 2 * MARGIN_SECONDS, "no agent goes offline at this time"
    agents = {agent["id"]: agent for agent in tenant.agents()}
    limits = {best: math.ceil(max(series[best][:2]) + MARGIN_SECONDS)}
    for agent in sorted(agents.keys() - {best}):
        if len(limits) == CONFIGURED:
            break
        limits[agent] = min(math.ceil(max(series[agent]) + MARGIN_SECONDS), WINDOW_SECONDS)
    return [
        {"id": agent, "name": agents[agent]["name"], "team": TEAM, "offline_limit": f"{limit}s"}
        for agent, limit in limits.items()
    ]


# === The steps ===


class Run:
    """The processes of the test, and its steps in order."""

    def __init__(self, app, binary, api):
        self.app, self.api = app, api
        self.webhook = Webhook()
        self.alertmanager = Alertmanager(app, self.webhook)
        self.tenant = Tenant(app, binary, f"--agents={ROSTER[api]}", f"--time-scale={SPEED}", "--page-size=10000").start()
        self.agents = choose(self.tenant, api)
        self.agent = self.agents[0]
        self.configure()
        self.exporter = Exporter(app, binary, f"--config.file={app.path}/config.yml").start()
        for file in RULES:
            app.write(file, "groups: []")
        config = faster_config((DEPLOY / "prometheus/prometheus.yml").read_text())
        config = config.replace("127.0.0.1:10062", self.exporter.address)
        config = config.replace("127.0.0.1:9093", self.alertmanager.address)
        # Five minutes and one minute, a 60th of each.
        self.prometheus = Prometheus(app, config, "--query.lookback-delta=5s", "--rules.alert.resend-delay=1s")

        # Prometheus takes up its targets after 5 s, which is as long as CxoneExporterDown waits here.
        wait_for("Prometheus scrapes", lambda: self.prometheus.query("up == 1"))
        for file in RULES:
            app.write(file, faster_rules((DEPLOY / "prometheus" / file).read_text()))
        self.prometheus.reload()

    def configure(self):
        """Writes the exporter's configuration; it is read at the exporter's next start or reload."""
        text = self.tenant.config(self.app, self.agents, api=self.api, **TIMES, **OF_API[self.api])
        self.app.write("config.yml", text)

    def told_of(self, name, status, after=0):
        """Waits until a message says so, beyond the first `after` about this alert; returns receiver and alert."""
        def said():
            return [(receiver, alert) for receiver, now, alert in self.webhook.alerts(name)[after:] if now == status]

        return wait_for(f"a message says that {name} is {status}", said, 60)[-1]

    def told_of_agents(self, *statuses):
        """Fails unless what was said of agents so far is this, in this order, of the one alert."""
        expected = [(OVER_LIMIT, status) for status in statuses]
        told = self.webhook.told("CxoneAgent")
        assert told == expected, f"told of agents: {told}, expected {expected}"

    def evaluated(self):
        """Waits until the rules have been evaluated on what Prometheus knows now."""
        now = time.time()
        wait_for("the rules are evaluated again", lambda: self.prometheus.evaluated_after(now))

    def over_limit(self):
        """The agent's alert as Prometheus has it, if it fires."""
        return next((alert for alert in self.prometheus.alerts(OVER_LIMIT) if alert["state"] == "firing"), None)

    def crosses_the_limit(self):
        agent = self.agent
        wait_for("the data is fresh", lambda: self.prometheus.query("instance:cxone_data_fresh:bool == 1"))
        assert not self.prometheus.alerts(OVER_LIMIT), "the agent is over the limit too early"
        self.app.report(f"{len(self.agents)} agents are under their limits; the limit of one is {agent['offline_limit']}")
        receiver, alert = self.told_of(OVER_LIMIT, "firing")
        labels = alert["labels"]
        expected = {"agent": agent["id"], "name": agent["name"], "team": TEAM, "severity": "warning", "job": "cxone"}
        assert labels == expected | {"alertname": OVER_LIMIT}, labels
        assert receiver == "team-billing", receiver
        assert agent["name"] in alert["annotations"]["summary"], alert["annotations"]
        assert self.webhook.told() == [(OVER_LIMIT, "firing")], self.webhook.told()
        self.app.report(f"{receiver} is told, and of nothing else: {alert['annotations']['summary']}")

    def exporter_restarts(self):
        since = self.over_limit()["activeAt"]
        self.exporter.stop()
        wait_for("Prometheus misses the exporter", lambda: self.prometheus.query("up{job='cxone'} == 0"))
        self.evaluated()
        assert not self.prometheus.query("instance_agent:cxone_offline_seconds:sum"), "the agents' series outlive the exporter"
        self.exporter.start()
        wait_for("Prometheus sees the exporter again", lambda: self.prometheus.query("cxone_up == 1"))
        self.evaluated()
        self.evaluated()
        alert = self.over_limit()
        assert alert and alert["activeAt"] == since, f"the alert flaps over a restart: {alert}"
        self.told_of_agents("firing")
        self.app.report("the exporter has restarted, and the alert has neither resolved nor arrived again")

    def upstream_goes_down(self):
        self.tenant.stop()
        receiver, _ = self.told_of(STALE, "firing")
        assert receiver == "operations", receiver
        self.app.report("the tenant is down: operations are told that the data is stale")
        wait_for("no alert is about an agent", lambda: not self.prometheus.alerts("CxoneAgent"))
        wait_for("stale data is gone", lambda: not self.prometheus.query("cxone_agent_state_seconds"))
        self.told_of(FAILING, "firing")
        self.told_of_agents("firing")
        self.app.report("the agents' series and alerts have ended, and nothing is said of agents")

    def upstream_recovers(self):
        before = len(self.webhook.alerts(OVER_LIMIT))
        self.tenant.start()
        for name in (STALE, FAILING):
            self.told_of(name, "resolved")
        self.app.report("the tenant is back: the data is fresh again, and refreshes succeed")
        wait_for("the agent is over the limit as before", self.over_limit)
        # Prometheus has ended the alert meanwhile and begins it anew. Whether Alertmanager hears of the end before it hears
        # of the beginning depends on when its group's interval ends.
        wait_for("what was told last is that it fires", lambda: self.webhook.told(OVER_LIMIT)[-1][1] == "firing")
        again = [status for _, status in self.webhook.told(OVER_LIMIT)[before:]]
        assert again in ([], ["resolved", "firing"]), again

    def limit_is_raised(self):
        self.agent["offline_limit"] = f"{WINDOW_SECONDS}s"
        self.configure()
        before = len(self.webhook.alerts(OVER_LIMIT))
        self.exporter.reload()
        self.told_of(OVER_LIMIT, "resolved", before)
        told = [status for _, status in self.webhook.told("CxoneAgent")]
        assert told in (["firing", "resolved"], ["firing", "resolved"] * 2), told
        assert not self.prometheus.alerts("Cxone"), "nothing is pending or firing in the end"
        others = sorted(set(self.webhook.told()) - set(self.webhook.told(OVER_LIMIT)))
        assert others == [(name, status) for name in (STALE, FAILING) for status in ("firing", "resolved")], others
        self.exporter.stop()
        self.app.report(f"the limit is raised by a reload, and the alert resolves; {len(self.webhook.messages)} messages in all")


def main(binary, api="presence"):
    with TestApp() as app:
        run = Run(app, binary, api)
        run.crosses_the_limit()
        run.exporter_restarts()
        run.upstream_goes_down()
        run.upstream_recovers()
        run.limit_is_raised()


if __name__ == "__main__":
    main(*sys.argv[1:])
