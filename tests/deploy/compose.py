"""What the Compose schema cannot see: that what is mounted exists, and that services reach each other by the right names."""

import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import yaml

TOP = Path(__file__).resolve().parents[2]
DIRECTORY = TOP / "deploy/compose"
HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
PINNED = re.compile(r"^[a-z0-9./-]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}$")
# What is built here has no digest before.
BUILT = re.compile(r"^cxone-exporter:\d+\.\d+\.\d+$")


def load(path):
    return yaml.safe_load(path.read_text())


def mounts(service):
    """Host path and container path of each bind mount."""
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield (DIRECTORY / source).resolve(), target


def service_faults(name, service, compose):
    for key, wanted in HARDENED.items():
        if service.get(key) != wanted:
            yield f"{name}: {key} is not {wanted}"
    if not (PINNED.match(service["image"]) or BUILT.match(service["image"])):
        yield f"{name}: image {service['image']} is not pinned by version and digest"
    if "mem_limit" not in service:
        yield f"{name}: has no memory limit"
    if "healthcheck" not in service:
        yield f"{name}: has no health check"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{name}: port {port} is open to the network"
    for source, _ in mounts(service):
        if not (source.is_file() or any(source.glob("*"))):
            yield f"{name}: {source.relative_to(TOP)} is not there"
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if not source.startswith(".") and source not in compose["volumes"]:
            yield f"{name}: volume {source} is not declared"
    for other in service.get("depends_on", {}):
        if other not in compose["services"]:
            yield f"{name}: depends on {other}, which is no service"


def inside(service, path):
    """The host file behind a path in the service's container."""
    for source, target in mounts(service):
        if path == target or path.startswith(target + "/"):
            return source / path.removeprefix(target).lstrip("/")
    return None


def address_fault(who, address, services, ports):
    url = urlsplit(address if "//" in address else f"//{address}")
    if url.hostname not in services:
        return f"{who}: {address} names no service"
    if ports[url.hostname] != url.port:
        return f"{who}: {address}: {url.hostname} listens on {ports[url.hostname]}"
    return None


def wiring_faults(services):
    ports = {n: int(s["ports"][0].rsplit(":", 1)[1]) for n, s in services.items() if s.get("ports")}
    prometheus = services["prometheus"]
    settings = load(inside(prometheus, "/etc/prometheus/prometheus.yml"))
    for file in settings["rule_files"]:
        if not (inside(prometheus, f"/etc/prometheus/{file}") or TOP / "-").is_file():
            yield f"prometheus: rule file {file} is not mounted"
    managers = settings["alerting"]["alertmanagers"]
    for job in [*settings["scrape_configs"], *managers]:
        who = f"prometheus: {job.get('job_name', 'alerting')}"
        for target in (t for group in job.get("static_configs", []) for t in group["targets"]):
            yield address_fault(who, target, services, ports)
        for discovery in job.get("http_sd_configs", []):
            yield address_fault(who, discovery["url"], services, ports)
    grafana = services["grafana"]
    for file in inside(grafana, "/etc/grafana/provisioning/datasources").glob("*.y*ml"):
        for source in load(file)["datasources"]:
            yield address_fault(f"grafana: {source['name']}", source["url"], services, ports)
    for file in inside(grafana, "/etc/grafana/provisioning/dashboards").glob("*.y*ml"):
        for provider in load(file)["providers"]:
            path = inside(grafana, provider["options"]["path"])
            if path is None or not list(path.glob("*.json")):
                yield f"grafana: no dashboards in {provider['options']['path']}"


def tenant_faults(services):
    """The exporter's configuration must point at the simulated tenant and at the mounted secret."""
    exporter = services["cxone-exporter"]
    if "--config.enable-auto-reload" not in exporter["command"]:
        yield "cxone-exporter: a changed configuration or secret is not applied"
    [file] = (a.split("=")[1] for a in exporter["command"] if a.startswith("--config.file="))
    tenant = load(inside(exporter, file))["tenants"][0]
    listen = next(a for a in services["tenant"]["command"] if a.startswith("--listen-address="))
    if tenant["base_url"] != f"http://{listen.split('=')[1]}":
        yield f"cxone-exporter: asks {tenant['base_url']}, but the tenant has {listen}"
    for path in (file, tenant["client_secret_file"]):
        # A file that is mounted by itself stays the old one where an editor replaces it.
        if not any((source / path.removeprefix(target).lstrip("/")).is_file() for source, target in mounts(exporter) if source.is_dir()):
            yield f"cxone-exporter: {path} is in no mounted folder"


def main():
    compose = load(DIRECTORY / "compose.yaml")
    services = compose["services"]
    faults = [f for name, s in services.items() for f in service_faults(name, s, compose)]
    if not faults:
        faults = [fault for fault in wiring_faults(services) if fault]
    faults += tenant_faults(services)
    sys.exit("\n".join(faults) or 0)


main()
