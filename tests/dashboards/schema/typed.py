#!/usr/bin/env python3
"""Writes the dashboards as TypeScript that compiles only if they fit Grafana's published types: typed.py DIRECTORY.

One constant of the type Dashboard per dashboard, and for each panel one each for its options and its custom field settings, of the
types of its plugin, and one per query of the type of a Prometheus query. They are literals, so that a key that the types do not know
is an error too.
"""

import json
import pathlib
import sys

DASHBOARDS = pathlib.Path(__file__).resolve().parents[3] / "grafana" / "dashboards"
RAW = "@grafana/schema/dist/esm/raw/composable"
PLUGINS = {
    "stat": "stat/panelcfg/x/StatPanelCfg_types.gen",
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg_types.gen",
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen",
    "state-timeline": "statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen",
    "table": "table/panelcfg/x/TablePanelCfg_types.gen",
}
WITH_FIELD_CONFIG = {"timeseries": "FieldConfig", "state-timeline": "FieldConfig"}

# JSON has the values of enumerations, TypeScript wants their names: `Json` turns each enumeration into the union of its values.
HEADER = """\
import type { Dashboard } from '@grafana/schema';
import type { PrometheusDataQuery } from '@grafana/schema/dist/esm/raw/composable/prometheus/dataquery/x/PrometheusDataQuery_types.gen';

type Json<T> =
  unknown extends T ? T :
  T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends Array<infer U> ? Array<Json<U>> :
  T extends object ? { [K in keyof T]: Json<T[K]> } : T;
"""


def module(name, dashboard):
    lines = [HEADER]
    for plugin in sorted({panel["type"] for panel in dashboard["panels"]} - {"row"}):
        lines.append(f"import type * as {alias(plugin)} from '{RAW}/{PLUGINS[plugin]}';")
    # The types ask for a null here; Grafana itself leaves the key out of variables that ask no data source.
    for variable in dashboard["templating"]["list"]:
        variable.setdefault("datasource", None)
    lines.append(constant("dashboard", "Json<Dashboard>", dashboard))
    for number, panel in enumerate(dashboard["panels"]):
        plugin = panel["type"]
        if plugin == "row":
            continue
        lines.append(f"// {name}: {panel['title']}")
        lines.append(constant(f"options{number}", f"Json<{alias(plugin)}.Options>", panel["options"]))
        if plugin in WITH_FIELD_CONFIG:
            custom = panel["fieldConfig"]["defaults"]["custom"]
            lines.append(constant(f"custom{number}", f"Json<{alias(plugin)}.{WITH_FIELD_CONFIG[plugin]}>", custom))
        for index, target in enumerate(panel["targets"]):
            lines.append(constant(f"query{number}_{index}", "Json<PrometheusDataQuery>", target))
    return "\n".join(lines)


def alias(plugin):
    return plugin.replace("-", "_")


def constant(name, kind, value):
    return f"export const {name}: {kind} = {json.dumps(value, indent=1, ensure_ascii=False)};"


def main():
    directory = pathlib.Path(sys.argv[1])
    for path in sorted(DASHBOARDS.glob("*.json")):
        (directory / f"{path.stem}.ts").write_text(module(path.stem, json.loads(path.read_text())))


if __name__ == "__main__":
    main()
