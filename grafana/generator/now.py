"""The Now dashboard: which agents should be here at this moment, and which are not."""

from grafana_foundation_sdk.builders import dashboard as build

from . import frame, panels
from .frame import TEAM, TENANT
from .panels import COUNT, RATIO, SECONDS, now, over_time, rows, thresholds

DESCRIPTION = (
    "Which agents are scheduled at this moment, which of them are present, and who is absent for how long. Agents off shift and on leave are "
    "in no list. Needs the rules of cxone-exporter in Prometheus."
)
RULES = "No data: are the rules loaded, and do agents have schedules?"

SCHEDULED = f"team:cxone_agents_scheduled:count{{{TEAM}}}"
PRESENT = f"team:cxone_agents_present:count{{{TEAM}}}"
ABSENT = f"max without (instance, pod) (cxone_agent_absent_seconds{{{TENANT}}} > 0)"
ABSENT_LIMIT = f"max without (instance, pod) (cxone_agent_absent_limit_seconds{{{TENANT}}})"
ABSENT_OVER_LIMIT = f"agent:cxone_absent_seconds:over_limit{{{TEAM}}}"
OFFLINE_OVER_LIMIT = f"agent:cxone_offline_seconds:over_limit{{{TEAM}}}"
OFFLINE_LIMIT = f"max without (instance, pod) (cxone_agent_offline_limit_seconds{{{TENANT}}})"


def dashboard():
    return (
        frame.dashboard("now", DESCRIPTION, "now-12h")
        .with_variable(frame.tenant())
        .with_variable(frame.team())
        .with_variable(frame.top())
        .with_panel(count("Scheduled", "Agents on shift now, without those on leave.", f"sum({SCHEDULED})"))
        .with_panel(count("Present", "Agents on shift now who are in no offline state.", f"sum({PRESENT})"))
        .with_panel(wrong("Absent", "Agents on shift who are offline without a break for longer than absent_limit.", ABSENT_OVER_LIMIT))
        .with_panel(wrong("Over the limit", "Agents on shift, or without a schedule, whose offline time of the last 24 hours is over "
                          "offline_limit.", OFFLINE_OVER_LIMIT))
        .with_panel(wrong("Unknown", "Agents of whom CXone reports nothing.", f"agent:cxone_agent_info:unknown{{{TEAM}}}"))
        .with_panel(age())
        .with_row(build.Row("Absent now"))
        .with_panel(absent())
        .with_panel(by_team())
        .with_row(build.Row("Over the day"))
        .with_panel(over_limit())
        .with_panel(over_the_day())
        .with_row(build.Row("Alerts"))
        .with_panel(alerts())
    )


def count(title, description, expr):
    return panels.stat(title, description, now(expr), COUNT, RULES)


def wrong(title, description, series):
    return panels.stat(title, description, now(f"count({series}) or vector(0)"), COUNT, "0", steps=thresholds("green", (1, "orange")))


def age():
    return panels.stat(
        "Age of the data", "Since the last refresh that succeeded in full; of several tenants or shards, the oldest.",
        now(f"max(time() - cxone_refresh_last_success_timestamp_seconds{{{TENANT}}})"), SECONDS, "Never refreshed",
    )


def absent():
    longest = f"topk($top, {panels.named(ABSENT)})"
    return panels.table(
        "Absent",
        "Agents on shift who are offline, for how long without a break, and how much of absent_limit that is. An id leads to the agent.",
        [rows(panels.scoped(longest)), rows(panels.scoped(f"{panels.named(f'{ABSENT} / ({ABSENT_LIMIT} > 0)')} and {longest}"), "B")],
        {
            **panels.person(),
            "Value #A": ("Absent", panels.measured(SECONDS, width=110)),
            "Value #B": ("Of the limit", panels.measured(RATIO, (None, "text"), (1, "red"), width=110)),
        },
        "Every agent on shift is present", width=14, sort="Absent",
    )


def by_team():
    fewest = f"topk($top, sum by (team) ({SCHEDULED}) > 0)"
    return panels.table(
        "By team", "Agents on shift now, those of them who are present, and those who are absent for longer than their limit.",
        [
            rows(fewest),
            rows(f"sum by (team) ({PRESENT}) and on (team) {fewest}", "B"),
            rows(f"count by (team) ({ABSENT_OVER_LIMIT}) and on (team) {fewest}", "C"),
        ],
        {
            "team": ("Team", []),
            "Value #A": ("Scheduled", panels.measured(COUNT, width=90)),
            "Value #B": ("Present", panels.measured(COUNT, width=90)),
            "Value #C": ("Absent", panels.measured(COUNT, (None, "red"), width=90)),
        },
        RULES, width=10, sort="Scheduled",
    )


def over_limit():
    longest = f"topk($top, {OFFLINE_OVER_LIMIT})"
    share = f"{OFFLINE_OVER_LIMIT} / ignoring (name, team) group_left () ({OFFLINE_LIMIT} > 0) and {longest}"
    return panels.table(
        "Offline over the limit",
        "Agents whose offline time of the last 24 hours is over their limit; with a schedule only scheduled time counts.",
        [rows(panels.scoped(longest)), rows(panels.scoped(share), "B")],
        {
            **panels.person(),
            "Value #A": ("Offline", panels.measured(SECONDS, width=110)),
            "Value #B": ("Of the limit", panels.measured(RATIO, (None, "red"), width=110)),
        },
        "No agent is over the limit", width=14, sort="Offline",
    )


def over_the_day():
    return panels.lines(
        "Scheduled and present", "Agents on shift, those of them who are present, and those who are absent for longer than their limit.",
        [
            over_time(f"sum({SCHEDULED})", "scheduled"),
            over_time(f"sum({PRESENT})", "present", "B"),
            over_time(f"count({ABSENT_OVER_LIMIT}) or vector(0)", "absent", "C"),
        ],
        COUNT, RULES, width=10, height=10,
    )


def alerts():
    firing = f'ALERTS{{alertname=~"CxoneAgent[^s].+", alertstate="firing", {TEAM}}}'
    return panels.table(
        "Alerts about agents", "Alerts that fire. An id leads to the agent.", [rows(panels.scoped(f"topk($top, {firing})"))],
        {"alertname": ("Alert", []), **panels.person(), "severity": ("Severity", []), "Value": ("Value", panels.hidden())},
        "None", width=24, height=8,
    )
