#!/usr/bin/env python3
"""Checks the dashboards' JSON without a server.

The rules: every panel has a description, a unit, a text for no data and a query of the chosen data source; nothing repeats; panels fill
the grid without overlaps; ids and uids are unique; links lead to dashboards of the set; every metric is one that the exporter, the
rules or Prometheus make, and every variable exists. A dashboard of the schema v2 shows what the classic one shows.
"""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GRID_WIDTH = 24


def known_metrics():
    """The exporter's metrics, as in the example exposition, and the recorded ones."""
    source = (ROOT / "tests" / "dashboards" / "exposition.py").read_text()
    names = set(re.findall(r'"((?:cxone|process)_\w+)"', source))
    names |= {f"cxone_refresh_{event}_timestamp_seconds" for event in ("last_success", "last_attempt", "not_before")}
    names |= {"cxone_api_request_duration_seconds_bucket", "cxone_refresh_last_error_info"}
    for path in (ROOT / "deploy" / "prometheus").glob("cxone.*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            names |= {rule["record"] for rule in group["rules"] if "record" in rule}
    return names


def faults_of(name, dashboard, uids, metrics):
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
    if len({target["refId"] for target in panel["targets"]}) < len(panel["targets"]):
        yield "two queries have the same refId"
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


def v2_faults(resource, classic):
    """What the dashboard of the schema v2 has that the classic one has not, or the other way round."""
    spec = resource["spec"]
    if (resource["apiVersion"], resource["metadata"]["name"]) != ("dashboard.grafana.app/v2", classic["uid"]):
        yield "not a resource of the schema v2 with the uid as its name"
    if list(laid_out(spec)) != list(arranged(classic)):
        yield "its rows and panels are not those of the classic one, in place, query and settings"
    if [variable["spec"]["name"] for variable in spec["variables"]] != [variable["name"] for variable in classic["templating"]["list"]]:
        yield "its variables are not those of the classic one"


def arranged(classic):
    """The rows and panels of a classic dashboard: (row, x, y within the row, width, height, title, what it shows)."""
    row, top = None, 0
    for panel in classic["panels"]:
        grid = panel["gridPos"]
        if panel["type"] == "row":
            row, top = panel["title"], grid["y"] + grid["h"]
            continue
        shown = [panel["description"], panel["options"], panel["fieldConfig"], panel.get("interval"), panel.get("maxDataPoints")]
        queries = [(target["refId"], target["expr"], target["instant"], target["format"]) for target in panel["targets"]]
        changes = [(change["id"], change["options"]) for change in panel.get("transformations", [])]
        yield row, grid["x"], grid["y"] - top, grid["w"], grid["h"], panel["title"], shown, queries, changes


def laid_out(spec):
    """The same of a dashboard of the schema v2."""
    for row in spec["layout"]["spec"]["rows"]:
        for item in row["spec"]["layout"]["spec"]["items"]:
            grid = item["spec"]
            panel = spec["elements"][grid["element"]["name"]]["spec"]
            settings, data = panel["vizConfig"]["spec"], panel["data"]["spec"]
            asked = data["queryOptions"]
            shown = [panel["description"], settings["options"], settings["fieldConfig"], asked.get("interval"), asked.get("maxDataPoints")]
            queries = [
                (query["spec"]["refId"], *(query["spec"]["query"]["spec"][key] for key in ("expr", "instant", "format")))
                for query in data["queries"]
            ]
            changes = [(change["group"], change["spec"]["options"]) for change in data["transformations"]]
            yield row["spec"].get("title"), grid["x"], grid["y"], grid["width"], grid["height"], panel["title"], shown, queries, changes


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
    dashboards = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "grafana" / "dashboards").glob("*.json"))}
    uids = {dashboard["uid"] for dashboard in dashboards.values()}
    metrics = known_metrics()
    faults = [f"{name}: {fault}" for name, dashboard in dashboards.items() for fault in faults_of(name, dashboard, uids, metrics)]
    for name, dashboard in dashboards.items():
        resource = json.loads((ROOT / "grafana" / "dashboards-v2" / f"{name}.json").read_text())
        faults += [f"{name}, schema v2: {fault}" for fault in v2_faults(resource, dashboard)]
    faults += provisioning_faults()
    if len(uids) != len(dashboards):
        faults.append("two dashboards have the same uid")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        panels = sum(panel["type"] != "row" for dashboard in dashboards.values() for panel in dashboard["panels"])
        print(f"{len(dashboards)} dashboards with {panels} panels: within the rules, in both schemas")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
