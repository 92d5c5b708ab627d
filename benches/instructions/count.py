"""Counts instructions by callgrind and compares them with the baseline."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BASELINE = HERE / "baseline"
# What a count may be off by. Two runs of one build differ by 0.3 % at the most: what is left are the seeds of the
# standard library's hash maps.
TOLERANCE = 0.05
# The paths call what is to be counted through this function.
COUNTED = "*::measured"
# glibc chooses the fastest of its copies and comparisons for the processor; here, the same on every processor of a kind.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512F,-AVX512VL,-ERMS,-FSRM", "PATH": os.environ["PATH"]}
HEADER = f"""\
# How many instructions the hot paths take, for benches/instructions/run to compare with. It fails above {TOLERANCE:.0%} more.
# `benches/instructions/run --write` writes this file; say in the commit why counts have changed.
# Counts depend on the compiler, and a little on the C library and valgrind; so they are compared only where the first of
# these, and the architecture, are the same.
"""


def build():
    """The binary with the paths, optimised, with names."""
    target = ["--profile=bench", "--example=instructions", "--message-format=json-render-diagnostics"]
    command = ["cargo", "build", "--locked", *target]
    built = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    executables = (json.loads(line).get("executable") for line in built.stdout.splitlines())
    return [executable for executable in executables if executable][-1]


def count(binary, path):
    """The instructions of one path."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "out"
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--collect-atstart=no", f"--toggle-collect={COUNTED}",
        ]
        done = subprocess.run([*command, binary, path], capture_output=True, text=True, env=ENVIRONMENT)
        if done.returncode != 0:
            raise SystemExit(f"{path} failed under valgrind:\n{done.stdout}{done.stderr}")
        counted = int(re.search(r"^(?:summary|totals): (\d+)", out.read_text(), re.M)[1])
        if counted == 0:
            raise SystemExit(f"{path}: nothing was counted; there is no function {COUNTED}")
        return counted


def environment():
    """What counts depend on, by what it is called in the baseline."""
    said = lambda *command: subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return {
        "rustc": said("rustc", "--version").split()[1],
        "machine": platform.machine(),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": said("valgrind", "--version").removeprefix("valgrind-"),
    }


def read_baseline():
    """The environment and the counts that were written down."""
    lines = [line.split("#")[0].split(None, 1) for line in BASELINE.read_text().splitlines()]
    pairs = dict((key, value.strip()) for key, value in filter(None, lines))
    known = {key: pairs.pop(key, None) for key in ("rustc", "machine", "libc", "valgrind")}
    return known, {path: int(value.replace("_", "")) for path, value in pairs.items()}


def write(here, counts):
    width = max(map(len, counts))
    lines = [f"{key:{width}} {value}" for key, value in here.items()] + [""]
    lines += [f"{path:{width}} {value:_}" for path, value in counts.items()]
    BASELINE.write_text(HEADER + "\n" + "\n".join(lines) + "\n")
    print(f"{BASELINE.name} has been written: {len(counts)} paths")


def compare(counts, known):
    """Prints a line a path, and returns what is wrong and what is only outdated."""
    worse, outdated = [], []
    print(f"{'path':26} {'instructions':>14} {'baseline':>14}   change")
    for path, counted in counts.items():
        if path not in known:
            worse.append(f"{path} is not in the baseline")
            print(f"{path:26} {counted:14,} {'-':>14}")
            continue
        change = counted / known[path] - 1
        print(f"{path:26} {counted:14,} {known[path]:14,}  {change:+7.2%}")
        if change > TOLERANCE:
            worse.append(f"{path} takes {change:.1%} more instructions than the baseline: {counted:,} instead of {known[path]:,}")
        elif change < -TOLERANCE:
            outdated.append(f"{path} takes {-change:.1%} fewer instructions than the baseline")
    return worse, outdated


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--write", action="store_true", help="write the baseline instead of comparing with it")
    arguments.add_argument("paths", nargs="*", metavar="PATH")
    arguments = arguments.parse_args()
    here = environment()
    if not arguments.write:
        if not BASELINE.exists():
            raise SystemExit(f"there is no {BASELINE}: write it with --write")
        there, known = read_baseline()
        if here["machine"] != there["machine"]:
            print(f"The baseline is of {there['machine']}, and counts of {here['machine']} are others: nothing is compared.")
            return
        if here["rustc"] != there["rustc"]:
            # The compiler is pinned by rust-toolchain.toml: a commit that changes the pin also rewrites the baseline.
            raise SystemExit(
                f"The baseline is of rustc {there['rustc']} and this is {here['rustc']}: counts of two compilers cannot be "
                "compared. Use the toolchain of rust-toolchain.toml; if that has changed, run `benches/instructions/run --write` "
                "on the code as it was before any other change, and commit the baseline."
            )
        for key in ("libc", "valgrind"):
            if here[key] != there[key]:
                print(f"note: the baseline is of {key} {there[key]} and this is {here[key]}; counts may differ a little by that")
    binary = build()
    every = subprocess.run([binary], capture_output=True, text=True, check=True).stdout.split()
    paths = arguments.paths or every
    unknown = [path for path in paths if path not in every]
    if unknown:
        raise SystemExit(f"there is no path {', '.join(unknown)}; there are: {', '.join(every)}")
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        counts = dict(zip(paths, pool.map(lambda path: count(binary, path), paths)))
    if arguments.write:
        before = read_baseline()[1] if arguments.paths and BASELINE.exists() else {}
        write(here, {path: (before | counts)[path] for path in every if path in before | counts})
        return
    worse, outdated = compare(counts, known)
    if not arguments.paths:
        outdated += [f"{path} is in the baseline and no longer there" for path in known if path not in every]
    if outdated:
        print("\n".join(outdated) + "\nWrite the baseline again: benches/instructions/run --write")
    if worse:
        advice = "If it has to be so, write the baseline again (benches/instructions/run --write) and say why in the commit."
        raise SystemExit("\n".join(worse) + f"\n{advice}")
    print(f"{len(counts)} paths are within {TOLERANCE:.0%} of the baseline, or below")


if __name__ == "__main__":
    sys.exit(main())
