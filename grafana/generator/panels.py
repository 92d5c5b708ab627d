"""The kinds of panels, in the house style.

Each takes its title, its description and its queries, and needs a unit and a text for no data. Widths are of 24 columns.
"""

from grafana_foundation_sdk.builders import bargauge as build_bargauge
from grafana_foundation_sdk.builders import common as build_common
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import prometheus as build_prometheus
from grafana_foundation_sdk.builders import stat as build_stat
from grafana_foundation_sdk.builders import statetimeline as build_statetimeline
from grafana_foundation_sdk.builders import table as build_table
from grafana_foundation_sdk.builders import timeseries as build_timeseries
from grafana_foundation_sdk.models import common, prometheus
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
)

from .frame import DATASOURCE, TEAM, UIDS

SECONDS, RATIO, COUNT, BYTES, AGO = "s", "percentunit", "short", "bytes", "dateTimeFromNow"

# The states of the article and the exporter's own; others take colours from the palette.
STATE_COLOURS = {
    "Available": "green",
    "Busy": "orange",
    "WrapUp": "yellow",
    "Offline": "#8e8e8e",
    "LoggedOut": "#5a5a5a",
    "Unknown": "purple",
    "__other__": "light-purple",
    "not accounted for": "transparent",
}
CODE_COLOURS = {"2..": "green", "3..": "blue", "4..": "orange", "429": "yellow", "5..": "red", "timeout|connect|decode": "dark-red"}


# === queries ===


def over_time(expr, legend="", ref="A"):
    """A range query."""
    return _query(expr, ref).range().format(prometheus.PromQueryFormat.TIME_SERIES).legend_format(legend)


def now(expr, legend="", ref="A"):
    """An instant query, one value per series."""
    return _query(expr, ref).instant().format(prometheus.PromQueryFormat.TIME_SERIES).legend_format(legend)


def rows(expr, ref="A"):
    """An instant query, one row per series."""
    return _query(expr, ref).instant().format(prometheus.PromQueryFormat.TABLE)


def _query(expr, ref):
    return (
        build_prometheus.Dataquery()
        .expr(" ".join(expr.split()))
        .ref_id(ref)
        .datasource(DATASOURCE)
        .editor_mode(prometheus.QueryEditorMode.CODE)
    )


# === parts ===


def thresholds(base, *steps):
    """Colours from `base` upwards; each step is (value, colour)."""
    values = [Threshold(value=None, color=base), *(Threshold(value=value, color=colour) for value, colour in steps)]
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(values)


def setting(name, value):
    """One property of an override."""
    return DynamicConfigValue(name, value)


def _colour(name):
    return setting("color", {"mode": "fixed", "fixedColor": name})


def states(panel):
    """Gives each state its colour."""
    for state, colour in STATE_COLOURS.items():
        panel = panel.override_by_name(state, [_colour(colour)])
    return panel


def codes(panel):
    """Colours series whose name ends with a response code."""
    for code, colour in CODE_COLOURS.items():
        panel = panel.override_by_regexp(f"/({code})$/", [_colour(colour)])
    return panel


def _dress(panel, title, description, queries, width, height, unit, no_data):
    panel = (
        panel.title(title)
        .description(description)
        .datasource(DATASOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .no_value(no_data)
    )
    for query in queries:
        panel = panel.with_target(query)
    return panel


def _last():
    return build_common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)


# === panels ===


def stat(title, description, query, unit, no_data, width=4, height=4, steps=None, text_mode=common.BigValueTextMode.AUTO):
    """One number. Coloured by `steps`, else plain."""
    panel = _dress(build_stat.Panel(), title, description, [query], width, height, unit, no_data)
    return (
        panel.reduce_options(_last())
        .graph_mode(common.BigValueGraphMode.NONE)
        .justify_mode(common.BigValueJustifyMode.AUTO)
        .orientation(common.VizOrientation.AUTO)
        .text_mode(text_mode)
        .color_mode(common.BigValueColorMode.VALUE if steps else common.BigValueColorMode.NONE)
        .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .thresholds(steps or thresholds("text"))
    )


def bars(title, description, query, unit, no_data, width=8, height=9, steps=None, maximum=None):
    """One bar per series."""
    panel = _dress(build_bargauge.Panel(), title, description, [query], width, height, unit, no_data)
    colour = FieldColorModeId.THRESHOLDS if steps else FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    panel = (
        panel.reduce_options(_last())
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .show_unfilled(True)
        .min_viz_height(16)
        .min_viz_width(8)
        .min(0)
        .color_scheme(build.FieldColor().mode(colour))
        .thresholds(steps or thresholds("text"))
    )
    return panel if maximum is None else panel.max(maximum)


