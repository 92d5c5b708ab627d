"""Keeps the chart's README in step with values.yaml: each `# -- text` documents the key on the line below it.

`write` replaces the table in the README, `check` fails when it is not what `write` would make, or when a value has
no description.
"""

import json
import re
import sys
from pathlib import Path

import yaml

CHART = Path(__file__).resolve().parents[2] / "deploy/helm/cxone-exporter"
BEGIN, END = "<!-- values: begin -->", "<!-- values: end -->"
KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")


def described(text):
    """The dotted path of each described key, with its description, in the order of the file."""
    path, pending, found = [], None, {}
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# -- "):
            pending = stripped.removeprefix("# -- ")
            continue
        if not (match := KEY.match(line)):
            continue
        depth = len(match["indent"]) // 2
        path = path[:depth] + [match["key"]]
        if pending is not None:
            found[".".join(path)] = pending
            pending = None
    return found


def leaves(values, documented, path=""):
    """Every value that must be described: a described key is one value, however deep it is."""
    for key, value in values.items():
        name = f"{path}.{key}" if path else key
        if name not in documented and isinstance(value, dict) and value:
            yield from leaves(value, documented, name)
        else:
            yield name, value


def table():
    text = (CHART / "values.yaml").read_text()
    documented = described(text)
    rows = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, value in leaves(yaml.safe_load(text), documented):
        if name not in documented:
            sys.exit(f"values.yaml: {name} has no `# -- ` description")
        meaning = documented.pop(name).replace("|", "\\|")
        rows.append(f"| `{name}` | `{json.dumps(value)}` | {meaning} |")
    if documented:
        sys.exit(f"values.yaml: described, but not a value: {', '.join(documented)}")
    return "\n".join(rows)


def main():
    readme = CHART / "README.md"
    text = readme.read_text()
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    wanted = f"{head}{BEGIN}\n{table()}\n{END}{tail}"
    if sys.argv[1:] == ["write"]:
        readme.write_text(wanted)
    elif sys.argv[1:] != ["check"]:
        sys.exit("usage: values_table.py write|check")
    elif wanted != text:
        sys.exit("README.md of the chart differs from values.yaml: run tests/deploy/values_table.py write")


if __name__ == "__main__":
    main()
