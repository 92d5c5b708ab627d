"""Every value of the chart changes what the chart makes: a key that no template reads would be accepted, documented and without effect.

The examples in ci/ set every documented key. Each of them is rendered as it is, without each of its keys in turn, and with null there,
which takes a default away: then the chart renders, or refuses in words of its own.

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
    return result.stdout if result.returncode == 0 else result.stderr[result.stderr.index("Error") :]


def changed(values, path, change):
    values = copy.deepcopy(values)
    *parents, last = path.split(".")
    place = values
    for key in parents:
        place = place[key]
    change(place, last)
    return values


def without(values, path):
    return changed(values, path, lambda place, key: place.pop(key))


def null(values, path):
    return changed(values, path, lambda place, key: place.update({key: None}))


def main():
    documented = described((CHART / "values.yaml").read_text())
    unset, faults = set(documented), []
    for example in sorted(CHART.glob("ci/*-values.yaml")):
        values = yaml.safe_load(example.read_text())
        whole = render(sys.argv[1], values)
        if whole.startswith("Error"):
            sys.exit(f"{example.name}: {whole}")
        for path, _ in leaves(values, documented):
            if render(sys.argv[1], without(values, path)) == whole:
                faults.append(f"{example.name}: {path} has no effect")
            unset.discard(path)
            text = render(sys.argv[1], null(values, path))
            if text.startswith("Error") and "execution error at" not in text:
                faults.append(f"{example.name}: {path} cannot be null: {text}")
    faults += [f"{path} is in no example of ci/" for path in sorted(unset)]
    sys.exit("\n".join(faults) or print(f"{len(documented)} values"))


main()
