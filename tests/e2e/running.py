"""The simulated tenant and the exporter as processes."""

import datetime
import json
import re
import signal

from app import LOOPBACK, free_port, get, get_json, wait_for

CLIENT_ID = "simulated-client"
CLIENT_SECRET = "not-a-secret"
ACCESS_KEY_ID, ACCESS_KEY_SECRET = "simulated/key=", "not-a-secret/either+="
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$', re.MULTILINE)
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def moment(seconds):
    """Seconds since the epoch as the tenant reads times, to the microsecond."""
    return (EPOCH + datetime.timedelta(microseconds=round(seconds * 1e6))).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def samples(text):
    """Every sample of an exposition: name, labels, value. Label values stay escaped."""
    return [(name, dict(LABEL.findall(labels)), float(value)) for name, labels, value in SAMPLE.findall(text)]


def sums(text):
    """Seconds by agent and state."""
    return {
        (labels["agent"], labels["state"]): value
        for name, labels, value in samples(text)
        if name == "cxone_agent_state_seconds"
    }


def compare(truth, got, window_seconds, tolerance):
    """Fails unless every agent's seconds are the tenant's, and add up to the window; returns how many were compared."""
    for agent, states in truth.items():
        mine = {state: seconds for (who, state), seconds in got.items() if who == agent}
        for state in mine.keys() | states.keys():
            # The truth leaves out states without any time, and the exporter has declared ones at 0.
            want, have = states.get(state, 0.0), mine.get(state, 0.0)
            assert abs(want - have) <= tolerance, f"agent {agent}, {state}: {have}, the truth is {want}"
        total = sum(mine.values())
        assert abs(total - window_seconds) <= 1.0, f"agent {agent}: {total} s in a window of {window_seconds} s"
    assert {agent for agent, _ in got} == truth.keys(), "other agents than the tenant's"
    return len(got)


class Tenant:
    """The simulated tenant, which can be stopped and started again at the same address."""

    def __init__(self, app, binary, *flags, address=None):
        self.app, self.binary, self.flags = app, binary, flags
        self.address = address or f"{LOOPBACK}:{free_port()}"
        self.base_url = f"http://{self.address}"
        self.control = f"{self.base_url}/-/control"

    def start(self):
        """Starts it and waits until it answers."""
        self.app.start("tenant", self.binary, "simulate", f"--listen-address={self.address}", *self.flags)
        wait_for("the tenant answers", lambda: self.app.alive("tenant") and self.requests())
        return self

    def stop(self):
        """Ends it, so that connections to it are refused."""
        assert self.app.stop("tenant") == 0, "the tenant ends in good order"

    def agents(self):
        """All agents, as id, name and team."""
        return get_json(f"{self.control}/agents")

    def truth(self, start, end, api="presence"):
        """Exact seconds by agent and state within a window, in seconds since the epoch."""
        return get_json(f"{self.control}/truth", start=moment(start), end=moment(end), api=api)["agents"]

    def requests(self):
        """How many requests came in."""
        return get_json(f"{self.control}/requests")

    def config(self, app, agents, schedules=None, /, **keys):
        """The text of a configuration for this tenant. JSON is YAML too, and knows how to quote names."""
        official = keys.get("api") == "official"
        secret = app.write("secret", ACCESS_KEY_SECRET if official else CLIENT_SECRET)
        if official:
            access = {
                "auth_url": f"{self.base_url}/authentication/v1/token/access-key",
                "access_key_id": ACCESS_KEY_ID,
                "access_key_secret_file": str(secret),
            }
        else:
            access = {"base_url": self.base_url, "client_id": CLIENT_ID, "client_secret_file": str(secret)}
        tenant = {"name": "simulated", "agents": agents} | access
        document = {"tenants": [tenant | keys]} | ({"schedules": schedules} if schedules else {})
        return json.dumps(document, ensure_ascii=False, indent=1)


class Exporter:
    """The exporter, which can be stopped and started again at the same address."""

    def __init__(self, app, binary, *flags, env=None):
        self.app, self.binary, self.flags, self.env = app, binary, flags, env
        self.address = f"{LOOPBACK}:{free_port()}"
        self.base_url = f"http://{self.address}"

    def start(self):
        """Starts it and waits until it listens. Nothing is asked of the tenant by that."""
        self.app.start(
            "exporter", self.binary, f"--web.listen-address={self.address}", *self.flags, env=self.env
        )
        wait_for("the exporter is ready", lambda: self.app.alive("exporter") and self.get("/-/ready"))
        return self

    def get(self, path, headers=None):
        """The body of an answer that has to be 200."""
        status, _, body = get(self.base_url + path, headers)
        assert status == 200, f"{path} answered {status}: {body[:500]}"
        return body

    def reload(self):
        """Has it read its configuration again."""
        self.app.processes["exporter"].send_signal(signal.SIGHUP)

    def stop(self):
        """Ends it by SIGTERM, and fails unless it ends in good order and has kept its secret."""
        code = self.app.stop("exporter")
        assert code == 0, f"SIGTERM ends the exporter with {code}"
        self.keeps_its_secret()

    def keeps_its_secret(self):
        """Fails if the secret, or a token, is in the log."""
        log = self.app.log("exporter")
        assert CLIENT_SECRET not in log and ACCESS_KEY_SECRET not in log and "Bearer " not in log, "a secret is in the log"