def lines(title, description, queries, unit, no_data, width=12, height=9, stacked=False, drawn_as_bars=False, steps=None):
    """Lines over time, or a stack of areas or of bars."""
    panel = _dress(build_timeseries.Panel(), title, description, queries, width, height, unit, no_data)
    stacking = common.StackingMode.NORMAL if stacked else common.StackingMode.NONE
    panel = (
        panel.min(0)
        .draw_style(common.GraphDrawStyle.BARS if drawn_as_bars else common.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(70 if stacked else 5)
        .show_points(common.VisibilityMode.AUTO if not drawn_as_bars else common.VisibilityMode.NEVER)
        .span_nulls(False)
        .stacking(build_common.StackingConfig().mode(stacking).group("A"))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(
            build_common.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.RIGHT)
            .show_legend(True)
            .calcs(["lastNotNull", "max"])
            .sort_by("Last *")
            .sort_desc(True)
        )
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    )
    if steps:
        panel = panel.thresholds(steps).thresholds_style(
            build_common.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    return panel


def timeline(title, description, query, no_data, width=24, height=7):
    """A row per series, filled while it has a value."""
    panel = _dress(build_statetimeline.Panel(), title, description, [query], width, height, COUNT, no_data)
    return (
        panel.merge_values(True)
        .row_height(0.8)
        .show_value(common.VisibilityMode.NEVER)
        .align_value(common.TimelineValueAlignment.LEFT)
        .line_width(0)
        .fill_opacity(80)
        .color_scheme(build.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(
            build_common.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(False)
            .calcs([])
        )
        .tooltip(build_common.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE).sort(common.SortOrder.NONE))
    )


def table(title, description, queries, columns, no_data, width=12, height=10, sort=None, unit=COUNT):
    """Rows of an instant query, or of several with the same labels merged.

    `columns` names what is shown, in order: {field: (title, [settings])}. All else is left out.
    """
    panel = _dress(build_table.Panel(), title, description, queries, width, height, unit, no_data)
    organize = {
        "indexByName": {field: index for index, field in enumerate(columns)},
        "renameByName": {field: column for field, (column, _) in columns.items()},
        "includeByName": {},
        "excludeByName": {field: True for field in ("Time", "job", "instance", "__name__") if field not in columns},
    }
    if len(queries) > 1:
        panel = panel.with_transformation(DataTransformerConfig("merge", options={}))
    panel = (
        panel.with_transformation(DataTransformerConfig("organize", options=organize))
        .show_header(True)
        .cell_height(common.TableCellHeight.SM)
        .thresholds(thresholds("text"))
    )
    for column, settings in columns.values():
        if settings:
            panel = panel.override_by_name(column, settings)
    if sort:
        panel = panel.sort_by([build_common.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


def matrix(title, description, query, row, column, unit, no_data, width=24, height=12):
    """A heat map: an instant query with a row for each value of one label and a column for each of another."""
    panel = _dress(build_table.Panel(), title, description, [query], width, height, unit, no_data)
    corner = f"{row}\\{column}"

    def sort(field):
        return DataTransformerConfig("sortBy", options={"fields": {}, "sort": [{"field": field}]})

    group = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "empty"}
    to_fleet = (
        f"/d/{UIDS['fleet']}?var-team=${{__value.raw}}&${{tenant:queryparam}}&${{datasource:queryparam}}&${{__url_time_range}}"
    )
    return (
        panel.with_transformation(sort(column))
        .with_transformation(DataTransformerConfig("groupingToMatrix", options=group))
        .with_transformation(sort(corner))
        .decimals(1)
        .show_header(True)
        .cell_height(common.TableCellHeight.SM)
        .thresholds(thresholds("text"))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.CONTINUOUS_BLUES))
        .min(0)
        .override_by_regexp("/./", [setting("custom.cellOptions", {"type": "color-background", "mode": "basic"})])
        .override_by_name(
            corner,
            [setting("custom.cellOptions", {"type": "auto"}), setting("custom.width", 190),
             setting("links", [{"title": "This team", "url": to_fleet}])],
        )
    )


# === columns ===


def hidden():
    """A column that only a link reads."""
    return [setting("custom.hidden", True)]


def to_agent():
    """A cell that leads to the Agent dashboard, with the row's agent and tenant (see `scoped`)."""
    url = (
        f"/d/{UIDS['agent']}?var-agent=${{__data.fields.Agent}}&var-tenant=${{__data.fields.Scope}}"
        "&${datasource:queryparam}&${__url_time_range}"
    )
    return [setting("links", [{"title": "This agent", "url": url}]), setting("custom.width", 190)]


def agent_link():
    """A link of a panel to the Agent dashboard, with the chosen agent."""
    url = f"/d/{UIDS['agent']}?${{agent:queryparam}}&${{tenant:queryparam}}&${{datasource:queryparam}}&${{__url_time_range}}"
    return build.DashboardLink("This agent").type(DashboardLinkType.LINK).url(url)


def named(expr):
    """Adds name and team of the chosen teams' agents, and leaves out other agents."""
    return f"({expr}) * ignoring (name, team) group_left (name, team) agent:cxone_agent_info:one{{{TEAM}}}"


def person():
    """The columns of a list of agents."""
    return {
        "name": ("Name", []), "agent": ("Agent", to_agent()), "team": ("Team", []), "tenant": ("Tenant", []), "scope": ("Scope", hidden()),
    }


def scoped(expr):
    """Adds the label `scope`: what the variable `tenant` has to be for the series, which is All where there is no such label."""
    return f'label_replace(label_replace({expr}, "scope", "All", "tenant", ""), "scope", "$1", "tenant", "(.+)")'


def measured(unit, *steps, width=None):
    """A column of numbers, coloured where `steps` are given."""
    settings = [setting("unit", unit)]
    if width:
        settings.append(setting("custom.width", width))
    if steps:
        config = {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in steps]}
        settings += [setting("thresholds", config), setting("custom.cellOptions", {"type": "color-text"}),
                     setting("color", {"mode": "thresholds"})]
    return settings
