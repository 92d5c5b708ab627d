"""Prometheus 3 and VictoriaMetrics scrape one demo with the shipped configuration and rules, and agree with it and each other.

VictoriaMetrics scrapes by itself, and a second one gets what vmagent scrapes. vmalert evaluates the rules on the second. Alerts of
Prometheus and of vmalert reach one Alertmanager, and those of vmalert have the label `alertgroup`.
"""

import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from app import LOOPBACK, TestApp, free_port, get, get_json, wait_for  # noqa: E402
from monitoring import DEPLOY, Alertmanager, Prometheus, Webhook  # noqa: E402
from running import samples  # noqa: E402

AGENTS = 120
RULES = ("cxone.rules.yml", "cxone.alerts.yml")
# VictoriaMetrics stores decimal numbers, exact to about 15 digits.
RELATIVE_TOLERANCE = 1e-12
# Rules that rest on rules take several evaluations, as vmalert reads its own results from the storage.
ALERT_SECONDS = 120
DURATIONS = re.compile(r"^( +(?:for|keep_firing_for): )\w+", re.MULTILINE)


# === Configuration ===


def config(address, alertmanager, rules):
    """The shipped configuration with these addresses, and everything once a second."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval): \w+", r"\1: 1s", text)
    for shipped, here in (("127.0.0.1:10062", address), ("127.0.0.1:9093", alertmanager), *zip(RULES, rules)):
        assert shipped in text, f"the shipped configuration does not have {shipped}"
        text = text.replace(shipped, str(here))
    return text


def impatient(text):
    """Rules that wait a second before they fire and before they resolve; nothing else of them changes."""
    text, found = DURATIONS.subn(r"\g<1>1s", text)
    assert found or "- alert:" not in text, "the alerts have durations that are not found"
    return text


def names_of_alerts():
    """Every alert of the shipped rules."""
    text = (DEPLOY / "prometheus" / RULES[1]).read_text()
    return set(re.findall(r"^ *- alert: (\w+)", text, re.MULTILINE))


# === VictoriaMetrics ===


class VictoriaMetrics:
    """A real VictoriaMetrics, which scrapes if it has a configuration."""

    def __init__(self, app, name, *flags):
        self.address = f"{LOOPBACK}:{free_port()}"
        self.base_url = f"http://{self.address}"
        app.start(
            name, "victoria-metrics", f"-httpListenAddr={self.address}", f"-storageDataPath={app.path}/{name}",
            "-search.latencyOffset=0s", "-inmemoryDataFlushInterval=1s", "-loggerLevel=WARN", *flags,
        )
        wait_for(f"{name} is healthy", lambda: app.alive(name) and get(f"{self.base_url}/health")[0] == 200)

    def query(self, expression):
        """The series of an instant query."""
        return get_json(f"{self.base_url}/api/v1/query", query=expression, nocache=1)["data"]["result"]


def start_vmagent(app, storage, *flags):
    """vmagent, which sends what it scrapes to the storage."""
    app.start(
        "vmagent", "vmagent", f"-httpListenAddr={LOOPBACK}:{free_port()}", *flags, f"-remoteWrite.url={storage.base_url}/api/v1/write",
        f"-remoteWrite.tmpDataPath={app.path}/vmagent", "-loggerLevel=WARN",
    )


class Vmalert:
    """vmalert with these rules on the storage, where recorded series and alerts' states go as well."""

    def __init__(self, app, rules, storage, alertmanager):
        address = f"{LOOPBACK}:{free_port()}"
        self.base_url = f"http://{address}"
        app.start(
            "vmalert", "vmalert", *(f"-rule={path}" for path in rules), f"-httpListenAddr={address}",
            f"-datasource.url={storage.base_url}", f"-remoteRead.url={storage.base_url}", f"-remoteWrite.url={storage.base_url}",
            f"-notifier.url=http://{alertmanager.address}", "-evaluationInterval=1s", "-rule.evalDelay=0s",
            "-remoteWrite.flushInterval=200ms", "-loggerLevel=WARN",
        )
        wait_for("vmalert is healthy", lambda: app.alive("vmalert") and get(f"{self.base_url}/health")[0] == 200)

    def rules(self):
        """Every rule with its state and its last error."""
        groups = get_json(f"{self.base_url}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


# === What has to be equal ===


def exposed(address):
    """What the exporter says of agents: seconds by agent and state, and names."""
    body = get(f"http://{address}/metrics")[2]
    found = samples(body)
    seconds = {
        (labels["agent"], labels["state"]): value for name, labels, value in found if name == "cxone_agent_state_seconds"
    }
    # The escapes of an exposition are some of JSON's.
    names = {json.loads(f'"{labels["name"]}"') for name, labels, _ in found if name == "cxone_agent_info"}
    return seconds, names


def scraped(engine):
    """The same, as an engine has it."""
    seconds = {
        (row["metric"]["agent"], row["metric"]["state"]): float(row["value"][1])
        for row in engine.query("cxone_agent_state_seconds")
    }
    return seconds, {row["metric"]["name"] for row in engine.query("cxone_agent_info")}


def same(ours, theirs):
    """Whether both have the same agents, states, names and values."""
    (seconds, names), (other_seconds, other_names) = ours, theirs
    return (
        names == other_names
        and seconds.keys() == other_seconds.keys()
        and all(abs(value - other_seconds[key]) <= RELATIVE_TOLERANCE * value for key, value in seconds.items())
    )


def labels_of(rows):
    """The labels of each series."""
    return {json.dumps(row["metric"], sort_keys=True) for row in rows}


def firing(webhook, by_vmalert):
    """Alerts of one of both that Alertmanager passes on and that fire: name and agent."""
    now = {}
    for _, status, alert in webhook.alerts():
        labels = alert["labels"]
        if ("alertgroup" in labels) == by_vmalert:
            now[labels["alertname"], labels.get("agent")] = status
    return {key for key, status in now.items() if status == "firing"}


def main(binary):
    with TestApp() as app:
        demo = f"{LOOPBACK}:{free_port()}"
        app.start("demo", binary, "demo", "--page-size=10000", f"--web.listen-address={demo}", f"--agents={AGENTS}")
        wait_for("the demo has every agent", lambda: app.alive("demo") and len(exposed(demo)[1]) > 0)
        webhook = Webhook()
        alertmanager = Alertmanager(app, webhook)
        rules = [app.write(name, impatient((DEPLOY / "prometheus" / name).read_text())) for name in RULES]

        configuration = config(demo, alertmanager.address, rules)
        prometheus = Prometheus(app, configuration)
        # Not strict, as VictoriaMetrics leaves the rules and the Alertmanager of the file to vmalert.
        scrapes = (f"-promscrape.config={app.path}/prometheus.yml", "-promscrape.config.strictParse=false")
        own = VictoriaMetrics(app, "victoriametrics", *scrapes)
        storage = VictoriaMetrics(app, "storage")
        start_vmagent(app, storage, *scrapes)
        vmalert = Vmalert(app, rules, storage, alertmanager)

        engines = {"Prometheus": prometheus, "VictoriaMetrics": own, "vmagent and VictoriaMetrics": storage}
        for name, engine in engines.items():
            wait_for(f"{name} has the exporter's values", lambda engine=engine: same(exposed(demo), scraped(engine)))
            (row,) = engine.query("count(cxone_agent_state_seconds)")
            assert int(row["value"][1]) == len(exposed(demo)[0]), row
            app.report(f"{name}: {row['value'][1]} series, names and values are the exporter's")
        def agree():
            ours, theirs = firing(webhook, by_vmalert=False), firing(webhook, by_vmalert=True)
            assert ours == theirs, f"Prometheus alone fires {sorted(ours - theirs)[:3]}, vmalert {sorted(theirs - ours)[:3]}"
            return ours

        agents = wait_for("the same alerts of both engines reach Alertmanager", agree, ALERT_SECONDS)
        known = names_of_alerts()
        assert {name for name, _ in agents} <= known, agents
        app.report(f"Prometheus and vmalert fire the same {len(agents)}: {', '.join(sorted({name for name, _ in agents}))}")

        broken = [(rule["name"], rule["lastError"]) for rule in vmalert.rules() if rule["lastError"]]
        assert not broken, broken
        recorded = sorted({rule["name"] for rule in vmalert.rules() if rule["type"] == "recording"})

        def compare_recorded():
            for rule in recorded:
                ours, theirs = (labels_of(engine.query(rule)) for engine in (prometheus, storage))
                assert ours == theirs, f"{rule}: {len(ours)} series in Prometheus, {len(theirs)} by vmalert, {sorted(ours ^ theirs)[:1]}"
            return recorded

        wait_for("vmalert records the series that Prometheus records", compare_recorded)
        app.report(f"vmalert evaluates {len(vmalert.rules())} rules without an error, and records the series that Prometheus records")

        assert app.stop("demo") == 0, "SIGTERM ends the demo in good order"

        def missed():
            ours, theirs = ({name for name, agent in firing(webhook, who) if not agent} for who in (False, True))
            assert ours & theirs, f"Prometheus fires {ours}, vmalert {theirs}"
            return ours & theirs

        down = wait_for("both engines miss the demo", missed, ALERT_SECONDS)
        assert down <= known, down
        app.report(f"without the demo both fire {', '.join(sorted(down))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
