"""Prints deploy/config/cxone-exporter.yml with every commented key in use, once it is sure that none is missing in it or in the
example of the official API.

Keys are those of docs/configuration.md, which the exporter's own tests compare with the exporter. The argument is the path to print
for client_secret_file. `agents_file` and `leave_file` stay out, as they name files, and of the alternatives (`base_url`,
`client_secret`, a key for pseudonyms) the file uses the first.
"""

import re
import sys
from pathlib import Path

import yaml

TOP_DIRECTORY = Path(__file__).resolve().parents[2]
FILE = TOP_DIRECTORY / "deploy/config/cxone-exporter.yml"
OFFICIAL = TOP_DIRECTORY / "deploy/config/cxone-exporter-official.yml"
ROW = re.compile(r"^\| `(?P<path>[a-z_.*\[\]]+)` \|[^|]*\| (?P<meaning>.*) \|$", re.MULTILINE)
OPTION = re.compile(r"^(?P<indent> *)# (?P<rest>(?P<key>[a-z_]+):.*|  [A-Za-z]+: .*)$")
LEFT_OUT = {"base_url", "client_secret", "agents_file", "leave_file", "agent_label_key", "agent_label_key_file"}
KEYS = {row["path"]: row["meaning"] for row in ROW.finditer((TOP_DIRECTORY / "docs/configuration.md").read_text())}


def below(path, official):
    """The keys of docs/configuration.md directly below a path: those of the official API alone, or the others."""
    found = {key.removeprefix(path): meaning for key, meaning in KEYS.items() if key.startswith(path)}
    return {key for key, meaning in found.items() if re.fullmatch("[a-z_]+", key) and meaning.startswith("Official API") == official}


# The official example has the filter, and the key that it needs.
TENANT = below("tenants[].", False) - {"agent_filter"}
AGENT = below("tenants[].agents[].", False)
TOP = below("", False)


def in_use(text):
    for line in text.splitlines():
        match = OPTION.match(line)
        # A sentence with a colon is prose: an option's value follows its key in the same line, or is a map below it.
        if match and match["key"] in LEFT_OUT:
            continue
        if match and (match["key"] in TENANT | AGENT | TOP or match["key"] is None):
            yield f"{match['indent']}{match['rest']}"
        else:
            yield line


def main():
    text = FILE.read_text()
    lines = "\n".join(in_use(text))
    config = yaml.safe_load(lines)
    tenant = config["tenants"][0]
    commented = {key for key in LEFT_OUT if re.search(rf"^ +# {key}:", text, re.MULTILINE)}
    for name, wanted, found in (
        ("file", TOP, config.keys()),
        ("tenant", TENANT, tenant.keys() | commented),
        ("agent", AGENT, tenant["agents"][0].keys()),
    ):
        if wanted != set(found):
            sys.exit(f"{FILE.name}: {name}: missing or unknown keys: {sorted(wanted ^ set(found))}")
    official = OFFICIAL.read_text()
    for key in below("tenants[].", True) | below("tenants[].agent_filter.", False):
        # The secret itself is the alternative to its file.
        if key != "access_key_secret" and not re.search(rf"^ +(# )?{key}:", official, re.MULTILINE):
            sys.exit(f"{OFFICIAL.name}: {key} is missing")
    print(lines.replace(tenant["client_secret_file"], sys.argv[1]))


main()
