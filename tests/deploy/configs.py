"""Prints deploy/config/cxone-exporter.yml with every commented key in use, once it is sure that none is missing.

The argument is the path to print for client_secret_file. `agents_file` and `leave_file` stay out, as they name files, and of
the alternatives (`base_url`, `client_secret`) the file uses the first.
"""

import re
import sys
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parents[2] / "deploy/config/cxone-exporter.yml"
OPTION = re.compile(r"^(?P<indent> *)# (?P<rest>(?P<key>[a-z_]+):.*|  [A-Za-z]+: .*)$")
LEFT_OUT = {"base_url", "client_secret", "agents_file", "leave_file"}
TENANT = {
    "name", "api", "domain", "base_url", "client_id", "client_secret_file", "client_secret", "window", "interval",
    "states", "cooldown", "max_staleness", "request_timeout", "refresh_timeout", "agents_per_request",
    "max_concurrent_requests", "max_requests_per_minute", "offline_states", "state_map", "offline_limit", "absent_limit", "teams",
    "agents", "agents_file", "leave_file",
}
AGENT = {"id", "name", "team", "offline_limit", "schedule", "leave"}
TOP = {"tenants", "schedules"}


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
    print(lines.replace(tenant["client_secret_file"], sys.argv[1]))


main()
