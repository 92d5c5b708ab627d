"""A dashboard in Grafana's schema v2 (`dashboard.grafana.app/v2`), made from the classic one that the SDK has built.

Both show and ask the same: options, field settings and queries are carried over, and only what holds them differs. What the
dashboards do not use (annotations, repeats, library panels) is not made.
"""

from grafana_foundation_sdk.models import dashboardv2 as v2
from grafana_foundation_sdk.models import resource
from grafana_foundation_sdk.models.dashboard import RowPanel, VariableType

API_VERSION = "dashboard.grafana.app/v2"

# These parts of a classic query stand beside the query in the schema v2.
BESIDE_THE_QUERY = {"refId", "datasource", "hide"}


def manifest(classic):
    """The Kubernetes resource of a built classic dashboard, named by its uid."""
    panels = [panel for panel in classic.panels if not isinstance(panel, RowPanel)]
    dashboard = v2.Dashboard(
        title=classic.title,
        description=classic.description,
        tags=classic.tags,
        editable=classic.editable,
        cursor_sync=v2.DashboardCursorSync[classic.graph_tooltip.name],
        links=[_dashboard_link(link) for link in classic.links],
        variables=[_variable(variable) for variable in classic.templating.list_val],
        elements={_element(panel): _panel(panel) for panel in panels},
        layout=v2.RowsLayoutKind(v2.RowsLayoutSpec(_rows(classic.panels))),
        time_settings=v2.TimeSettingsSpec(
            timezone=classic.timezone, from_val=classic.time.from_val, to=classic.time.to, auto_refresh=classic.refresh,
        ),
    )
    metadata = resource.Metadata(name=classic.uid)
    return resource.Manifest(api_version=API_VERSION, kind=resource.DashboardKind, metadata=metadata, spec=dashboard)


def _dashboard_link(link):
    return v2.DashboardLink(
        title=link.title, type_val=v2.DashboardLinkType[link.type_val.name], icon=link.icon, tooltip=link.tooltip, tags=link.tags,
        as_dropdown=link.as_dropdown, target_blank=link.target_blank, include_vars=link.include_vars, keep_time=link.keep_time,
    )


# === layout ===


def _rows(panels):
    """The rows. Panels before the first row are in one without a title."""
    rows = []
    for panel in panels:
        if isinstance(panel, RowPanel) or not rows:
            title = panel.title if isinstance(panel, RowPanel) else None
            rows.append(v2.RowsLayoutRowSpec(title=title, hide_header=title is None, collapse=False, layout=v2.GridLayoutKind()))
            top = panel.grid_pos.y + (0 if title is None else panel.grid_pos.h)
        if not isinstance(panel, RowPanel):
            grid = panel.grid_pos
            item = v2.GridLayoutItemSpec(
                x=grid.x, y=grid.y - top, width=grid.w, height=grid.h, element=v2.ElementReference(_element(panel)),
            )
            rows[-1].layout.spec.items.append(v2.GridLayoutItemKind(item))
    return [v2.RowsLayoutRowKind(row) for row in rows]


def _element(panel):
    return f"panel-{panel.id_val}"


# === panels ===


def _panel(panel):
    visualization = v2.VizConfigSpec(options=panel.options, field_config=panel.field_config)
    transformations = [
        v2.TransformationKind(group=each.id_val, spec=v2.TransformationSpec(options=each.options)) for each in panel.transformations or []
    ]
    data = v2.QueryGroupSpec(
        queries=[_panel_query(target) for target in panel.targets],
        transformations=transformations,
        query_options=v2.QueryOptionsSpec(interval=panel.interval, max_data_points=panel.max_data_points),
    )
    spec = v2.PanelSpec(
        id_val=panel.id_val,
        title=panel.title,
        description=panel.description,
        links=[v2.DataLink(title=link.title, url=link.url, target_blank=link.target_blank) for link in panel.links or []],
        data=v2.QueryGroupKind(data),
        viz_config=v2.VizConfigKind(group=panel.type_val, spec=visualization),
    )
    return v2.PanelKind(spec)


def _panel_query(target):
    query = {key: value for key, value in target.to_json().items() if key not in BESIDE_THE_QUERY}
    return v2.PanelQueryKind(v2.PanelQuerySpec(query=_query(target.datasource, query), ref_id=target.ref_id))


def _query(datasource, query):
    return v2.DataQueryKind(
        group=datasource.type_val, datasource=v2.Dashboardv2DataQueryKindDatasource(datasource.uid), spec=query,
    )


# === variables ===


def _variable(variable):
    common = {
        "name": variable.name, "label": variable.label, "description": variable.description,
        "current": _option(variable.current), "multi": variable.multi,
        "include_all": variable.include_all, "all_value": variable.all_value,
        "options": [_option(option) for option in variable.options or []],
    }
    if variable.type_val == VariableType.DATASOURCE:
        return v2.DatasourceVariableKind(v2.DatasourceVariableSpec(plugin_id=variable.query, **common))
    if variable.type_val == VariableType.CUSTOM:
        return v2.CustomVariableKind(v2.CustomVariableSpec(query=variable.query, **common))
    return v2.QueryVariableKind(
        v2.QueryVariableSpec(
            query=_query(variable.datasource, variable.query), regex=variable.regex or "",
            refresh=v2.VariableRefresh[variable.refresh.name], sort=v2.VariableSort[variable.sort.name], **common,
        )
    )


def _option(option):
    """An option; a variable without a choice has an empty one."""
    return v2.VariableOption(selected=option.selected, text=option.text, value=option.value) if option else v2.VariableOption()
