"""Prints the licence texts in subfolders of the crates in the binary, which are of code that the crates have from others.

  nested_licenses.py TARGET
"""

import json
import pathlib
import re
import subprocess
import sys

NAME = re.compile(r"(licen[cs]e|copying|copyright|notice)([-._].*)?", re.IGNORECASE)
# Source files that are about licences, and what is not compiled into the crate.
NOT_TEXT = {".rs", ".py", ".c", ".h"}
NOT_BUILT = {"tests", "benches", "examples", "fuzz"}


def packages(target):
    """The crates in the binary, in order."""
    command = ["cargo", "metadata", "--locked", "--offline", "--format-version=1", f"--filter-platform={target}"]
    metadata = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    seen, left = set(), [metadata["resolve"]["root"]]
    while left:
        node = left.pop()
        if node not in seen:
            seen.add(node)
            left += [dep["pkg"] for dep in nodes[node]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
    seen.remove(metadata["resolve"]["root"])
    return sorted((package for package in metadata["packages"] if package["id"] in seen), key=lambda package: package["id"])


def texts(folder):
    """The licences below a crate's folder, but not those in it."""
    for file in sorted(folder.glob("*/**/*")):
        place = file.relative_to(folder)
        if file.is_file() and NAME.fullmatch(file.name) and file.suffix not in NOT_TEXT and place.parts[0] not in NOT_BUILT:
            yield place, file.read_text()


def main(target):
    for package in packages(target):
        for place, text in texts(pathlib.Path(package["manifest_path"]).parent):
            print(f"\n{'=' * 80}\n{package['name']} {package['version']}: {place}\n{'-' * 80}\n\n{text.rstrip()}")


if __name__ == "__main__":
    main(sys.argv[1])
