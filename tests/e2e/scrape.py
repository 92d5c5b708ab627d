"""A real Prometheus scrapes the exporter in both formats, and the sums are those of the simulated tenant."""

import http.server
import sys
import threading
import urllib.request

from house import LOOPBACK, House, free_port, get, get_json, wait_for

AGENTS = 60
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# The window is a day; the tenant's buckets and the truth are both exact, so this only covers rounding.
TOLERANCE_SECONDS = 1.0


def text_only_proxy(target):
    """A proxy on loopback that asks `target` for the text format, whatever Prometheus prefers."""

    class Proxy(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            request = urllib.request.Request(target + self.path, headers={"Accept": TEXT})
            with urllib.request.urlopen(request, timeout=20) as answer:
                body = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def prometheus_config(openmetrics_port, text_port):
    """A configuration that scrapes the exporter itself, and once more through the proxy."""
    return f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: openmetrics
    static_configs: [{{targets: ['{LOOPBACK}:{openmetrics_port}']}}]
  - job_name: text
    static_configs: [{{targets: ['{LOOPBACK}:{text_port}']}}]
"""


def main(binary):
    with House() as house:
        simulator, exporter, prometheus = free_port(), free_port(), free_port()
        tenant = f"http://{LOOPBACK}:{simulator}"
        house.start("simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={AGENTS}")
        wait_for("the simulator answers", lambda: get(f"{tenant}/-/control/requests")[0] == 200)
        access = get_json(f"{tenant}/-/control/access")
        agents = access["agents"]
        assert len(agents) == AGENTS, agents

        secret = house.write("secret", access["client_secret"])
        listing = "".join(f"      - {{id: '{a['id']}', name: '{a['name']}', team: '{a['team']}'}}\n" for a in agents)
        config = house.write(
            "config.yml",
            f"tenants:\n  - name: simulated\n    base_url: {tenant}\n    client_id: {access['client_id']}\n"
            f"    client_secret_file: {secret}\n    agents_per_request: 7\n    agents:\n{listing}",
        )
        house.start(
            "exporter", binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{exporter}"
        )
        address = f"http://{LOOPBACK}:{exporter}"
        wait_for("the exporter is ready", lambda: get(f"{address}/-/ready")[0] == 200)
        assert get_json(f"{tenant}/-/control/requests")["total"] == 0, "nothing is asked before the first scrape"

        for accept in (TEXT, OPENMETRICS):
            status, headers, body = get(f"{address}/metrics", {"Accept": accept})
            assert status == 200 and headers["Content-Type"].startswith(accept), (status, headers["Content-Type"])
            assert body.endswith("# EOF\n") == (accept == OPENMETRICS)

        proxy = text_only_proxy(address)
        house.write("prometheus.yml", prometheus_config(exporter, proxy.server_port))
        house.start(
            "prometheus", "prometheus", "--config.file=prometheus.yml", f"--storage.tsdb.path={house.path}/tsdb",
            f"--web.listen-address={LOOPBACK}:{prometheus}", "--log.level=warn",
        )
        api = f"http://{LOOPBACK}:{prometheus}/api/v1"

        def query(expression):
            return get_json(f"{api}/query", query=expression)["data"]["result"]

        wait_for("both jobs are up", lambda: len(query("up == 1")) == 2)
        wait_for("both jobs see every agent", lambda: [
            float(row["value"][1]) for row in query("count by (job) (cxone_agent_observed_seconds)")
        ] == [AGENTS, AGENTS])

        def value(expression):
            (row,) = query(expression)
            return float(row["value"][1])

        window = {
            edge: int(value(f"cxone_window_{edge}_timestamp_seconds{{job='openmetrics'}}")) for edge in ("start", "end")
        }
        truth = get_json(f"{tenant}/-/control/truth", **window)
        seen = {"openmetrics": {}, "text": {}}
        for row in query("cxone_agent_state_seconds"):
            labels = row["metric"]
            seen[labels["job"]][labels["agent"], labels["state"]] = float(row["value"][1])
        assert seen["openmetrics"] == seen["text"], "both formats say the same"
        compared = 0
        for agent, states in truth.items():
            for state, seconds in states.items():
                got = seen["text"][agent, state]
                assert abs(got - seconds) <= TOLERANCE_SECONDS, (agent, state, got, seconds)
                compared += 1
            total = sum(seconds for (who, _), seconds in seen["text"].items() if who == agent)
            assert abs(total - (window["end"] - window["start"])) <= TOLERANCE_SECONDS, (agent, total)
        assert len(truth) == AGENTS and compared >= 2 * AGENTS, compared

        requests = get_json(f"{tenant}/-/control/requests")
        batches = -(-AGENTS // 7)
        assert requests["token"] == 1, requests
        assert requests["presence"] == batches, (requests, "one page a batch, one refresh for all scrapes")

        code = house.stop("exporter")
        assert code == 0, f"SIGTERM ends the exporter with {code}"
        assert access["client_secret"] not in house.log("exporter")
        print(f"e2e: 2 jobs up, {compared} sums of {AGENTS} agents equal the truth, {requests['total']} requests in all")


if __name__ == "__main__":
    main(sys.argv[1])
