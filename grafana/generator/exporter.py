"""The Exporter dashboard: how old the data is, what was asked of CXone, and what the process takes."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from . import frame, panels
from .panels import AGO, BYTES, COUNT, RATIO, SECONDS, now, over_time, rows, thresholds

DESCRIPTION = "Freshness of the data, requests to CXone, and the exporter's own process."

TENANT = frame.TENANT + ', instance=~"$instance"'
# The exporter's own series are scraped once, and not per tenant: they have no label `tenant` where the tenants do.
OWN = 'instance=~"$instance"'
OWN_OR_TENANT = 'tenant=~`${tenant:regex}|`, instance=~"$instance"'
IS_EXPORTER = f"and on (job, instance) cxone_exporter_build_info{{{OWN}}}"
PER_TENANT = "by (job, instance, tenant)"
NO_SCRAPE = "No exporter is scraped"
NEVER = "Never yet"
STALE_STEPS = ((300, "orange"), (600, "red"))


def dashboard():
    return (
        frame.dashboard("exporter", DESCRIPTION, "now-6h")
        .with_variable(frame.tenant())
        .with_variable(frame.instance())
        .with_variable(frame.top())
        .with_row(build.Row("Freshness"))
        .with_panel(up())
        .with_panel(age())
        .with_panel(last_success())
        .with_panel(last_attempt())
        .with_panel(not_before())
        .with_panel(token())
        .with_panel(age_over_time())
        .with_panel(tenants())
        .with_panel(last_errors())
        .with_panel(clock_skew())
        .with_row(build.Row("Refreshes and scrapes"))
        .with_panel(refreshes())
        .with_panel(duration())
        .with_panel(agents())
        .with_panel(served())
        .with_row(build.Row("Requests to CXone"))
        .with_panel(requests())
        .with_panel(latency())
        .with_panel(waiting())
        .with_panel(volume())
        .with_panel(rejected())
        .with_panel(budget())
        .with_row(build.Row("Process"))
        .with_panel(build_info())
        .with_panel(reload())
        .with_panel(uptime())
        .with_panel(processor())
        .with_panel(memory())
        .with_panel(descriptors())
    )


# === freshness ===


def up():
    mapping = ValueMap(
        options={
            "0": ValueMappingResult(text="Failed", color="red", index=0),
            "1": ValueMappingResult(text="Succeeded", color="green", index=1),
        },
    )
    return panels.stat(
        "Last refresh", "Whether the last refresh that ended succeeded in full; of several tenants or shards, the worst.",
        now(f"min(cxone_up{{{TENANT}}})"), COUNT, NO_SCRAPE, steps=thresholds("red", (1, "green")),
    ).mappings([mapping])


def age():
    return panels.stat(
        "Age of the data", "Since the last refresh that succeeded in full; of several tenants or shards, the oldest.",
        now(f"max(time() - cxone_refresh_last_success_timestamp_seconds{{{TENANT}}})"), SECONDS, NEVER,
        steps=thresholds("green", *STALE_STEPS),
    )


def last_success():
    return panels.stat(
        "Last success", "The end of the last refresh that succeeded in full; of several tenants or shards, the oldest.",
        now(f"min(cxone_refresh_last_success_timestamp_seconds{{{TENANT}}}) * 1000"), AGO, NEVER,
    )


def last_attempt():
    return panels.stat(
        "Last attempt", "The end of the last refresh, whatever came of it; of several tenants or shards, the oldest.",
        now(f"min(cxone_refresh_last_attempt_timestamp_seconds{{{TENANT}}}) * 1000"), AGO, NEVER,
    )


def not_before():
    return panels.stat(
        "Next allowed", "Before this nothing is sent: cooldown, back-off or Retry-After, whichever is longest. Of several tenants or shards, the latest.",
        now(f"max(cxone_refresh_not_before_timestamp_seconds{{{TENANT}}}) * 1000"), AGO, "At any time",
    )


def token():
    return panels.stat(
        "Token expires", "The expiry of the token in hand; of several tenants or shards, the first. A new one is fetched as it is needed.",
        now(f"min(cxone_token_expiry_timestamp_seconds{{{TENANT}}}) * 1000"), AGO, "No token",
    )


def age_over_time():
    return panels.lines(
        "Age of the data by tenant", "Since the last full success, of the tenants with the oldest. Past two cooldowns and 500 s, 10 minutes by default, no alert about an agent begins.",
        [over_time(f"topk($top, max {PER_TENANT} (time() - cxone_refresh_last_success_timestamp_seconds{{{TENANT}}}))", "{{instance}} {{tenant}}")],
        SECONDS, NEVER, width=10, steps=thresholds("transparent", (600, "red")),
    )


def tenants():
    def latest(metric):
        return f"max {PER_TENANT} ({metric}{{{TENANT}}}) * 1000"

    def counted(result):
        return f'max {PER_TENANT} (cxone_refresh_agents{{{TENANT}, result="{result}"}})'

    # An exporter that has all agents is no shard.
    shard = (
        f"max {PER_TENANT} (cxone_exporter_shard_index{{{TENANT}}}) "
        f"or max {PER_TENANT} (cxone_up{{{TENANT}}}) * 0 - 1"
    )
    # A list of no agents is one as well.
    unconfirmed = f"max {PER_TENANT} (cxone_agents_unconfirmed{{{TENANT}}}) or max {PER_TENANT} (cxone_up{{{TENANT}}}) * 0 - 1"
    no_list = panels.setting("mappings", [{"type": "value", "options": {"-1": {"text": "–", "index": 0}}}])
    all_shards = panels.setting("mappings", [{"type": "value", "options": {"-1": {"text": "all", "index": 0}}}])
    return panels.table(
        "Tenants", "How things stand, a row a tenant and a shard, and how many agents have data of the last refresh, older data, or none. New list: the "
        "agents of a reading of CXone's list that is empty or at most half as long, and not used until the next one confirms it.",
        [
            rows(f"max {PER_TENANT} (cxone_up{{{TENANT}}})"),
            rows(latest("cxone_refresh_last_success_timestamp_seconds"), "B"),
            rows(latest("cxone_refresh_not_before_timestamp_seconds"), "C"),
            rows(counted("fresh"), "D"),
            rows(counted("stale"), "E"),
            rows(counted("missing"), "F"),
            rows(unconfirmed, "G"),
            rows(shard, "H"),
        ],
        {
            "instance": ("Exporter", []),
            "tenant": ("Tenant", []),
            "Value #H": ("Shard", [*panels.measured(COUNT, width=60), all_shards]),
            "Value #A": ("Up", panels.measured(COUNT, (None, "red"), (1, "green"), width=60)),
            "Value #B": ("Last success", panels.measured(AGO)),
            "Value #C": ("Next allowed", panels.measured(AGO)),
            "Value #D": ("Fresh", panels.measured(COUNT, width=70)),
            "Value #E": ("Stale", panels.measured(COUNT, (None, "text"), (1, "orange"), width=70)),
            "Value #F": ("Missing", panels.measured(COUNT, (None, "text"), (1, "red"), width=80)),
            "Value #G": ("New list", [*panels.measured(COUNT, (None, "text"), (0, "orange"), width=80), no_list]),
        },
        NO_SCRAPE, width=14, height=9,
    )


def last_errors():
    return panels.table(
        "Last errors", "Why the last refresh of a tenant failed, and at which endpoint. Empty after a full success.",
        [rows(f"topk($top, max by (job, instance, tenant, endpoint, reason) (cxone_refresh_last_error_info{{{TENANT}}}))")],
        {
            "tenant": ("Tenant", []), "instance": ("Exporter", []), "endpoint": ("Endpoint", []), "reason": ("Reason", []),
            "Value": ("Value", panels.hidden()),
        },
        "No refresh has failed", width=18, height=6,
    )


def clock_skew():
    return panels.stat(
        "Clock skew", "How far the clocks of CXone and of the exporter's machine differ; of several tenants, the most. 0 within a minute.",
        now(f"max(abs(cxone_clock_skew_seconds{{{TENANT}}}))"), SECONDS, NEVER, width=6, height=6, steps=thresholds("green", (60, "red")),
    )


# === refreshes and scrapes ===


def refreshes():
    panel = panels.lines(
        "Refreshes", "Refreshes that ended, by result. Partial: some batches of agents were read and others were not.",
        [over_time(f"sum by (result) (increase(cxone_refreshes_total{{{TENANT}}}[$__rate_interval]))", "{{result}}")],
        COUNT, "No refresh in this time", width=8, stacked=True, drawn_as_bars=True,
    )
    for result, colour in (("success", "green"), ("partial", "orange"), ("failure", "red")):
        panel = panel.override_by_name(result, [panels.setting("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def duration():
    return panels.lines(
        "Duration of refreshes", "How long the last refresh took, of the slowest tenants. A scrape waits for it no longer than its own timeout.",
        [over_time(f"topk($top, max {PER_TENANT} (cxone_refresh_duration_seconds{{{TENANT}}}))", "{{instance}} {{tenant}}")],
        SECONDS, NEVER, width=8,
    )


def agents():
    panel = panels.lines(
        "Agents by data", "Configured agents with data of the last refresh, with older data, and with none.",
        [over_time(f"sum by (result) (cxone_refresh_agents{{{TENANT}}})", "{{result}}")],
        COUNT, NO_SCRAPE, width=8, stacked=True,
    )
    for result, colour in (("fresh", "green"), ("stale", "orange"), ("missing", "red")):
        panel = panel.override_by_name(result, [panels.setting("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def served():
    return panels.lines(
        "Scrapes by what was served",
        "fresh: a refresh ended during the scrape. cooldown: data younger than the cooldown. stale: older data, as the refresh failed, is not "
        "done, or may not start. none: no data.",
        [over_time(f"sum by (served) (increase(cxone_exporter_scrapes_total{{{OWN_OR_TENANT}}}[$__rate_interval]))", "{{served}}")],
        COUNT, NO_SCRAPE, width=24, height=7, stacked=True, drawn_as_bars=True,
    )


# === requests to CXone ===


def requests():
    panel = panels.lines(
        "Requests by code", "Requests to CXone by endpoint and code; timeout, connect and decode stand for requests without a usable answer.",
        [over_time(f"sum by (endpoint, code) (increase(cxone_api_requests_total{{{TENANT}}}[$__rate_interval]))", "{{endpoint}} {{code}}")],
        COUNT, "No request in this time", stacked=True, drawn_as_bars=True,
    )
    return panels.codes(panel)


def latency():
    buckets = f"sum by (endpoint, le) (rate(cxone_api_request_duration_seconds_bucket{{{TENANT}}}[$__rate_interval]))"
    return panels.lines(
        "Latency", "How long requests took: median, 90th and 99th percentile, by endpoint. Estimated from the histogram's buckets.",
        [
            over_time(f"histogram_quantile({quantile}, {buckets})", f"{{{{endpoint}}}} p{round(quantile * 100)}", ref)
            for quantile, ref in ((0.5, "A"), (0.9, "B"), (0.99, "C"))
        ],
        SECONDS, "No request in this time",
    )


def waiting():
    wait = f"clamp_min(max {PER_TENANT} (cxone_refresh_not_before_timestamp_seconds{{{TENANT}}}) - time(), 0)"
    return panels.lines(
        "Waiting, and answers of 429",
        "How long nothing may be sent: cooldown, back-off or Retry-After, whichever is longest; of the tenants with the longest wait. More than "
        "5 minutes after a 429 was asked for by CXone. On the right: answers of 429 in the hour before.",
        [
            over_time(f"topk($top, {wait})", "wait {{instance}} {{tenant}}"),
            over_time(f'sum(increase(cxone_api_requests_total{{{TENANT}, code="429"}}[1h])) or vector(0)', "429 in an hour", "B"),
        ],
        SECONDS, "At any time", width=8,
    ).override_by_name("429 in an hour", [panels.setting("unit", COUNT), panels.setting("custom.axisPlacement", "right")])


def volume():
    return panels.lines(
        "Retries and bytes", "Requests that were sent again, and on the right the bytes of answers a second after decompression.",
        [
            over_time(f"sum(increase(cxone_api_retries_total{{{TENANT}}}[$__rate_interval]))", "retries"),
            over_time(f"sum(rate(cxone_api_response_bytes_total{{{TENANT}}}[$__rate_interval]))", "bytes", "B"),
        ],
        COUNT, "No request in this time", width=8,
    ).override_by_name("bytes", [panels.setting("unit", "Bps"), panels.setting("custom.axisPlacement", "right")])


def rejected():
    return panels.lines(
        "Records not counted", "Input from CXone that was not counted, by reason. A few of duplicate, overlap and outside_window are ordinary.",
        [over_time(
            f"sum by (reason) (increase(cxone_records_rejected_total{{{TENANT}}}[$__rate_interval])) "
            'or label_replace(vector(0), "reason", "none", "", "")',
            "{{reason}}",
        )],
        COUNT, "None", width=8, stacked=True, drawn_as_bars=True,
    )


def budget():
    return panels.lines(
        "Budget",
        "Requests a minute, and how many max_requests_per_minute allows: all of it, and less for a while after a 429. On the right: the part of "
        "the time for which the next request was held back, added up over tenants and shards.",
        [
            over_time(f"sum(rate(cxone_api_requests_total{{{TENANT}}}[$__rate_interval])) * 60", "sent"),
            over_time(f"sum(cxone_api_requests_per_minute_limit{{{TENANT}}})", "allowed", "B"),
            over_time(f"sum(rate(cxone_api_budget_wait_seconds_total{{{TENANT}}}[$__rate_interval]))", "held back", "C"),
        ],
        COUNT, "No budget", width=24, height=7,
    ).override_by_name("held back", [panels.setting("unit", RATIO), panels.setting("custom.axisPlacement", "right")])


# === process ===


def build_info():
    return panels.table(
        "Build", "The processes and what they run.", [rows(f"max by (instance, version, revision) (cxone_exporter_build_info{{{OWN}}})")],
        {"instance": ("Exporter", []), "version": ("Version", []), "revision": ("Revision", []), "Value": ("Value", panels.hidden())},
        NO_SCRAPE, width=10, height=5,
    )


def reload():
    mapping = ValueMap(
        options={
            "0": ValueMappingResult(text="Refused", color="red", index=0),
            "1": ValueMappingResult(text="In use", color="green", index=1),
        },
    )
    return panels.stat(
        "Configuration", "Whether the configuration last offered is in use. Refused: the one from before still is. Of several processes, the worst.",
        now(f"min(cxone_exporter_config_last_reload_successful{{{OWN}}})"), COUNT, NO_SCRAPE, width=7, height=5,
        steps=thresholds("red", (1, "green")),
    ).mappings([mapping])


def uptime():
    return panels.stat(
        "Running for", "Since the start of the process; of several, the youngest.",
        now(f"min(time() - (process_start_time_seconds{{{OWN}}} {IS_EXPORTER}))"), SECONDS, NO_SCRAPE, width=7, height=5,
    )


def processor():
    return panels.lines(
        "CPU", "Processor time a second: 100 % is one core.",
        [over_time(f"rate(process_cpu_seconds_total{{{OWN}}}[$__rate_interval]) {IS_EXPORTER}", "{{instance}}")],
        RATIO, NO_SCRAPE, width=8, height=7,
    )


def memory():
    return panels.lines(
        "Memory", "Resident memory.", [over_time(f"process_resident_memory_bytes{{{OWN}}} {IS_EXPORTER}", "{{instance}}")],
        BYTES, NO_SCRAPE, width=8, height=7,
    )


def descriptors():
    return panels.lines(
        "File descriptors", "Open file descriptors as a part of how many the process may have.",
        [over_time(f"(process_open_fds{{{OWN}}} / process_max_fds{{{OWN}}}) {IS_EXPORTER}", "{{instance}}")],
        RATIO, NO_SCRAPE, width=8, height=7,
    )
