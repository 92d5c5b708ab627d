"""Checks the dependencies against RustSec's advisories by cargo-deny, and fails only on a vulnerability.

    tests/advisories/check.py                 with the current database, or with the pinned advisories if it cannot be reached
    tests/advisories/check.py pin DIRECTORY   writes pinned.tsv anew, from a clone of the database

pinned.tsv has the advisories of crates that a lock file names: identifier, crate, kind, and the versions that are patched or were
never affected. Its first line has the date of the database.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PINNED = Path(__file__).resolve().parent / "pinned.tsv"
DATABASE = "https://github.com/RustSec/advisory-db"
# A mirror or firewall that does not answer must not hold up the tests.
REACH_TIMEOUT_S = 20
# What is reported without failing: none of them is a vulnerability.
WARNINGS = ("unmaintained", "unsound", "notice", "yanked")


def locked_crates():
    locks = [tomllib.loads((TOP / lock).read_text()) for lock in ("Cargo.lock", "fuzz/Cargo.lock")]
    return {package["name"] for lock in locks for package in lock["package"]}


def pin(clone):
    """The advisories of the clone that are about locked crates, as lines of pinned.tsv."""
    date = subprocess.run(["git", "-C", clone, "log", "-1", "--format=%cs"], check=True, capture_output=True, text=True).stdout
    yield date.strip()
    crates = locked_crates()
    for path in sorted(Path(clone, "crates").glob("*/RUSTSEC-*.md")):
        if path.parent.name not in crates:
            continue
        advisory = tomllib.loads(re.search(r"```toml\n(.*?)```", path.read_text(), re.DOTALL)[1])
        about, versions = advisory["advisory"], advisory["versions"]
        if "withdrawn" not in about:
            ranges = [";".join(versions.get(kind, [])) for kind in ("patched", "unaffected")]
            yield "\t".join([about["id"], about["package"], about.get("informational", "vulnerability"), *ranges])


def advisory_text(line):
    """A line of pinned.tsv in the database's own format."""
    identifier, crate, kind, *ranges = line.split("\t")
    patched, unaffected = (json.dumps([r for r in text.split(";") if r]) for text in ranges)
    informational = "" if kind == "vulnerability" else f'informational = "{kind}"\n'
    return (
        f'```toml\n[advisory]\nid = "{identifier}"\npackage = "{crate}"\ndate = "{identifier[8:12]}-01-01"\n{informational}'
        f"[versions]\npatched = {patched}\nunaffected = {unaffected}\n```\n\n# {identifier}\n\nhttps://rustsec.org/advisories/{identifier}\n"
    )


def git(directory, *arguments):
    identity = ["-c", "user.name=tests", "-c", "user.email=tests@noreply.invalid", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", directory, *identity, *arguments], check=True, capture_output=True)


def pinned_database(lines, directory):
    """A repository with the pinned advisories, where cargo-deny looks for its clone below `directory`."""
    # The suffix is cargo-deny's hash of DATABASE.
    clone = Path(directory, "advisory-db-3157b0e258782691")
    for line in lines:
        identifier, crate, *_ = line.split("\t")
        file = clone / "crates" / crate / f"{identifier}.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(advisory_text(line))
    git(clone, "init", "--quiet")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "pinned")
    git(clone, "fetch", "--quiet", ".", "HEAD")


def reachable():
    try:
        command = ["git", "ls-remote", "--quiet", DATABASE, "HEAD"]
        environment = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
        return subprocess.run(command, capture_output=True, timeout=REACH_TIMEOUT_S, env=environment).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def check(*options):
    warnings = [option for lint in WARNINGS for option in ("--warn", lint)]
    command = ["cargo", "deny", "--locked", "--log-level", "error", *options, "check", *warnings, "advisories"]
    return subprocess.run(command, cwd=TOP).returncode


def main():
    if sys.argv[1:2] == ["pin"]:
        PINNED.write_text("".join(f"{line}\n" for line in pin(sys.argv[2])))
        return 0
    if reachable():
        return check()
    date, *lines = PINNED.read_text().splitlines()
    print(f"advisories: {DATABASE} cannot be reached; checked with the {len(lines)} advisories of {date}", flush=True)
    with tempfile.TemporaryDirectory() as directory:
        pinned_database(lines, directory)
        config = Path(directory, "deny.toml")
        config.write_text((TOP / "deny.toml").read_text() + f'\n[advisories]\ndb-path = "{directory}"\n')
        return check("--offline", "--config", str(config))


sys.exit(main())
