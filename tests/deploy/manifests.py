"""Validates rendered manifests on standard input, as an API server and a careful reviewer would.

Each one goes through the schemas of its kind, for the oldest and the newest Kubernetes that the chart supports; then
together: what is selected, mounted or named must exist, and pods meet the restricted Pod Security Standard.
"""

import json
import subprocess
import sys
import urllib.parse
from pathlib import Path

import kubernetes_validate
import yaml

VERSIONS = ("1.25", "1.37")
# The groups of resources that are no part of Kubernetes.
CUSTOM = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
# Made by people before the manifests are applied.
OUTSIDE = {"Secret"}
# What makes pods.
WORKLOADS = ("Deployment", "StatefulSet")
HERE = Path(__file__).resolve().parent


class Loader(yaml.SafeLoader):
    """Refuses duplicate keys, which YAML parsers quietly resolve in different ways."""


def unique_mapping(loader, node, deep=False):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for key in keys:
        if keys.count(key) > 1:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, unique_mapping)


def label(resource):
    return f"{resource['kind']}/{resource['metadata']['name']}"


def schema_faults(resource):
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(resource, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{label(resource)}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}"


def subset(wanted, labels):
    return bool(wanted) and wanted.items() <= labels.items()


def probed_port(probe):
    """The port that a probe asks: by Kubernetes, or by the exporter's own command in the container."""
    if "httpGet" in probe:
        return probe["httpGet"]["port"]
    command, verb, url = probe["exec"]["command"]
    assert (command, verb) == ("/usr/bin/cxone-exporter", "healthcheck"), probe
    return urllib.parse.urlsplit(url).port


