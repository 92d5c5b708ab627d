#!/usr/bin/env python3
"""Writes the dashboards as TypeScript that compiles only if they fit Grafana's published types: typed.py DIRECTORY.

One constant of the type Dashboard per dashboard, and for each panel one each for its options and its custom field settings, of the
types of its plugin, and one per query of the type of a Prometheus query. They are literals, so that a key that the types do not know
is an error too. `oldest` has the classic dashboards for the types of the oldest Grafana that they are for, without the keys that are
newer and that it ignores; `current` has them for today's types, which add defaults to what is missing; `v2` has those of the schema
v2 for today's types.
"""

import json
import pathlib
import sys

GRAFANA = pathlib.Path(__file__).resolve().parents[3] / "grafana"
RAW = "dist/esm/raw/composable"
OLDEST, CURRENT = "@grafana/schema", "grafana-schema-current"
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
import type { %(root)s } from '%(root_from)s';

type Json<T> =
  unknown extends T ? T :
  T extends string ? `${T}` :
  T extends number | boolean | null | undefined ? T :
  T extends Array<infer U> ? Array<Json<U>> :
  T extends object ? { [K in keyof T]%(optional)s: Json<T[K]> } : T;
"""
QUERY = "import type {{ PrometheusDataQuery }} from '{package}/{raw}/prometheus/dataquery/x/PrometheusDataQuery_types.gen';"


# Options that came after the oldest Grafana, by plugin.
NEWER_OPTIONS = {
    "stat": {"percentChangeColorMode", "showPercentChange", "wideLayout"},
    "bargauge": {"legend", "maxVizHeight", "namePlacement", "sizing"},
    "state-timeline": {"perPage"},
}


def for_the_oldest(dashboard):
    """A classic dashboard without keys that the oldest Grafana ignores, and with those that its types ask for and it does not need."""
    for variable in dashboard["templating"]["list"]:
        variable.pop("allowCustomValue")
        variable.setdefault("id", "")
        variable.setdefault("hide", 0)
    for link in dashboard["links"]:
        link.setdefault("url", "")
    dashboard["style"] = "dark"
    for panel in dashboard["panels"]:
        for newer in NEWER_OPTIONS.get(panel["type"], ()):
            panel["options"].pop(newer)
        panel.setdefault("transformations", [])
    return dashboard


def module(dashboard, package, panels, root="Dashboard", root_from=None, optional="", queries=False):
    """The TypeScript of one dashboard; `panels` are (title, plugin, options, field settings, queries)."""
    lines = [HEADER % {"root": root, "root_from": root_from or package, "optional": optional}]
    lines += [QUERY.format(package=package, raw=RAW)] if queries else []
    for plugin in sorted({plugin for _, plugin, *_ in panels}):
        lines.append(f"import type * as {alias(plugin)} from '{package}/{RAW}/{PLUGINS[plugin]}';")
    lines.append(constant("dashboard", f"Json<{root}>", dashboard))
    for number, (title, plugin, options, fields, targets) in enumerate(panels):
        lines.append(f"// {title}")
        lines.append(constant(f"options{number}", f"Json<{alias(plugin)}.Options>", options))
        if plugin in WITH_FIELD_CONFIG:
            lines.append(constant(f"custom{number}", f"Json<{alias(plugin)}.{WITH_FIELD_CONFIG[plugin]}>", fields["defaults"]["custom"]))
        for index, target in enumerate(targets if queries else []):
            lines.append(constant(f"query{number}_{index}", "Json<PrometheusDataQuery>", target))
    return "\n".join(lines)


def alias(plugin):
    return plugin.replace("-", "_")


def constant(name, kind, value):
    return f"export const {name}: {kind} = {json.dumps(value, indent=1, ensure_ascii=False)};"


def classic(dashboard, package, **settings):
    # The types ask for a null here; Grafana itself leaves the key out of variables that ask no data source.
    for variable in dashboard["templating"]["list"]:
        variable.setdefault("datasource", None)
    panels = [
        (panel["title"], panel["type"], panel["options"], panel["fieldConfig"], panel["targets"])
        for panel in dashboard["panels"] if panel["type"] != "row"
    ]
    return module(dashboard, package, panels, **settings)


def schema_v2(resource):
    panels = []
    for element in resource["spec"]["elements"].values():
        visualization = element["spec"]["vizConfig"]
        settings = visualization["spec"]
        panels.append((element["spec"]["title"], visualization["group"], settings["options"], settings["fieldConfig"], []))
    return module(resource["spec"], CURRENT, panels, root="Spec", root_from=f"{CURRENT}/dist/types/schema/dashboard/v2/types.spec.gen")


def write(directory, name, text):
    directory.mkdir(exist_ok=True)
    (directory / f"{name}.ts").write_text(text)


def main():
    directory = pathlib.Path(sys.argv[1])
    for path in sorted((GRAFANA / "dashboards").glob("*.json")):
        # Today's package has no types of queries: they are those of each data source's own plugin.
        write(directory / "oldest", path.stem, classic(for_the_oldest(json.loads(path.read_text())), OLDEST, queries=True))
        write(directory / "current", path.stem, classic(json.loads(path.read_text()), CURRENT, optional="?"))
    for path in sorted((GRAFANA / "dashboards-v2").glob("*.json")):
        write(directory / "v2", path.stem, schema_v2(json.loads(path.read_text())))


if __name__ == "__main__":
    main()
