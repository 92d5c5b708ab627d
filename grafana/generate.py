#!/usr/bin/env python3
"""Writes the dashboards: grafana/generate.py [DIRECTORY], by default the one of this file.

DIRECTORY/dashboards has them in the classic schema and DIRECTORY/dashboards-v2 in the schema v2. The dashboards are code (generator/)
and the JSON is its output: change the code, run this, commit both. Needs requirements.txt.
"""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from generator import agent, exporter, fleet, history, now, schema_v2

DASHBOARDS = {
    "now": now.dashboard,
    "fleet": fleet.dashboard,
    "history": history.dashboard,
    "agent": agent.dashboard,
    "exporter": exporter.dashboard,
}


def classic(dashboard):
    """A built dashboard in the classic schema, without what the SDK adds that says nothing or something else."""
    built = dashboard().build()
    for number, panel in enumerate(built.panels, start=1):
        # The SDK gives every row the id 0 and panels none; links and comparisons need ids that stay.
        panel.id_val = number
        # Grafana moved the footer from the options of tables to those of their fields, and none of the tables has one.
        if panel.type_val == "table":
            panel.options.footer = None
    # These belong to variables of the type interval, and Grafana's types know them nowhere.
    for variable in built.templating.list_val:
        variable.auto = variable.auto_min = variable.auto_count = None
    # The SDK would hide every link in the menu of the dashboard's controls.
    for link in [*built.links, *(link for panel in built.panels for link in getattr(panel, "links", None) or [])]:
        link.placement = None
    return built


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent
    for name, dashboard in DASHBOARDS.items():
        built = classic(dashboard)
        write(directory / "dashboards" / f"{name}.json", built)
        write(directory / "dashboards-v2" / f"{name}.json", schema_v2.manifest(built))


if __name__ == "__main__":
    main()
