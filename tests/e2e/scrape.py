"""A real Prometheus scrapes the exporter in both formats, and the sums are those of the simulated tenant."""

import concurrent.futures
import http.server
import sys
import threading
import urllib.request

from app import LOOPBACK, TestApp, get, wait_for
from monitoring import Prometheus
from running import Exporter, Tenant, compare

AGENTS = 60
BATCH = 7
# Small, so that most batches take two pages.
PAGE = 100
BUCKETS = 24
# Scrapes before anything is known.
AT_ONCE = 60
TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PASSED_ON = ("Accept", "Accept-Encoding", "User-Agent", "X-Prometheus-Scrape-Timeout-Seconds")
# The values are exact to the microsecond; this is what a float with ten digits before the point has left.
TOLERANCE_SECONDS = 1e-5


class Proxy:
    """A proxy on loopback that notes what is answered, and asks for `accept` where that is given."""

    def __init__(self, target, accept=None):
        self.types = types = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
                if accept:
                    headers["Accept"] = accept
                with urllib.request.urlopen(urllib.request.Request(target + self.path, headers=headers), timeout=20) as answer:
                    body = answer.read()
                    types.add(answer.headers["Content-Type"])
                    self.send_response(answer.status)
                    for name in ("Content-Type", "Content-Encoding"):
                        if name in answer.headers:
                            self.send_header(name, answer.headers[name])
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = f"{LOOPBACK}:{server.server_port}"


def config(addresses):
    """A configuration of Prometheus with a job for each address."""
    jobs = "".join(
        f"  - job_name: {job}\n    static_configs: [{{targets: ['{address}']}}]\n" for job, address in addresses.items()
    )
    return f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}"


def scrape_cold(exporter):
    """Many scrapes at once of an exporter that has no data yet, half of them in each format."""

    def one(number):
        accept = (TEXT, OPENMETRICS)[number % 2]
        status, headers, body = get(f"{exporter.base_url}/metrics", {"Accept": accept})
        assert status == 200 and headers["Content-Type"].startswith(accept), (status, headers["Content-Type"])
        assert body.endswith("# EOF\n") == (accept == OPENMETRICS)

    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(one, range(AT_ONCE)))


def main(binary, api="presence"):
    with TestApp() as app:
        tenant = Tenant(app, binary, f"--agents={AGENTS}", f"--page-size={PAGE}").start()
        agents = tenant.agents()
        assert len(agents) == AGENTS, agents
        path = app.write("config.yml", tenant.config(app, agents, api=api, agents_per_request=BATCH, interval="PT1H", incremental=False))
        # Without a limit on scrapes at once, as all of the cold ones have to be answered.
        flags = (f"--config.file={path}", "--web.max-requests=0", "--log.level=debug")
        exporter = Exporter(app, binary, *flags).start()
        requests = tenant.requests()
        assert (requests["token"], requests["presence"]) == (0, 0), f"asked before the first scrape: {requests}"

        scrape_cold(exporter)
        app.report(f"{AT_ONCE} scrapes at once on a cold start are answered")

        proxies = {"openmetrics": Proxy(exporter.base_url), "text": Proxy(exporter.base_url, TEXT)}
        prometheus = Prometheus(app, config({job: proxy.address for job, proxy in proxies.items()}))
        wait_for("both jobs are up", lambda: len(prometheus.query("up == 1")) == 2)
        wait_for("both jobs see every agent", lambda: [
            float(row["value"][1]) for row in prometheus.query("count by (job) (cxone_agent_observed_seconds)")
        ] == [AGENTS, AGENTS])
        for job, kind in (("openmetrics", OPENMETRICS), ("text", TEXT)):
            (seen,) = proxies[job].types
            assert seen.startswith(kind), f"Prometheus as {job} was answered with {seen}"
        app.report("Prometheus is up in both formats")

        start, end = (
            prometheus.value(f"cxone_window_{edge}_timestamp_seconds{{job='text'}}") for edge in ("start", "end")
        )
        seen = {"openmetrics": {}, "text": {}}
        for row in prometheus.query("cxone_agent_state_seconds"):
            labels = row["metric"]
            seen[labels["job"]][labels["agent"], labels["state"]] = float(row["value"][1])
        assert seen["openmetrics"] == seen["text"], "both formats say the same"
        compared = compare(tenant.truth(start, end), seen["text"], end - start, TOLERANCE_SECONDS)
        app.report(f"{compared} sums of {AGENTS} agents equal the truth")

        sizes = [min(BATCH, AGENTS - first) for first in range(0, AGENTS, BATCH)]
        expected = {"token": 1, "presence": sum(-(-size * BUCKETS // PAGE) for size in sizes)}
        requests = tenant.requests()
        assert {name: requests[name] for name in expected} == expected, f"{requests}, expected {expected}"
        assert requests["rows"] == AGENTS * BUCKETS, requests
        exporter.stop()
        app.report(f"{expected['presence']} pages in {len(sizes)} batches and 1 token were asked for, in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
