"""Client of a simulated tenant: its configuration, faults, and the comparison of a scrape with the truth."""

import json
import re
import urllib.parse
import urllib.request

from app import LOOPBACK, PATIENCE_SECONDS, get, get_json, post, wait_for

TEXT = "text/plain; version=0.0.4"
# Sums are in whole microseconds and exposed with all their digits, so this only covers the reader's binary floats.
TOLERANCE_SECONDS = 0.000_01

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?')
ESCAPE = re.compile(r'\\(.)')

# With any of these faults, a complete refresh is exact.
FAULTS = (
    "rate-limited@1", "rate-limited=1@1", "rate-limited=2@1", "rate-limited-until=2@1",
    "status=500@2", "status=502@1", "status=503@4", "status=400@1", "status=403@1", "status=401@1",
    "slow=300ms@2", "slow=3s@1", "slow-body=300ms@1", "slow-body=3s@1",
    "cut@1", "cut@4", "cut-headers@1", "cut-body@2", "garbage@1", "truncated@1", "oversized=40@1", "revoked@1",
    "repeated-page@1", "repeated-token@1", "endless-pages@1", "odd-rows@2",
    "token:status=500@1", "token:status=503@4", "token:status=401@1", "token:cut@1", "token:rate-limited=1@1",
    "token:garbage@1", "token:slow=300ms@1", "token:truncated@1",
)
# With these faults the tenant reports no data, so the served data is not the truth.
LIES = ("empty@1", "null-data@1")


class Tenant:
    """The running tenant at `url`, reached directly and not through whatever stands between it and the exporter."""

    def __init__(self, port):
        self.url = f"http://{LOOPBACK}:{port}"
        wait_for("the simulated tenant answers", lambda: get(f"{self.url}/-/control/requests")[0] == 200)
        self.agents = [agent["id"] for agent in get_json(f"{self.url}/-/control/agents")]

    def config(self, base_url=None, **settings):
        """A configuration file for all agents of the tenant."""
        settings = "".join(f"    {key}: {value}\n" for key, value in settings.items())
        agents = "".join(f'      - id: "{agent}"\n' for agent in self.agents)
        return (
            f"tenants:\n  - name: simulated\n    base_url: {base_url or self.url}\n"
            f"    client_id: simulated-client\n    client_secret: not-a-secret\n{settings}    agents:\n{agents}"
        )

    def break_with(self, faults):
        post(f"{self.url}/-/control/faults", "\n".join(faults).encode())

    def heal(self):
        request = urllib.request.Request(f"{self.url}/-/control/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()

    def requests(self):
        """How many requests for a token and for presence there were, and the rows of the answers."""
        return get_json(f"{self.url}/-/control/requests")

    def untruths(self, scrape):
        """Differences between a scrape of a full refresh and the truth."""
        start, end = (scrape.value(f"cxone_window_{edge}_timestamp_seconds") for edge in ("start", "end"))
        window = {edge: rfc3339(moment) for edge, moment in (("start", start), ("end", end))}
        truth = get_json(f"{self.url}/-/control/truth", **window)["agents"]
        served = {}
        for labels, seconds in scrape.family("cxone_agent_state_seconds"):
            served.setdefault(labels["agent"], {})[labels["state"]] = seconds
        wrong = [f"{agent} is not served" for agent in self.agents if agent not in served]
        for agent, states in served.items():
            for state in states.keys() | truth[agent].keys():
                said, true = states.get(state, 0), truth[agent].get(state, 0)
                if abs(said - true) > TOLERANCE_SECONDS:
                    wrong.append(f"{agent} {state}: {said} is served, {true} is true")
        return wrong


class Scrape:
    """The samples of an exposition in the text format. Reading it fails where a line is no sample."""

    def __init__(self, text):
        assert text.endswith("\n"), "the exposition breaks off"
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = SAMPLE.fullmatch(line).groups()
            parsed = LABEL.findall(labels or "")
            assert "".join(f'{key}="{raw}"' for key, raw in parsed) == (labels or "").replace('",', '"'), line
            key = (name, tuple((key, ESCAPE.sub(unescape, raw)) for key, raw in parsed))
            assert key not in self.samples, f"twice: {line}"
            self.samples[key] = float(value)

    def family(self, name):
        return [(dict(labels), value) for (family, labels), value in self.samples.items() if family == name]

    def value(self, name, **labels):
        """The sample of this name and exactly these labels; `None` where there is none."""
        return self.samples.get((name, tuple(labels.items())))

    def counters(self):
        """All counters."""
        ends = ("_total", "_count", "_bucket")
        return {key: value for key, value in self.samples.items() if key[0].endswith(ends)}


def scrape(port, timeout=15):
    """One scrape as a scraper of the text format makes it."""
    headers = {"Accept": TEXT, "X-Prometheus-Scrape-Timeout-Seconds": "3"}
    status, _, body = get(f"http://{LOOPBACK}:{port}/metrics", headers, timeout)
    assert status == 200, f"/metrics answered {status}: {body[:300]}"
    return Scrape(body)


def unescape(match):
    return "\n" if match[1] == "n" else match[1]


def rfc3339(seconds):
    from datetime import datetime, timezone

    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")
