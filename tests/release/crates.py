"""Compares the crates that Cargo links with what the binary names, Cargo.lock, the bill of materials and the licences.

    tests/release/crates.py TARGET BINARY BILL_OF_MATERIALS LICENSES
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import zlib
from pathlib import Path

OWN = "cxone-exporter"


def embedded(path, target):
    """What `cargo auditable` has put into the section .dep-v0: zlib, then JSON."""
    with tempfile.NamedTemporaryFile() as section:
        command = [target.replace("-unknown", "") + "-objcopy", "--dump-section", f".dep-v0={section.name}", path, "/dev/null"]
        if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
            sys.exit("the binary does not name its crates: build it with deploy/release/build")
        return json.loads(zlib.decompress(section.read()))["packages"]


def compare(name, wanted, text):
    missing = sorted(wanted - text)
    if missing:
        sys.exit(f"not in {name}: {missing}")


def linked(target):
    """By Cargo's own resolver: the lists below may have more, such as what only tests enable."""
    command = ["cargo", "tree", "--locked", "--edges", "normal", "--target", target, "--prefix", "none", "--format", "{p}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {(name, version.removeprefix("v")) for name, version, *_ in map(str.split, filter(None, lines)) if name != OWN}


def main():
    target, binary, bill, licenses = sys.argv[1:]
    crates = linked(target)
    components = json.loads(Path(bill).read_text())["components"]
    lock = tomllib.loads(Path("Cargo.lock").read_text())["package"]
    lists = {"Cargo.lock": lock, "the binary": embedded(binary, target), "the bill of materials": components}
    for name, packages in lists.items():
        compare(name, crates, {(package["name"], package["version"]) for package in packages})
    compare("the licences", crates, {tuple(line.split()) for line in Path(licenses).read_text().splitlines() if line.count(" ") == 3})
    print(f"{len(crates)} crates, {len(components)} in the bill of materials")


main()
