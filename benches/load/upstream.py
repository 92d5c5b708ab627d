"""Requests and bytes of full and incremental refreshes of a simulated tenant, whose results must be equal."""

import time

from app import LOOPBACK, free_port, wait_for
from servers import REFRESH_SECONDS, fetch
from simulated import Scrape, Tenant

# What `incremental` is made for: many buckets, of which few are new.
INTERVAL = "PT5M"
COOLDOWN_SECONDS = 1


class Refresh:
    """One refresh, counted by the tenant and by the exporter."""

    def __init__(self, tenant, port):
        before = tenant.requests()
        timeout = {"X-Prometheus-Scrape-Timeout-Seconds": str(REFRESH_SECONDS), "Accept": "text/plain;version=0.0.4"}
        scrape = Scrape(fetch(port, headers=timeout, timeout=REFRESH_SECONDS)[2].decode())
        assert scrape.value("cxone_up") == 1, "the refresh failed"
        after = tenant.requests()
        self.requests, self.rows, self.bytes = (after[key] - before[key] for key in ("presence", "rows", "bytes"))
        self.seconds = scrape.value("cxone_refresh_duration_seconds")
        untrue = tenant.untruths(scrape)
        assert not untrue, "\n".join(untrue[:10])


def measure(app, binary, agents):
    """A full refresh and an incremental one after it."""
    simulator, port = free_port(), free_port()
    app.start("simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={agents}")
    tenant = Tenant(simulator)
    config = app.write("upstream.yml", tenant.config(interval=INTERVAL, incremental="true", cooldown=f"{COOLDOWN_SECONDS}s"))
    app.start("exporter", binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{port}")
    wait_for("the exporter answers", lambda: fetch(port, "/-/healthy")[0] == 200)
    full = Refresh(tenant, port)
    time.sleep(COOLDOWN_SECONDS + 0.1)
    tail = Refresh(tenant, port)
    for name in ("exporter", "simulator"):
        app.stop(name)
    return full, tail
