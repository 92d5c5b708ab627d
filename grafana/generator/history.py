"""The History dashboard: any range of time by state, of teams and of one agent.

Teams are drawn from recorded series, which are few and cover replicas, shards and restarts, so that a month takes no longer than a day.
"""

from grafana_foundation_sdk.builders import dashboard as build

from . import frame, panels
from .frame import TEAM, TENANT
from .panels import COUNT, RATIO, SECONDS, now, over_time, rows, thresholds

DESCRIPTION = (
    "What teams and one agent did over any range: days, weeks, months. Needs the recording rules of cxone-exporter in Prometheus, and "
    "`counters`, the default. The panels of teams need no series of agents."
)
RULES = "No data: are the recording rules loaded, and does the exporter keep counters?"
NO_AGENT = "Nothing known, or the exporter shows no single agents"

# The rates are of 15 minutes, so a finer step shows nothing more.
STEP = "15m"
DAY = "1d"
# Points of a query over the whole range: with steps of 15 minutes, a year.
MOST_POINTS = 35_040

AVERAGE = "team_state:cxone_team_state_time_seconds:rate15m"
STEPS = f"avg_over_time({AVERAGE}"
STATE = "state=~`${state:regex}`"
AGENT = f'{TENANT}, agent="$agent"'
# The teams with the most agents, as a page of thousands of rows is of no use.
LARGEST = f"topk($top, sum by (team) (avg_over_time(team:cxone_agents:count{{{TEAM}}}[$__range])))"
# The average of a step of 15-minute rates is centred 15 minutes before its end.
HOUR = 'label_replace(count_values("hour", hour(vector(time() - 900 + 3600 * $offset))), "hour", "0$1", "hour", "(.)")'


def dashboard():
    return (
        frame.dashboard("history", DESCRIPTION, "now-7d")
        .with_variable(frame.tenant())
        .with_variable(frame.team())
        .with_variable(frame.state())
        .with_variable(frame.offset())
        .with_variable(frame.top())
        .with_variable(frame.agent())
        .with_row(build.Row("Teams"))
        .with_panel(time_by_state())
        .with_panel(team_by_state())
        .with_panel(team_by_hour())
        .with_row(build.Row("On shift"))
        .with_panel(adherence())
        .with_panel(adherence_by_team())
        .with_row(build.Row("One agent"))
        .with_panel(agent_by_day())
        .with_panel(agent_over_time())
    )


# === teams ===


def time_by_state():
    panel = panels.lines(
        "Agents by state",
        "The average number of agents of the chosen teams in each state. Its area is the time in the state.",
        [over_time(f"sum by (state) (avg_over_time({AVERAGE}{{{TEAM}}}[$__interval]))", "{{state}}")],
        COUNT, RULES, width=24, stacked=True,
    )
    return panels.states(panel.interval(STEP))


def team_by_state():
    # By steps, so that a step without data is no time. Each step has all its samples, which is also faster than one of each.
    time = f"sum by (team, state) (sum_over_time({STEPS}{{{TEAM}}}[$__interval])[$__range:$__interval])) * $__interval_ms / 1000"
    return _matrix(
        "Time by team and state",
        "The time of the team's agents in each state over the range. A team leads to Fleet.",
        f"({time}) and on (team) {LARGEST}", "state", SECONDS,
    )


def team_by_hour():
    agents = f"sum by (team) ({STEPS}{{{TEAM}, {STATE}}}[$__interval]))"
    by_hour = f"avg_over_time(({agents} * on () group_left (hour) {HOUR})[$__range:$__interval])"
    return _matrix(
        "Team by hour of the day",
        "The average number of the team's agents in the chosen states at each hour of the day, over all days of the range. Hours are of "
        "UTC and the chosen offset.",
        f"({by_hour}) and on (team) {LARGEST}", "hour", COUNT,
    )


def _matrix(title, description, expr, column, unit):
    named = f'label_replace({expr}, "team", "(no team)", "team", "")'
    panel = panels.matrix(title, description, rows(named), "team", column, unit, RULES)
    return panel.interval(STEP).max_data_points(MOST_POINTS)


# === on shift ===

SCHEDULED = f"team:cxone_scheduled_seconds:sum{{{TEAM}}}"
OFFLINE = f"team:cxone_scheduled_offline_seconds:sum{{{TEAM}}}"
OF_THE_DAY = "A point is about the window before it, which is the day before with a window of 24 hours and days that begin at midnight."
ADHERENCE_STEPS = ((0.75, "orange"), (0.9, "green"))


def adherence():
    return panels.lines(
        "Adherence by day",
        f"The part of the scheduled time of the chosen teams that was not offline. {OF_THE_DAY}",
        [over_time(f"1 - sum({OFFLINE}) / (sum({SCHEDULED}) > 0)", "adherence")],
        RATIO, "No schedules", width=10, drawn_as_bars=True, steps=thresholds("red", *ADHERENCE_STEPS),
    ).max(1).interval(DAY)


def adherence_by_team():
    lowest = f"bottomk($top, avg_over_time(team:cxone_adherence:ratio{{{TEAM}}}[$__range] @ end()))"
    return panels.lines(
        "Adherence by team and day",
        f"The same of each team, of those with the least. {OF_THE_DAY}",
        [over_time(f"min by (team) (team:cxone_adherence:ratio{{{TEAM}}}) and on (team) {lowest}", "{{team}}")],
        RATIO, "No schedules", width=14,
    ).max(1).interval(DAY)


# === one agent ===


def agent_by_day():
    panel = panels.lines(
        "Agent: time by day",
        "The time of the agent in each state within the 24 hours before each point. The title leads to the agent.",
        [over_time(f"max by (state) (increase(cxone_agent_state_time_seconds_total{{{AGENT}}}[{DAY}]))", "{{state}}")],
        SECONDS, NO_AGENT, width=12, stacked=True, drawn_as_bars=True,
    )
    return panels.states(panel.interval(DAY).links([panels.agent_link()]))


def agent_over_time():
    panel = panels.lines(
        "Agent: share of each state",
        "The share of the time in each state; what is missing to 1 is not accounted for.",
        [over_time(f"max by (state) (rate(cxone_agent_state_time_seconds_total{{{AGENT}}}[$__rate_interval]))", "{{state}}")],
        RATIO, NO_AGENT, width=12, stacked=True,
    )
    return panels.states(panel.max(1).interval(STEP).links([panels.agent_link()]))
