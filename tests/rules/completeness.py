#!/usr/bin/env python3
"""Checks that every alert is tested and complete.

Each alert needs a test in which it fires and, in the same file, one in which it does not and one in which it no longer does; a severity, a summary, a description and a runbook_url whose anchor is a heading of deploy/prometheus/README.md. Each recording rule
has to be used by an alert, another rule, a dashboard or a test.
"""

import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy" / "prometheus"
SEVERITIES = {"critical", "warning", "info"}
AGENT_ALERT = re.compile(r"CxoneAgent(?!s)")


def load_rules():
    alerts, records = {}, {}
    for path in sorted(RULES.glob("*.rules.yml")) + sorted(RULES.glob("*.alerts.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    alerts[rule["alert"]] = rule
                else:
                    records[rule["record"]] = rule
    return alerts, records


def seconds(time):
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[unit] for n, unit in re.findall(r"(\d+)([hms])", time))


def cases_of(alerts):
    """By alert: whether some test sees it fire, not fire, and not fire after it has fired."""
    seen = {name: set() for name in alerts}
    for path in sorted(pathlib.Path(__file__).parent.glob("*.test.yml")):
        for test in yaml.safe_load(path.read_text())["tests"]:
            fired_at = {}
            cases = sorted(test.get("alert_rule_test", []), key=lambda case: seconds(case["eval_time"]))
            for case in cases:
                name = case["alertname"]
                if name not in seen:
                    yield f"{path.name} tests {name}, which no rule defines"
                    continue
                if case["exp_alerts"]:
                    seen[name].add("firing")
                    fired_at[name] = True
                else:
                    seen[name].add("resolving" if name in fired_at else "not firing")
    for name, kinds in seen.items():
        for kind in ("firing", "not firing", "resolving"):
            if kind not in kinds:
                yield f"{name} has no test of it {kind}"


def parts_of(alerts):
    headings = re.findall(r"^## (.+)$", (RULES / "README.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for name, rule in alerts.items():
        labels, annotations = rule.get("labels", {}), rule.get("annotations", {})
        if labels.get("severity") not in SEVERITIES:
            yield f"{name} has no severity of {sorted(SEVERITIES)}"
        for part in ("summary", "description", "runbook_url"):
            if not annotations.get(part):
                yield f"{name} has no {part}"
        if annotations.get("runbook_url", "").partition("#")[2] not in anchors:
            yield f"{name}: README.md has no section for its runbook_url"
        if AGENT_ALERT.match(name):
            if "keep_firing_for" in rule or "agent:cxone_agent_info:fresh" not in rule["expr"]:
                yield f"{name} goes on although fresh data says otherwise"


def labels_of(rules):
    """A label of the target has to outlive every rule, and a job may have any name."""
    for name, rule in rules.items():
        if re.search(r"\bby \(|\bon \((?!\))|\bjob\b", rule["expr"]):
            yield f"{name} names the labels that it keeps; use `without` and `ignoring`"


def uses_of(records):
    texts = [path.read_text() for path in RULES.glob("*.yml")]
    texts += [path.read_text() for path in (ROOT / "grafana" / "dashboards").glob("*.json")]
    texts += [path.read_text() for path in pathlib.Path(__file__).parent.glob("*.test.yml")]
    runbook = (RULES / "README.md").read_text()
    for name in records:
        if sum(text.count(name) for text in texts) < 2:
            yield f"{name} is recorded and used nowhere"
        if name.rpartition(":")[0] not in runbook:
            yield f"{name} is missing from the table in README.md"


def main():
    alerts, records = load_rules()
    faults = [*cases_of(alerts), *parts_of(alerts), *labels_of(alerts | records), *uses_of(records)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(alerts)} alerts: each fires, does not fire and resolves in a test; {len(records)} recording rules: each used")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
