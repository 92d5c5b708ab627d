"""Real Prometheus and Alertmanager, a webhook that they tell, and the shipped rules at a faster pace."""

import datetime
import http.server
import json
import pathlib
import re
import signal
import threading
import time

from app import LOOPBACK, free_port, get, get_json, wait_for

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"

# How many times faster everything goes that has to do with time: a minute passes in a second.
SPEED = 60
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Where rules have a duration, and where they compare an age or a wait with seconds, less what the configuration says.
RULE_DURATION = re.compile(r"((?:\bfor: |keep_firing_for: |\boffset |\[))(\d+)(ms|[smhd])\b")
RULE_SECONDS = re.compile(r"((?:cxone_cooldown_seconds \+|- time\(\) >) )(\d+)\b")
CONFIG_DURATION = re.compile(r"((?:_interval|group_wait): )(\d+)(ms|[smhd])\b")


# === A faster pace ===


def _shrunk(match):
    return f"{match[1]}{int(match[2]) * UNITS[match[3]] // SPEED}ms"


def faster_rules(text):
    """Rules with every duration, range, offset and age divided by SPEED; nothing else of them changes."""
    text, durations = RULE_DURATION.subn(_shrunk, text)
    text = RULE_SECONDS.sub(lambda match: f"{match[1]}{int(match[2]) / SPEED:g}", text)
    alerts = len(re.findall(r"^ *- alert:", text, re.MULTILINE))
    assert durations >= alerts, "the rules have durations that are not found"
    return text


def faster_config(text):
    """A configuration of Prometheus or Alertmanager with its intervals divided by SPEED."""
    text, found = CONFIG_DURATION.subn(_shrunk, text)
    assert found, "the configuration has intervals that are not found"
    # A time-out may be as long as the interval, and a shorter one would leave the exporter no time to refresh in.
    return re.sub(r"(scrape_timeout: )\w+", rf"\g<1>{60_000 // SPEED}ms", text)


# === Prometheus ===


class Prometheus:
    """A real Prometheus."""

    def __init__(self, app, config, *flags):
        self.process = "prometheus"
        self.app = app
        self.address = f"{LOOPBACK}:{free_port()}"
        self.base_url = f"http://{self.address}"
        path = app.write("prometheus.yml", config)
        app.start(
            self.process, "prometheus", f"--config.file={path}", f"--storage.tsdb.path={app.path}/tsdb",
            f"--web.listen-address={self.address}", "--log.level=warn", *flags,
        )
        ready = f"{self.base_url}/-/ready"
        wait_for("Prometheus is ready", lambda: app.alive(self.process) and get(ready)[0] == 200)

    def query(self, expression):
        """The series of an instant query."""
        return get_json(f"{self.base_url}/api/v1/query", query=expression)["data"]["result"]

    def value(self, expression):
        """The value of an expression that has exactly one series."""
        (row,) = self.query(expression)
        return float(row["value"][1])

    def reload(self):
        """Reads its configuration and rules again, and waits until it has rules."""
        self.app.processes[self.process].send_signal(signal.SIGHUP)
        wait_for("Prometheus has loaded the rules", self.groups)

    def groups(self):
        """The groups of rules."""
        return get_json(f"{self.base_url}/api/v1/rules")["data"]["groups"]

    def evaluated_after(self, moment):
        """Whether every group of rules has begun an evaluation after this moment, in seconds since the epoch."""
        # Cut after the microseconds, as Python knows no finer times.
        times = [re.sub(r"(\.\d{6})\d*", r"\1", group["lastEvaluation"]) for group in self.groups()]
        return all(datetime.datetime.fromisoformat(text).timestamp() > moment for text in times)

    def alerts(self, name):
        """The pending and firing alerts whose name begins so."""
        alerts = get_json(f"{self.base_url}/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in alerts if alert["labels"]["alertname"].startswith(name)]


# === Alertmanager and its receivers ===


class Webhook:
    """The receiver of all messages, in the order in which they arrive."""

    def __init__(self):
        self.messages = []
        messages = self.messages

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                messages.append((time.time(), self.path.strip("/"), message))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"{LOOPBACK}:{self.server.server_port}"

    def alerts(self, name=""):
        """Every alert of every message whose name begins so: receiver, status, alert."""
        return [
            (receiver, alert["status"], alert)
            for _, receiver, message in list(self.messages)
            for alert in message["alerts"]
            if alert["labels"]["alertname"].startswith(name)
        ]

    def told(self, name=""):
        """Name and status of these alerts."""
        return [(alert["labels"]["alertname"], status) for _, status, alert in self.alerts(name)]


class Alertmanager:
    """A real Alertmanager with the shipped configuration at a faster pace, whose receivers are all one webhook."""

    def __init__(self, app, webhook):
        self.address = f"{LOOPBACK}:{free_port()}"
        text = faster_config((DEPLOY / "alertmanager/alertmanager.yml").read_text())
        text, found = re.subn(r"127\.0\.0\.1:9095", webhook.address, text)
        assert found, "the example has receivers that are not found"
        path = app.write("alertmanager.yml", text)
        app.start(
            "alertmanager", "prometheus-alertmanager", f"--config.file={path}", f"--storage.path={app.path}/am",
            f"--web.listen-address={self.address}", "--cluster.listen-address=", "--log.level=warn",
        )
        ready = f"http://{self.address}/-/ready"
        wait_for("Alertmanager is ready", lambda: app.alive("alertmanager") and get(ready)[0] == 200)
