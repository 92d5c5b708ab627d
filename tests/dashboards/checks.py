#!/usr/bin/env python3
"""Checks the dashboards' JSON without a server.

By the foundation SDK: what it reads is what it writes. By the rules of the app: every panel has a description, a unit, a text for no
data and a query of the chosen data source; nothing repeats; panels fill the grid without overlaps; ids and uids are unique; links lead
to dashboards of the set; every metric is one that the exporter, the rules or Prometheus make, and every variable exists.
"""

import json
import pathlib
import re
import sys

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID_WIDTH = 24


def known_metrics():
    """The exporter's metrics, as in the example exposition, and the recorded ones."""
    source = (ROOT / "tests" / "dashboards" / "exposition.py").read_text()
    names = set(re.findall(r'"((?:cxone|process)_\w+)"', source))
    names |= {f"cxone_refresh_{event}_timestamp_seconds" for event in ("last_success", "last_attempt", "not_before")}
    names.add("cxone_api_request_duration_seconds_bucket")
    for path in (ROOT / "deploy" / "prometheus").glob("cxone.*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return names


def faults_of(name, dashboard, uids, metrics):
    read = Dashboard.from_json(dashboard)
    # The SDK fills these in on reading, and generate.py leaves them out.
    for variable in read.templating.list_val:
        variable.auto = variable.auto_min = variable.auto_count = None
    if json.loads(json.dumps(read, cls=JSONEncoder)) != dashboard:
        yield "the SDK reads it and writes something else"
    variables = {variable["name"] for variable in dashboard["templating"]["list"]} | {"__rate_interval", "__range", "__interval", "__interval_ms"}
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        yield "two panels have the same id"
    for key in ("uid", "title", "description", "tags", "time", "refresh", "links"):
        if not dashboard.get(key):
            yield f"no {key}"
    for uid in re.findall(r"/d/([\w-]+)", json.dumps(dashboard)):
        if uid not in uids:
            yield f"a link leads to {uid}, which is none of {sorted(uids)}"
    yield from grid_faults(dashboard["panels"])
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            yield from (f"{panel['title']}: {fault}" for fault in panel_faults(panel, variables, metrics))


def panel_faults(panel, variables, metrics):
    defaults = panel["fieldConfig"]["defaults"]
    for what, value in (
        ("description", panel.get("description")), ("unit", defaults.get("unit")), ("text for no data", defaults.get("noValue")),
        ("thresholds", defaults.get("thresholds") or panel["type"] in ("timeseries", "state-timeline")), ("query", panel.get("targets")),
    ):
        if not value:
            yield f"no {what}"
    if panel.get("repeat"):
        yield "it repeats"
    if panel["datasource"] != DATASOURCE:
        yield "its data source is not the chosen one"
    for target in panel["targets"]:
        expr = target["expr"]
        if target["datasource"] != DATASOURCE:
            yield f"{target['refId']}: its data source is not the chosen one"
        for used in re.findall(r"\$\{?(\w*[a-z_]\w*)", expr):
            if used not in variables:
                yield f"{target['refId']}: the variable {used} does not exist"
        for metric in re.findall(r"\b((?:\w+:)?(?:cxone|process)_[\w:]+)", expr):
            if metric not in metrics:
                yield f"{target['refId']}: unknown metric {metric}"


def grid_faults(panels):
    taken = {}
    for panel in panels:
        grid = panel["gridPos"]
        if grid["x"] + grid["w"] > GRID_WIDTH:
            yield f"{panel['title']}: wider than the grid"
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']} overlaps {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]


def provisioning_faults():
    sources = yaml.safe_load((ROOT / "grafana/provisioning/datasources/cxone.yml").read_text())
    providers = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/cxone.yml").read_text())
    if [source["type"] for source in sources["datasources"]] != ["prometheus"]:
        yield "provisioning: not one data source of the type prometheus"
    if not all(provider["type"] == "file" and provider["options"]["path"] for provider in providers["providers"]):
        yield "provisioning: a provider without a path"


def main():
    register_default_plugins()
    dashboards = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))}
    uids = {dashboard["uid"] for dashboard in dashboards.values()}
    metrics = known_metrics()
    faults = [f"{name}: {fault}" for name, dashboard in dashboards.items() for fault in faults_of(name, dashboard, uids, metrics)]
    faults += provisioning_faults()
    if len(uids) != len(dashboards):
        faults.append("two dashboards have the same uid")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        panels = sum(panel["type"] != "row" for dashboard in dashboards.values() for panel in dashboard["panels"])
        print(f"{len(dashboards)} dashboards with {panels} panels: read back by the SDK, and within the rules")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
