"""Four environment variables are enough to run and to get exact sums."""

import os
import sys

from app import TestApp
from running import CLIENT_ID, CLIENT_SECRET, Exporter, Tenant, compare, samples, sums

# Precision of a float with ten digits before the point.
TOLERANCE_SECONDS = 1e-5


def main(binary):
    with TestApp() as app:
        tenant = Tenant(app, binary, "--agents=3").start()
        agent = tenant.agents()[1]["id"]
        four = {
            "PATH": os.environ["PATH"],
            "CXONE_TENANT_DOMAIN": "tenant.invalid",
            "CXONE_CLIENT_ID": CLIENT_ID,
            "CXONE_CLIENT_SECRET": CLIENT_SECRET,
            "CXONE_AGENT_ID": agent,
        }
        # A domain means https, so this one is not scraped; it shows what would be asked.
        exporter = Exporter(app, binary, env=four).start()
        config = exporter.get("/config")
        assert "https://tenant.invalid" in config and agent in config, config
        assert CLIENT_SECRET not in config, "the secret is on the page"
        exporter.stop()
        app.report("runs with the four variables alone")

        exporter = Exporter(app, binary, env=four | {"CXONE_BASE_URL": tenant.base_url}).start()
        body = exporter.get("/metrics")
        values = {name: value for name, labels, value in samples(body) if not labels}
        start, end = (values[f"cxone_window_{edge}_timestamp_seconds"] for edge in ("start", "end"))
        truth = {agent: tenant.truth(start, end)[agent]}
        compared = compare(truth, sums(body), end - start, TOLERANCE_SECONDS)
        exporter.stop()
        app.report(f"and with the address of a tenant besides: {compared} sums equal the truth")


if __name__ == "__main__":
    main(*sys.argv[1:])
