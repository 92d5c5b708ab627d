"""Every value of the chart changes what the chart makes: a key that no template reads would be accepted, documented and without effect.

The examples in ci/ set every documented key. Each of them is rendered as it is, and without each of its keys in turn.

    tests/deploy/values_effect.py HELM
"""

import copy
import subprocess
import sys

import yaml
from values_table import CHART, described, leaves


def render(helm, values):
    command = [helm, "template", "release", CHART, "--values", "-"]
    result = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True)
    # A value that the rest needs: without it the chart refuses them.
    return result.stdout if result.returncode == 0 else result.stderr


def without(values, path):
    values = copy.deepcopy(values)
    *parents, last = path.split(".")
    place = values
    for key in parents:
        place = place[key]
    del place[last]
    return values


def main():
    documented = described((CHART / "values.yaml").read_text())
    unset, idle = set(documented), []
    for example in sorted(CHART.glob("ci/*-values.yaml")):
        values = yaml.safe_load(example.read_text())
        whole = render(sys.argv[1], values)
        if whole.startswith("Error"):
            sys.exit(f"{example.name}: {whole}")
        for path, _ in leaves(values, documented):
            if render(sys.argv[1], without(values, path)) == whole:
                idle.append(f"{example.name}: {path} has no effect")
            unset.discard(path)
    idle += [f"{path} is in no example of ci/" for path in sorted(unset)]
    sys.exit("\n".join(idle) or print(f"{len(documented)} values"))


main()
