#!/usr/bin/env python3
"""Runs every query of every dashboard, and every rule, on a real Prometheus: queries.py http://HOST:PORT.

Fails with a list of the queries that are wrong or bring no data. Each dashboard is tried with All chosen in every variable that has
it, where data is demanded, and with one value each, where a query may find nothing (a team without a schedule) but not fail.
Every variable has to have a value, and every loaded rule has to be in good health.
"""

import argparse
import json
import math
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

DASHBOARDS = pathlib.Path(__file__).resolve().parents[2] / "grafana" / "dashboards"
POINTS = 60
# A panel with more is not readable: a list over agents or teams has to be cut by $top, of which the first choice is 10.
MOST_SERIES = 50

# What may be empty while all is well, by dashboard and panel (all its queries) or variable, with the reason.
MAY_BE_EMPTY = {
    ("fleet", "Nothing known"): "something is known of every agent",
    ("agent", "Alerts"): "no alert about the agent is pending",
    ("now", "$tenant"): "a single tenant has no label `tenant`",
    ("fleet", "$tenant"): "a single tenant has no label `tenant`",
    ("agent", "$tenant"): "a single tenant has no label `tenant`",
    ("history", "$tenant"): "a single tenant has no label `tenant`",
    ("exporter", "Budget"): "no budget is configured",
    ("exporter", "Last errors"): "no refresh has failed",
    ("exporter", "$tenant"): "a single tenant has no label `tenant`",
}
RULES_MAY_BE_EMPTY = {
    "shard:cxone_refresh_last_error:info": "no refresh has failed",
    "agent:cxone_agent_info:unknown": "something is known of every agent",
}
# An agent with all data, so that every panel of the Agent dashboard has data.
BEST_AGENT = (
    "topk(1, cxone_agent_scheduled_seconds > 0 and on (tenant, agent) cxone_agent_current_state_seconds"
    " and on (tenant, agent) cxone_agent_offline_limit_seconds)"
)


class Prometheus:
    """The HTTP API, as far as the dashboards use it."""

    def __init__(self, base):
        self.base = base.rstrip("/")

    def get(self, path, **parameters):
        """The `data` of an answer. Raises ValueError with the server's error message."""
        url = f"{self.base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            body = error.read().decode(errors="replace")
            raise ValueError(json.loads(body)["error"] if body.startswith("{") else body) from error

    def instant(self, expr):
        return self.get("query", query=expr)["result"]

    def values(self, result):
        """The samples that are numbers."""
        if result and not isinstance(result[0], dict):
            return [result[1]]
        samples = [sample for series in result for sample in series.get("values") or [series["value"]]]
        return [value for _, value in samples if not math.isnan(float(value))]


# === variables ===


def options_of(variable, prometheus, chosen):
    """The values that a variable offers."""
    if variable["type"] == "datasource":
        return ["prometheus"]
    if variable["type"] == "custom":
        return variable["query"].split(",")
    query = substitute(variable["query"]["query"], chosen)
    if match := re.fullmatch(r"label_values\((.*), *(\w+)\)", query):
        return [value for value in prometheus.get(f"label/{match[2]}/values", **{"match[]": match[1]}) if value]
    match = re.fullmatch(r"query_result\((.*)\)", query)
    if not match:
        raise ValueError(f"not understood: {query}")
    # As Grafana shows a series to the variable's regex, which is JavaScript's.
    pattern = re.compile(variable["regex"].strip("/").replace("(?<", "(?P<"))
    shown = []
    for series in prometheus.instant(match[1]):
        labels = ",".join(f'{name}="{value}"' for name, value in series["metric"].items())
        found = pattern.search(f"{{{labels}}} {series['value'][1]}")
        if not found:
            raise ValueError(f"the variable's regex does not fit {labels}")
        assert "shown" not in series["metric"] or found["text"] == series["metric"]["shown"], found["text"]
        shown.append(found["value"])
    return shown


def choices(name, dashboard, prometheus, pick):
    """A value for each variable: All where there is All and `pick` is false, else the first."""
    chosen, faults = {}, []
    for variable in dashboard["templating"]["list"]:
        offered = options_of(variable, prometheus, chosen)
        if not offered and (name, f"${variable['name']}") not in MAY_BE_EMPTY:
            faults.append(f"{name}: variable {variable['name']} offers nothing")
        if variable["name"] == "agent":
            best = [series["metric"]["agent"] for series in prometheus.instant(BEST_AGENT)]
            offered = [agent for agent in best if agent in offered] + offered
        if variable.get("includeAll") and (not pick or not offered):
            chosen[variable["name"]] = variable["allValue"]
        else:
            # The hardest to quote comes first.
            offered = sorted(offered, key=lambda value: '"' not in value) if variable["name"] == "team" else offered
            chosen[variable["name"]] = offered[0] if offered else ""
    return chosen, faults


