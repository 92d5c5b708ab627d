"""An empty dashboard: identity, time range, variables and links."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

TAG = "cxone"
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

UIDS = {name: f"cxone-{name}" for name in ("now", "fleet", "history", "agent", "exporter")}
TITLES = {name: f"CXone / {name.capitalize()}" for name in UIDS}

# `.*` and not the list of all values: it matches series that have no such label at all, as with a single tenant or no team.
ALL_VALUE = ".*"

# Selectors of the chosen tenant and teams. A raw string and the format `regex`, as Grafana escapes no quotes in other formats.
TENANT = "tenant=~`${tenant:regex}`"
TEAM = f"{TENANT}, team=~`${{team:regex}}`"


def dashboard(name, description, time_from):
    """An empty dashboard of the set."""
    return (
        build.Dashboard(TITLES[name])
        .uid(UIDS[name])
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time(time_from, "now")
        .refresh("1m")
        .editable()
        .link(
            build.DashboardLink("CXone")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .tooltip("The other dashboards of cxone-exporter, for the same tenant and time")
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(
            build.DatasourceVariable("datasource")
            .label("Data source")
            .description("The Prometheus that scrapes cxone-exporter")
            .type("prometheus")
        )
    )


# === variables ===


def tenant():
    """The tenant; a single one has no such label, and All fits it."""
    return _with_all(
        _query("tenant", "Tenant", "label_values(cxone_up, tenant)").description(
            "Empty with a single tenant: its series have no such label"
        )
    )


def team():
    """The teams of the chosen tenant."""
    return _with_all(
        _query("team", "Team", f"label_values(cxone_team_agents{{{TENANT}}}, team)").description(
            "From the exporter's configuration, or CXone's list"
        )
    ).multi(True)


def agent():
    """One agent of the chosen teams, shown by name and id."""
    named = (
        "query_result(max by (agent, shown) (label_join("
        f"cxone_agent_info{{{TEAM}}}"
        ', "shown", " · ", "name", "agent")))'
    )
    # Grafana shows a series as `{agent="1",shown="Ada · 1"} 1 1700000000000` and escapes nothing in it. An id has no quotes.
    return (
        _query("agent", "Agent", named)
        .regex('/agent="(?<value>[^"]+)", ?shown="(?<text>.*)"}/')
        .description("Type to search, by name or by id")
    )


def state():
    """States, of which the time counts."""
    return (
        _query("state", "States", f"label_values(cxone_team_state_time_seconds_total{{{TENANT}}}, state)")
        .description("The states that count by hour of the day")
        .multi(True)
        .current(VariableOption(selected=True, text=["Available"], value=["Available"]))
    )


def offset():
    """How many hours the hours of the day are ahead of UTC, which queries cannot know of the browser's zone."""
    hours = [str(hours) for hours in range(-11, 15)]
    return (
        build.CustomVariable("offset")
        .label("UTC offset")
        .description("Hours that your clock is ahead of UTC, for the hour of the day")
        .values(",".join(hours))
        .current(VariableOption(selected=True, text="0", value="0"))
        .options([VariableOption(selected=n == "0", text=n, value=n) for n in hours])
    )


def instance():
    """The exporter's process."""
    return _with_all(_query("instance", "Exporter", "label_values(cxone_exporter_build_info, instance)")).description(
        "The process, by its address"
    )


def top():
    """How many rows the lists have."""
    chosen = VariableOption(selected=True, text="20", value="20")
    return (
        build.CustomVariable("top")
        .label("Rows")
        .description("The length of the lists, so that they stay readable with thousands of agents")
        .values("10,20,50,100")
        .current(chosen)
        .options([VariableOption(selected=n == "20", text=n, value=n) for n in ("10", "20", "50", "100")])
    )


def _query(name, label, query):
    return (
        build.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": name})
        .datasource(DATASOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )


def _with_all(variable):
    return (
        variable.include_all(True)
        .all_value(ALL_VALUE)
        .current(VariableOption(selected=True, text="All", value="$__all"))
    )
