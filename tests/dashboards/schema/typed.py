#!/usr/bin/env python3
"""Writes the dashboards as TypeScript that compiles only if they fit Grafana's published types: typed.py DIRECTORY.

One constant of the type Dashboard per dashboard, and for each panel one each for its options and its custom field settings, of the
types of its plugin, and one per query of the type of a Prometheus query. They are literals, so that a key that the types do not know
is an error too. `oldest` has them for the oldest Grafana that the dashboards are for, `current` for today's, which adds defaults to
what is missing and migrates what it has replaced.
"""

import json
import pathlib
import sys

DASHBOARDS = pathlib.Path(__file__).resolve().parents[3] / "grafana" / "dashboards"
RAW = "dist/esm/raw/composable"
# The package of each set of types, and whether a key may be missing.
PACKAGES = {"oldest": ("@grafana/schema", ""), "current": ("grafana-schema-current", "?")}
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
import type { Dashboard } from '%(package)s';

type Json<T> =
  unknown extends T ? T :
  T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends Array<infer U> ? Array<Json<U>> :
  T extends object ? { [K in keyof T]%(optional)s: Json<T[K]> } : T;
"""
QUERY = "import type {{ PrometheusDataQuery }} from '{package}/{raw}/prometheus/dataquery/x/PrometheusDataQuery_types.gen';"


def migrated(dashboard):
    """A dashboard without what today's Grafana has replaced."""
    dashboard.pop("style", None)
    for variable in dashboard["templating"]["list"]:
        variable.pop("id", None)
    for panel in dashboard["panels"]:
        if panel["type"] == "table":
            panel["options"].pop("footer", None)
    return dashboard


def module(name, dashboard, grafana):
    package, optional = PACKAGES[grafana]
    # Today's package has no types of queries: they are those of each data source's own plugin.
    has_queries = grafana == "oldest"
    lines = [HEADER % {"package": package, "optional": optional}]
    lines += [QUERY.format(package=package, raw=RAW)] if has_queries else []
    for plugin in sorted({panel["type"] for panel in dashboard["panels"]} - {"row"}):
        lines.append(f"import type * as {alias(plugin)} from '{package}/{RAW}/{PLUGINS[plugin]}';")
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
        for index, target in enumerate(panel["targets"] if has_queries else []):
            lines.append(constant(f"query{number}_{index}", "Json<PrometheusDataQuery>", target))
    return "\n".join(lines)


def alias(plugin):
    return plugin.replace("-", "_")


def constant(name, kind, value):
    return f"export const {name}: {kind} = {json.dumps(value, indent=1, ensure_ascii=False)};"


def main():
    directory = pathlib.Path(sys.argv[1])
    for grafana in PACKAGES:
        (directory / grafana).mkdir(exist_ok=True)
        for path in sorted(DASHBOARDS.glob("*.json")):
            dashboard = json.loads(path.read_text())
            dashboard = dashboard if grafana == "oldest" else migrated(dashboard)
            (directory / grafana / f"{path.stem}.ts").write_text(module(path.stem, dashboard, grafana))


if __name__ == "__main__":
    main()
