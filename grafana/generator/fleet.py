"""The Fleet dashboard: all agents at a glance, and lists that link to single agents."""

from grafana_foundation_sdk.builders import dashboard as build

from . import frame, panels
from .frame import TEAM, TENANT
from .panels import COUNT, RATIO, SECONDS, now, over_time, rows, thresholds

DESCRIPTION = (
    "How long the agents spent in each presence state. The figures of agents are sums over the last 24 hours, at every point of a "
    "graph over the 24 hours before it. Needs the recording rules of cxone-exporter in Prometheus."
)
WINDOW = "Over the 24 hours before each point, whatever the time range."
RULES = "No data: are the recording rules loaded?"

# What offline_limit limits, of agents who are neither off shift nor on leave.
OFFLINE = (
    f"max without (instance, pod) ((cxone_agent_scheduled_offline_seconds{{{TENANT}}} or instance_agent:cxone_offline_seconds:sum{{{TENANT}}})"
    f" unless cxone_agent_on_shift{{{TENANT}}} == 0)"
)
LIMIT = f"max without (instance, pod) (cxone_agent_offline_limit_seconds{{{TENANT}}})"
ON_SHIFT = f"agent:cxone_scheduled_offline:ratio{{{TENANT}}}"


def dashboard():
    return (
        frame.dashboard("fleet", DESCRIPTION, "now-24h")
        .with_variable(frame.tenant())
        .with_variable(frame.team())
        .with_variable(frame.top())
        .with_panel(agents())
        .with_panel(over_limit())
        .with_panel(adherence())
        .with_panel(alerts())
        .with_panel(fresh())
        .with_panel(age())
        .with_row(build.Row("States"))
        .with_panel(share())
        .with_panel(current_over_time())
        .with_panel(current())
        .with_row(build.Row("Offline"))
        .with_panel(most_offline())
        .with_panel(offline_by_team())
        .with_row(build.Row("On shift"))
        .with_panel(least_adherent())
        .with_panel(adherence_by_team())
        .with_row(build.Row("Coverage"))
        .with_panel(coverage())
        .with_panel(unknown())
    )


# === at a glance ===


def agents():
    return panels.stat(
        "Agents", "Configured agents of the chosen teams.", now(f"sum(team:cxone_agents:count{{{TEAM}}})"), COUNT, RULES
    )


def over_limit():
    expr = f"count(agent:cxone_offline_seconds:over_limit{{{TEAM}}}) or vector(0)"
    return panels.stat(
        "Over the limit",
        "Agents whose offline time of the last 24 hours is over their limit; with a schedule only scheduled time counts. Agents without a "
        "limit, off shift or on leave do not count.",
        now(expr), COUNT, "0", steps=thresholds("green", (1, "orange")),
    )


def adherence():
    expr = (
        f"1 - sum(team:cxone_scheduled_offline_seconds:sum{{{TEAM}}}) / (sum(team:cxone_scheduled_seconds:sum{{{TEAM}}}) > 0)"
    )
    return panels.stat(
        "On-shift adherence",
        "The part of the scheduled time of the last 24 hours that was not offline.",
        now(expr), RATIO, "No schedules", steps=thresholds("red", (0.75, "orange"), (0.9, "green")),
    )


def alerts():
    return panels.stat(
        "Alerts firing",
        "Alerts of cxone-exporter that fire now, of the chosen tenant and of all its teams.",
        now(f'count(ALERTS{{alertname=~"Cxone.+", alertstate="firing", {TENANT}}}) or vector(0)'),
        COUNT, "0", steps=thresholds("green", (1, "orange")),
    )


def fresh():
    return panels.stat(
        "Agents read",
        "The part of the configured agents that has data of the last refresh; of several tenants, the least. All teams.",
        now(f"min(tenant:cxone_agents_fresh:ratio{{{TENANT}}})"),
        RATIO, RULES, steps=thresholds("red", (0.9, "orange"), (1, "green")),
    )


def age():
    return panels.stat(
        "Age of the data",
        "Since the last refresh that succeeded in full; of several tenants or shards, the oldest. Past two cooldowns and 500 s, 10 minutes by default, no alert about an agent begins.",
        now(f"max(time() - cxone_refresh_last_success_timestamp_seconds{{{TENANT}}})"),
        SECONDS, "Never refreshed", steps=thresholds("green", (300, "orange"), (600, "red")),
    )


# === states ===


def share():
    of_state = f"sum by (state) (team_state:cxone_agent_state_seconds:sum{{{TEAM}}})"
    panel = panels.lines(
        "Share of each state",
        f"Each state's share in the time that is accounted for. {WINDOW}",
        [over_time(f"{of_state} / scalar(sum(team_state:cxone_agent_state_seconds:sum{{{TEAM}}}))", "{{state}}")],
        RATIO, RULES, width=10, stacked=True,
    )
    return panels.states(panel.max(1))


