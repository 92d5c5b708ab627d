#!/usr/bin/env python3
"""Runs Alertmanager on loopback with the example configuration and checks receivers and inhibition.

Routes by `amtool config routes test`; silencing by posting alerts and asking which of them are suppressed.
"""

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CONFIG = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "alertmanager" / "alertmanager.yml"
DEADLINE_SECONDS = 20

ROUTES = [
    ("operations", {"alertname": "CxoneDataStale", "severity": "critical"}),
    ("default", {"alertname": "CxoneRefreshesFailing", "severity": "warning"}),
    ("default", {"alertname": "CxoneAgentOfflineOverLimit", "severity": "warning", "team": "Sales"}),
    ("team-billing", {"alertname": "CxoneAgentOfflineOverLimit", "severity": "warning", "team": "Billing"}),
    ("default", {"alertname": "CxoneAgentUnknown", "severity": "info", "team": "Billing"}),
]

# What fires, and what of it is suppressed. Each case has a job of its own, so that all can be posted at once.
SUPPRESSED = [
    (["CxoneAgentOfflineOverLimit", "CxoneAgentAbsent", "CxoneAgentUnknown"], []),
    (["CxoneDataStale", "CxoneAgentOfflineOverLimit", "CxoneAgentAbsent", "CxoneAgentUnknown"],
     ["CxoneAgentOfflineOverLimit", "CxoneAgentAbsent", "CxoneAgentUnknown"]),
    (["CxoneExporterDown", "CxoneDataStale", "CxoneRefreshesFailing", "CxoneAgentOfflineOverLimit"],
     ["CxoneDataStale", "CxoneRefreshesFailing", "CxoneAgentOfflineOverLimit"]),
    (["CxoneCredentialsRefused", "CxoneRefreshesFailing", "CxoneDataStale"], ["CxoneRefreshesFailing"]),
    (["CxoneRateLimitedLong", "CxoneRefreshesFailing", "CxoneDataStale"], ["CxoneRefreshesFailing"]),
    (["CxoneClockSkew", "CxoneDataStale", "CxoneRefreshesFailing"], []),
    (["CxoneClockSkew", "CxoneAgentUnknown", "CxoneAgentAbsent"], ["CxoneAgentUnknown"]),
    (["CxoneClockSkew/1", "CxoneAgentUnknown"], []),
    # Of one shard among several, which is written behind the name.
    (["CxoneDataStale/1", "CxoneAgentOfflineOverLimit", "CxoneAgentUnknown"], []),
    (["CxoneExporterDown/1", "CxoneDataStale/1", "CxoneDataStale/2", "CxoneShardsIncomplete", "CxoneCredentialsRefused/2",
      "CxoneRefreshesFailing/2", "CxoneRefreshesFailing/3", "CxoneAgentOfflineOverLimit"],
     ["CxoneDataStale/1", "CxoneShardsIncomplete", "CxoneRefreshesFailing/2"]),
]


def request(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"}), timeout=5) as answer:
        return answer.read()


def until(what, check):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while True:
        seen = check()
        if seen is None:
            return
        if time.monotonic() > deadline:
            sys.exit(f"{what}: {seen}")
        time.sleep(0.2)


def check_routes():
    for receiver, labels in ROUTES:
        pairs = [f"{name}={value}" for name, value in labels.items()]
        command = ["amtool", "config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *pairs]
        tried = subprocess.run(command, capture_output=True, text=True, check=False)
        if tried.returncode:
            sys.exit(f"{labels} is not routed to {receiver}: {tried.stdout}{tried.stderr}")


def cases():
    """Each case once without a tenant and once with one, beside another tenant that is well."""
    for number, (firing, suppressed) in enumerate(SUPPRESSED):
        for tenant in ({}, {"tenant": "acme"}):
            yield f"cxone-{number}{'-tenants' * bool(tenant)}", tenant, firing, suppressed


def check_silencing(base):
    alerts, expected = [], set()
    for job, tenant, firing, suppressed in cases():
        for name in firing:
            agent = {"agent": "1", "team": "Billing"} if name.startswith("CxoneAgent") else {}
            name, _, shard = name.partition("/")
            alerts.append({"labels": {"alertname": name, "job": job, **agent, **tenant, **({"shard": shard} if shard else {})}})
        expected |= {(job, tenant.get("tenant"), name) for name in suppressed}
        if tenant:
            alerts.append({"labels": {"alertname": "CxoneAgentUnknown", "job": job, "agent": "1", "tenant": "other"}})
    request(f"{base}/api/v2/alerts", alerts)

    def difference():
        answer = json.loads(request(f"{base}/api/v2/alerts"))
        labels = [alert["labels"] for alert in answer if alert["status"]["state"] == "suppressed"]
        seen = {(label["job"], label.get("tenant"), "/".join(filter(None, (label["alertname"], label.get("shard"))))) for label in labels}
        return None if seen == expected else f"missing {expected - seen}, too many {seen - expected}"

    until("suppressed alerts", difference)


def main():
    check_routes()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as storage, open(f"{storage}/log", "w") as log:
        process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={CONFIG}", f"--storage.path={storage}",
             f"--web.listen-address={address}", "--cluster.listen-address="], stderr=log, stdout=log)
        try:
            base = f"http://{address}"

            def unready():
                if process.poll() is not None:
                    sys.exit(f"Alertmanager ended: {pathlib.Path(storage, 'log').read_text()}")
                try:
                    request(f"{base}/-/ready")
                except (urllib.error.URLError, ConnectionError) as error:
                    return error
                return None

            until("Alertmanager is not ready", unready)
            check_silencing(base)
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE_SECONDS)
    print(f"Alertmanager: {len(ROUTES)} routes, {2 * len(SUPPRESSED)} cases of silencing")


if __name__ == "__main__":
    main()
