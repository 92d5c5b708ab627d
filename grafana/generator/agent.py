"""The Agent dashboard: one agent, reached from alerts, from the lists of the other dashboards, or by search."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import common

from . import frame, panels
from .panels import AGO, COUNT, RATIO, SECONDS, now, over_time, rows, thresholds

DESCRIPTION = (
    "One agent. The seconds by state are sums over the last 24 hours, at every point of a graph over the 24 hours before it. "
    "Needs the recording rules of cxone-exporter in Prometheus."
)
WINDOW = "Over the 24 hours before each point."
NONE = "Nothing known"

AGENT = frame.TENANT + ', agent="$agent"'
STATES = f"max by (state) (cxone_agent_state_seconds{{{AGENT}}})"
CURRENT = f"max by (state) (cxone_agent_current_state_seconds{{{AGENT}}})"
OBSERVED = f"max(cxone_agent_observed_seconds{{{AGENT}}})"
OFFLINE = f"max(agent:cxone_offline_seconds:sum{{{AGENT}}})"
LIMIT = f"max(cxone_agent_offline_limit_seconds{{{AGENT}}})"
SCHEDULED = f"max(cxone_agent_scheduled_seconds{{{AGENT}}})"
SCHEDULED_OFFLINE = f"max(cxone_agent_scheduled_offline_seconds{{{AGENT}}})"
WINDOW_SECONDS = (
    f"max(cxone_window_end_timestamp_seconds{{{frame.TENANT}}} - cxone_window_start_timestamp_seconds{{{frame.TENANT}}})"
)
ABSENT = f"max(cxone_agent_absent_seconds{{{AGENT}}})"
ABSENT_LIMIT = f"max(cxone_agent_absent_limit_seconds{{{AGENT}}})"
LIMITED = f"max(cxone_agent_limited_offline_seconds{{{AGENT}}})"


def dashboard():
    return (
        frame.dashboard("agent", DESCRIPTION, "now-24h")
        .with_variable(frame.tenant())
        .with_variable(frame.team())
        .with_variable(frame.agent())
        .with_panel(who())
        .with_panel(current())
        .with_panel(newest())
        .with_panel(offline())
        .with_panel(of_limit())
        .with_row(build.Row("States"))
        .with_panel(timeline())
        .with_panel(by_state())
        .with_panel(by_state_over_time())
        .with_row(build.Row("Offline and schedule"))
        .with_panel(absence())
        .with_panel(against_limit())
        .with_panel(schedule())
        .with_panel(adherence())
        .with_panel(observed())
        .with_panel(alerts())
    )


# === at a glance ===


def who():
    return panels.table(
        "Agent", "Name and team as the exporter's configuration has them.",
        [rows(f"agent:cxone_agent_info:one{{{AGENT}}}")],
        {
            "name": ("Name", []), "agent": ("Agent", []), "team": ("Team", []), "tenant": ("Tenant", []),
            "Value": ("Value", panels.hidden()),
        },
        "No such agent", width=8, height=4,
    )


def current():
    panel = panels.stat(
        "Now",
        "The newest state and for how long without a break, up to the newest data. At the grain of the interval this is a lower bound.",
        now(CURRENT, "{{state}}"), SECONDS, "Several states, or nothing known", text_mode=common.BigValueTextMode.VALUE_AND_NAME,
    )
    return panels.states(panel)


def newest():
    return panels.stat(
        "Newest data", "When the newest data of this agent ends.",
        now(f"max(cxone_agent_last_data_timestamp_seconds{{{AGENT}}}) * 1000"), AGO, NONE,
    )


def offline():
    return panels.stat("Offline", "Offline time of the last 24 hours.", now(OFFLINE), SECONDS, NONE)


def of_limit():
    return panels.stat(
        "Of the limit", "Offline time of the last 24 hours as a part of the agent's limit; with a schedule, scheduled time only.",
        now(f"{LIMITED} / ({LIMIT} > 0)"), RATIO, "No limit", steps=thresholds("green", (0.8, "orange"), (1, "red")),
    )


# === states ===


def timeline():
    panel = panels.timeline(
        "State timeline",
        "The current state as it was seen at each scrape. A gap: the newest bucket held several states, or there was no data.",
        over_time(f"sgn({CURRENT} + 1)", "{{state}}"), "No state seen in this time",
    )
    return panels.states(panel)


def by_state():
    panel = panels.bars(
        "Last 24 hours by state", "Seconds in each state within the window of the last refresh.",
        now(f"sort_desc({STATES})", "{{state}}"), SECONDS, NONE, width=8,
    )
    return panels.states(panel)


def by_state_over_time():
    missing = f"clamp_min({WINDOW_SECONDS} - {OBSERVED}, 0)"
    panel = panels.lines(
        "By state over time", f"Seconds in each state; with the part that no state accounts for they make the window. {WINDOW}",
        [over_time(STATES, "{{state}}"), over_time(missing, "not accounted for", "B")], SECONDS, NONE, width=16, stacked=True,
    )
    return panels.states(panel)


# === offline and schedule ===


def absence():
    panel = panels.lines(
        "Absence", "For how long the agent has been offline on shift without a break, and the limit of that. 0 off shift and on leave.",
        [over_time(ABSENT, "absent"), over_time(ABSENT_LIMIT, "limit", "B")], SECONDS, "No schedule", width=24, height=6,
    )
    return _with_limit(panel)


def _with_limit(panel):
    return panel.override_by_name(
        "limit", [panels.setting("color", {"mode": "fixed", "fixedColor": "red"}),
                  panels.setting("custom.lineStyle", {"fill": "dash", "dash": [10, 10]})]
    )


def against_limit():
    panel = panels.lines(
        "Offline against the limit", f"Offline time, with a schedule scheduled time only, and the agent's limit. {WINDOW}",
        [over_time(LIMITED, "offline"), over_time(LIMIT, "limit", "B")], SECONDS, NONE,
    )
    return _with_limit(panel)


def schedule():
    return panels.lines(
        "Schedule", f"Time of the window within the agent's schedule, and the offline part of it. {WINDOW}",
        [over_time(SCHEDULED, "scheduled"), over_time(SCHEDULED_OFFLINE, "offline on shift", "B")], SECONDS, "No schedule",
    )


def adherence():
    return panels.stat(
        "On-shift adherence", "The part of the scheduled time of the last 24 hours that was not offline.",
        now(f"1 - {SCHEDULED_OFFLINE} / ({SCHEDULED} > 0)"), RATIO, "No schedule, or a day off", width=6, height=6,
        steps=thresholds("red", (0.75, "orange"), (0.9, "green")),
    )


def observed():
    return panels.stat(
        "Accounted for", "The part of the window that any state accounts for.",
        now(f"{OBSERVED} / {WINDOW_SECONDS}"), RATIO, NONE, width=6, height=6,
        steps=thresholds("orange", (0.5, "yellow"), (0.9, "green")),
    )


def alerts():
    return panels.table(
        "Alerts", "Alerts about this agent that are pending or fire.",
        [rows(f'ALERTS{{alertname=~"CxoneAgent[^s].+", {AGENT}}}')],
        {"alertname": ("Alert", []), "alertstate": ("State", []), "severity": ("Severity", []), "Value": ("Value", panels.hidden())},
        "None", width=12, height=6, unit=COUNT,
    )