def substitute(text, values):
    """Puts the values in place of $name, ${name} and ${name:format}, as Grafana does: only the format regex escapes, and not All."""
    def value(match):
        name = match[1] or match[3]
        found = values.get(name, match[0])
        return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", found) if match[2] == "regex" and found != ".*" else found

    return re.sub(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)", value, text)


# === dashboards ===


def least_step(panel, scrape_interval):
    """The shortest step of a panel. The test's time is as much faster as the scrapes, of which the usual interval is a minute."""
    number, unit = re.fullmatch(r"(\d+)([smhd])", panel.get("interval") or "0s").groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit] * scrape_interval / 60


def rows_of(panel, result):
    """What a panel shows of a result: its series, or the rows of a matrix."""
    by = [change["options"]["rowField"] for change in panel.get("transformations", []) if change["id"] == "groupingToMatrix"]
    return len({series["metric"].get(by[0]) for series in result}) if by else len(result)


def run_dashboard(name, dashboard, prometheus, arguments, pick):
    """Runs every query once; returns how many ran, and the faults."""
    chosen, faults = choices(name, dashboard, prometheus, pick)
    end = time.time()
    ran = 0
    for panel in dashboard["panels"]:
        step = math.ceil(max(arguments.range / panel.get("maxDataPoints", POINTS), least_step(panel, arguments.scrape_interval), 1))
        # As Grafana, from a multiple of the step on.
        start = end - arguments.range // step * step
        chosen |= {
            "__range": f"{arguments.range}s",
            "__interval": f"{step}s",
            "__interval_ms": str(step * 1000),
            "__rate_interval": f"{math.ceil(max(step + arguments.scrape_interval, 4 * arguments.scrape_interval))}s",
        }
        for target in panel.get("targets", []):
            expr = substitute(target["expr"], chosen)
            where = f"{name}: {panel['title']} ({target['refId']}): {expr}"
            ran += 1
            if "$" in re.sub(r'"0?\$1"', "", expr):
                faults.append(f"{where}: a variable is left over")
            try:
                if target["range"]:
                    result = prometheus.get("query_range", query=expr, start=start, end=end, step=step)["result"]
                else:
                    result = prometheus.instant(expr)
            except ValueError as error:
                faults.append(f"{where}: {error}")
                continue
            values = prometheus.values(result)
            if arguments.verbose:
                print(f"{where}\n    {len(result)} series, {len(values)} values, last {values[-1] if values else '-'}")
            shown = rows_of(panel, result)
            if shown > MOST_SERIES:
                faults.append(f"{where}: {shown} series, more than {MOST_SERIES} cannot be read")
            if not values and not pick and (name, panel["title"]) not in MAY_BE_EMPTY:
                faults.append(f"{where}: no data")
    return ran, faults


# === rules ===


def run_rules(prometheus):
    """Runs the expression of every loaded rule; returns how many ran, and the faults."""
    ran, faults = {"alerting": 0, "recording": 0}, []
    for group in prometheus.get("rules")["groups"]:
        for rule in group["rules"]:
            name = rule["name"]
            ran[rule["type"]] += 1
            if rule["health"] != "ok":
                faults.append(f"rule {name}: {rule['health']} {rule.get('lastError', '')}")
            try:
                values = prometheus.values(prometheus.instant(rule["query"]))
            except ValueError as error:
                faults.append(f"rule {name}: {error}")
                continue
            if rule["type"] == "recording" and not values and name not in RULES_MAY_BE_EMPTY:
                faults.append(f"rule {name}: no data")
    for kind, count in ran.items():
        if not count:
            faults.append(f"no {kind} rule is loaded")
    return ran, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prometheus", help="base URL")
    parser.add_argument("--range", type=int, default=3600, help="seconds of a range query and of $__range (3600)")
    parser.add_argument("--scrape-interval", type=float, default=60, help="seconds, for $__rate_interval (60)")
    parser.add_argument("--verbose", action="store_true", help="show every query and what it brought")
    arguments = parser.parse_args()
    prometheus = Prometheus(arguments.prometheus)

    queries, faults = 0, []
    paths = sorted(DASHBOARDS.glob("*.json"))
    for path in paths:
        dashboard = json.loads(path.read_text())
        for pick in (False, True):
            ran, found = run_dashboard(path.stem, dashboard, prometheus, arguments, pick)
            faults += found
        queries += ran
    rules, found = run_rules(prometheus)
    faults += found

    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        return 1
    print(
        f"{len(paths)} dashboards: {queries} queries run without an error, all have data; "
        f"{rules['alerting']} alerts and {rules['recording']} recording rules evaluated"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