def current_over_time():
    panel = panels.lines(
        "Agents by current state",
        "Agents whose newest data is in the state. An agent whose newest bucket holds several states is in none of them.",
        [over_time(f"sum by (state) (team_state:cxone_agents_current:count{{{TEAM}}})", "{{state}}")],
        COUNT, RULES, width=9, stacked=True,
    )
    return panels.states(panel)


def current():
    panel = panels.bars(
        "Agents now by state",
        "Agents whose newest data is in the state.",
        now(f"sort_desc(sum by (state) (team_state:cxone_agents_current:count{{{TEAM}}}))", "{{state}}"),
        COUNT, RULES, width=5,
    )
    return panels.states(panel)


# === offline ===


def most_offline():
    longest = f"topk($top, {panels.named(OFFLINE)})"
    share_of_limit = f"{panels.named(f'{OFFLINE} / ({LIMIT} > 0)')} and {longest}"
    return panels.table(
        "Most offline",
        "The agents with the longest offline time in the last 24 hours, with a schedule of scheduled time only, and how much of their limit that "
        "is. Agents off shift and on leave are left out. An id leads to the agent.",
        [rows(panels.scoped(longest)), rows(panels.scoped(share_of_limit), "B")],
        {
            **panels.person(),
            "Value #A": ("Offline", panels.measured(SECONDS, width=120)),
            "Value #B": ("Of the limit", panels.measured(RATIO, (None, "green"), (0.8, "orange"), (1, "red"), width=120)),
        },
        RULES, width=14, sort="Offline",
    )


def offline_by_team():
    largest = f"topk($top, sum by (team) (max_over_time(team:cxone_offline_seconds:sum{{{TEAM}}}[$__range] @ end())))"
    average = f"sum by (team) (team:cxone_offline_seconds:sum{{{TEAM}}}) / sum by (team) (team:cxone_agents:count{{{TEAM}}})"
    return panels.lines(
        "Offline by team",
        f"Average offline time of a team's agents, of the teams with the most of it. {WINDOW} A series without a name: agents without a team.",
        [over_time(f"({average}) and on (team) {largest}", "{{team}}")],
        SECONDS, RULES, width=10, height=10,
    )


# === on shift ===


def least_adherent():
    return panels.table(
        "Most offline on shift",
        "The agents with the largest offline part of their scheduled time in the last 24 hours. An id leads to the agent.",
        [rows(panels.scoped(f"topk($top, {panels.named(ON_SHIFT)})"))],
        {**panels.person(), "Value": ("Offline on shift", panels.measured(RATIO, (None, "green"), (0.1, "orange"), (0.25, "red"), width=140))},
        "No schedules", width=14, sort="Offline on shift",
    )


def adherence_by_team():
    offline = f"sum by (team) (team:cxone_scheduled_offline_seconds:sum{{{TEAM}}})"
    scheduled = f"(sum by (team) (team:cxone_scheduled_seconds:sum{{{TEAM}}}) > 0)"
    return panels.bars(
        "Adherence by team",
        "The part of the scheduled time of the last 24 hours that was not offline, the lowest first.",
        now(f"sort(bottomk($top, 1 - {offline} / {scheduled}))", "{{team}}"),
        RATIO, "No schedules", width=10, height=10, maximum=1, steps=thresholds("red", (0.75, "orange"), (0.9, "green")),
    )


# === coverage ===


def coverage():
    return panels.lines(
        "Coverage",
        "Accounted for: the part of agents × window that any state accounts for. Read: the part of the agents with data of the last "
        "refresh. The tenants with the least, all teams.",
        [
            over_time(f"bottomk($top, tenant:cxone_observed:ratio{{{TENANT}}})", "accounted for {{tenant}}"),
            over_time(f"bottomk($top, tenant:cxone_agents_fresh:ratio{{{TENANT}}})", "read {{tenant}}", "B"),
        ],
        RATIO, RULES, width=14,
    ).max(1)


def unknown():
    observed = f"max without (instance, pod) (cxone_agent_observed_seconds{{{TENANT}}}) > 0"
    expr = f"topk($top, agent:cxone_agent_info:one{{{TEAM}}} unless ignoring (name, team) {observed})"
    return panels.table(
        "Nothing known",
        "Configured agents without any presence in the last 24 hours: not logged in, or a wrong id. At most as many as there are rows.",
        [rows(panels.scoped(expr))],
        {**panels.person(), "Value": ("Value", panels.hidden())},
        "Something is known of every agent", width=10, height=9,
    )
