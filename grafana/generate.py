#!/usr/bin/env python3
"""Writes the dashboards: grafana/generate.py [DIRECTORY], by default grafana/dashboards beside this file.

The dashboards are code (generator/) and the JSON is its output: change the code, run this, commit both.
Needs requirements.txt.
"""

import json
import pathlib
import sys

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from generator import agent, exporter, fleet, history, now

DASHBOARDS = {
    "now": now.dashboard,
    "fleet": fleet.dashboard,
    "history": history.dashboard,
    "agent": agent.dashboard,
    "exporter": exporter.dashboard,
}


def main():
    here = pathlib.Path(__file__).resolve().parent
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "dashboards"
    directory.mkdir(parents=True, exist_ok=True)
    for name, dashboard in DASHBOARDS.items():
        built = dashboard().build()
        # The SDK gives every row the id 0 and panels none; links and comparisons need ids that stay.
        for number, panel in enumerate(built.panels, start=1):
            panel.id_val = number
        # These belong to variables of the type interval, and Grafana's types know them nowhere.
        for variable in built.templating.list_val:
            variable.auto = variable.auto_min = variable.auto_count = None
        text = json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
        (directory / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