def reference_faults(resources):
    """Selectors that select nothing, and names of volumes, claims and ports that do not exist."""
    by_kind = {}
    for resource in resources:
        by_kind.setdefault(resource["kind"], []).append(resource)
    names = {(r["kind"], r["metadata"]["name"]) for r in resources}
    if len(names) != len(resources):
        yield "two resources have one kind and name"

    def exists(kind, name, by):
        if kind not in OUTSIDE and (kind, name) not in names:
            yield f"{by}: {kind} {name} does not exist"

    pods = []
    for deployment in (workload for kind in WORKLOADS for workload in by_kind.get(kind, [])):
        template, who = deployment["spec"]["template"], label(deployment)
        pods.append(template)
        if not subset(deployment["spec"]["selector"]["matchLabels"], template["metadata"]["labels"]):
            yield f"{who}: its selector does not select its pods"
        claims = {c["metadata"]["name"] for c in deployment["spec"].get("volumeClaimTemplates", [])}
        volumes = {v["name"]: v for v in template["spec"].get("volumes", [])}
        if claims & volumes.keys():
            yield f"{who}: a claim and a volume have one name"
        mounted = set()
        for container in template["spec"]["containers"]:
            if container["name"] != "exporter":
                continue
            mounts = container.get("volumeMounts", [])
            mounted |= {m["name"] for m in mounts}
            ports = {p["name"]: p["containerPort"] for p in container["ports"]}
            for probe in ("livenessProbe", "readinessProbe"):
                if probed_port(container[probe]) not in {*ports, *ports.values()}:
                    yield f"{who}: {probe} asks a port that does not exist"
            if len({m["mountPath"] for m in mounts}) != len(mounts):
                yield f"{who}: two mounts have one path"
        if mounted != volumes.keys() | claims:
            yield f"{who}: mounts {sorted(mounted)} are not volumes {sorted(volumes.keys() | claims)}"
        yield from secret_faults(who, template["spec"], by_kind)
        for volume in volumes.values():
            if "sizeLimit" not in volume.get("emptyDir", {"sizeLimit": None}):
                yield f"{who}: the emptyDir {volume['name']} has no size limit"
            if "configMap" in volume:
                yield from exists("ConfigMap", volume["configMap"]["name"], who)
            # Where the manifests have no claim, values name one that exists.
            if "persistentVolumeClaim" in volume and "PersistentVolumeClaim" in by_kind:
                yield from exists("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], who)

    for service in by_kind.get("Service", []):
        if not any(subset(service["spec"]["selector"], pod["metadata"]["labels"]) for pod in pods):
            yield f"{label(service)}: selects no pod"
    for policy in by_kind.get("NetworkPolicy", []):
        dns = {(p["port"], p["protocol"]) for rule in policy["spec"]["egress"] if not rule.get("to") for p in rule["ports"]}
        if not {(53, "UDP"), (53, "TCP")} <= dns:
            yield f"{label(policy)}: refuses a DNS cache on the node, which no peer names"
        if not any(subset(policy["spec"]["podSelector"].get("matchLabels"), p["metadata"]["labels"]) for p in pods):
            yield f"{label(policy)}: selects no pod by label"
    for monitor in by_kind.get("PodMonitor", []):
        if not any(subset(monitor["spec"]["selector"]["matchLabels"], pod["metadata"]["labels"]) for pod in pods):
            yield f"{label(monitor)}: selects no pod"
    for monitor in by_kind.get("ServiceMonitor", []):
        wanted = monitor["spec"]["selector"]["matchLabels"]
        services = [s for s in by_kind["Service"] if subset(wanted, s["metadata"]["labels"])]
        if not services:
            yield f"{label(monitor)}: selects no service"
        ports = {port["name"] for service in services for port in service["spec"]["ports"]}
        for endpoint in monitor["spec"]["endpoints"]:
            if endpoint["port"] not in ports:
                yield f"{label(monitor)}: no service has a port {endpoint['port']}"


def secret_faults(who, pod, by_kind):
    """Secret files that the configuration names where the exporter has no mount, or keys that a Secret of the manifests lacks."""
    exporter = next(c for c in pod["containers"] if c["name"] == "exporter")
    if "--config.file=/etc/cxone-exporter/config.yml" not in exporter["args"]:
        return
    if "--config.enable-auto-reload" not in exporter["args"]:
        yield f"{who}: a changed configuration or secret is not applied"
    volumes = {v["name"]: v for v in pod["volumes"]}
    mounts = {m["mountPath"].rstrip("/"): volumes[m["name"]] for m in exporter["volumeMounts"] if m["name"] in volumes}
    source = mounts["/etc/cxone-exporter"].get("configMap", {}).get("name")
    secrets = {s["metadata"]["name"]: s["data"] for s in by_kind.get("Secret", [])}
    for config in (c for c in by_kind.get("ConfigMap", []) if c["metadata"]["name"] == source):
        for tenant in yaml.load(config["data"]["config.yml"], Loader)["tenants"]:
            for key in (k for k in tenant if k.endswith(("_secret_file", "_key_file"))):
                directory, _, name = tenant[key].rpartition("/")
                if directory not in mounts:
                    yield f"{who}: {tenant['name']}: {key} is {tenant[key]}, where nothing is mounted"
                    continue
                made = secrets.get(mounts[directory].get("secret", {}).get("secretName"), {name})
                if name not in made:
                    yield f"{who}: {tenant['name']}: the Secret has no key {name}"


def security_faults(deployment):
    """Where a pod misses the restricted Pod Security Standard, or this project's own stricter rules."""
    who, spec = label(deployment), deployment["spec"]["template"]["spec"]
    pod = spec.get("securityContext", {})
    yield from (f"{who}: {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    if pod.get("runAsNonRoot") is not True or not pod.get("runAsUser"):
        yield f"{who}: may run as root"
    if pod.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield f"{who}: has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield f"{who}: mounts an API token that it does not need"
    for container in spec["containers"]:
        # Containers of the operator's own answer for themselves.
        if container["name"] != "exporter":
            continue
        context = container.get("securityContext", {})
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            yield f"{who}: may gain privileges"
        if context.get("capabilities", {}).get("drop") != ["ALL"] or context["capabilities"].get("add"):
            yield f"{who}: keeps capabilities"
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{who}: can write to its root"
        if "memory" not in container.get("resources", {}).get("limits", {}):
            yield f"{who}: has no memory limit"
    for volume in spec.get("volumes", []):
        if not volume.keys() & {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}:
            yield f"{who}: volume {volume['name']} is of a kind that is not allowed"


def shard_faults(resources):
    """Where not every shard is there, or some of them would not know which one it is."""
    services = {r["metadata"]["name"]: r for r in resources if r["kind"] == "Service"}
    for workload in resources:
        if workload["kind"] not in WORKLOADS:
            continue
        who, spec = label(workload), workload["spec"]
        env = {e["name"]: e for e in spec["template"]["spec"]["containers"][0].get("env", [])}
        if workload["kind"] == "Deployment":
            if any(name.startswith("CXONE_SHARD_") for name in env):
                yield f"{who}: its pods have no index to be shards by"
            continue
        if env.get("CXONE_SHARD_TOTAL", {}).get("value") != str(spec["replicas"]):
            yield f"{who}: there are {spec['replicas']} pods, and another number of shards"
        if env.get("CXONE_SHARD_POD_NAME", {}).get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") != "metadata.name":
            yield f"{who}: its pods are not told their name"
        if services.get(spec["serviceName"], {}).get("spec", {}).get("clusterIP") != "None":
            yield f"{who}: its service is none, or has an address that is not of one shard"
        if spec.get("strategy"):
            yield f"{who}: a StatefulSet has no strategy"


def rule_faults(resources):
    """Rules in resources that differ from the rule files of Prometheus."""
    source = HERE.parents[1] / "deploy/prometheus"
    groups = [g for f in ("cxone.rules.yml", "cxone.alerts.yml") for g in yaml.load((source / f).read_text(), Loader)["groups"]]
    found = [g for r in resources if r["kind"] == "PrometheusRule" for g in r["spec"]["groups"]]
    # Values may leave alerts out or add some; the unchanged rules are checked where no value does.
    if any(g["name"].endswith("-additional") for g in found):
        return
    if found and sorted(found, key=lambda g: g["name"]) != sorted(groups, key=lambda g: g["name"]):
        yield "the PrometheusRules are not the rules of deploy/prometheus"


def main():
    tools, *expected = sys.argv[1:]
    resources = [r for r in yaml.load_all(sys.stdin, Loader) if r]
    faults = []
    custom = [r for r in resources if r["apiVersion"].startswith(CUSTOM)]
    for resource in resources:
        if resource not in custom:
            faults += schema_faults(resource)
        if resource["kind"] in WORKLOADS:
            faults += security_faults(resource)
    faults += reference_faults(resources)
    faults += shard_faults(resources)
    faults += rule_faults(resources)
    kinds = {r["kind"] for r in resources}
    faults += [f"{kind} is missing" for kind in expected if kind not in kinds]
    for fault in faults:
        print(fault, file=sys.stderr)
    checked = subprocess.run(["node", HERE / "custom_resources.mjs", tools], input=json.dumps(custom), text=True)
    sys.exit(bool(faults) or checked.returncode)


main()
