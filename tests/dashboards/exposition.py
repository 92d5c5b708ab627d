#!/usr/bin/env python3
"""Serves a healthy example exposition with changing values: exposition.py [--shard=INDEX/TOTAL] PORT [TENANT...].

Without tenants everything is at /metrics. With tenants /metrics has the exporter's own series, /sd lists the tenants and
/probe?target=TENANT has theirs. It stands in for the exporter where only names, labels and types matter.
"""

import collections
import http.server
import json
import sys
import time
import urllib.parse

WINDOW = 86400
SHARES = {"Available": 0.35, "Busy": 0.2, "WrapUp": 0.05, "Offline": 0.3, "LoggedOut": 0.05}
# More teams and agents than a panel may show, so that a list without a limit is found out. The last team has no name.
TEAMS = (*(f"Team {number}" for number in range(59)), 'The "A" Team \\ (night)', "")
AGENTS = 122
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
STARTED = time.time()


class Exposition:
    """Families in the order in which they are first named."""

    def __init__(self):
        self.families = {}

    def add(self, name, value, kind="gauge", suffix="", /, **labels):
        text = ",".join(f'{label}="{escaped(content)}"' for label, content in labels.items())
        self.families.setdefault((name, kind), []).append(f"{name}{suffix}{{{text}}} {value}")

    def render(self):
        lines = []
        for (name, kind), samples in self.families.items():
            lines += [f"# HELP {name} {name}.", f"# TYPE {name} {kind}", *samples]
        return "\n".join(lines) + "\n"


def escaped(content):
    """The value of a label as it is written."""
    return str(content).replace("\\", "\\\\").replace('"', '\\"')


def agents(out, now, ticks):
    """Adds the agents of this shard and their teams, and tells how many they are."""
    shard, shards = Handler.shard or (0, 1)
    own = range(shard, AGENTS, shards)
    teams(out, own, ticks)
    for index in own:
        agent, team = str(1000 + index), TEAMS[index % len(TEAMS)]
        out.add("cxone_agent_info", 1, agent=agent, name=f'Agent "{index}" \\', team=team)
        out.add("cxone_agent_offline_limit_seconds", 30000, agent=agent)
        # The last agent is configured and has no data.
        if index == AGENTS - 1:
            out.add("cxone_agent_observed_seconds", 0, agent=agent)
            continue
        total = 0
        for offset, (state, share) in enumerate(SHARES.items()):
            seconds = round(share * WINDOW * (0.6 + 0.4 * ((index + offset) % 5) / 5))
            total += seconds
            out.add("cxone_agent_state_seconds", seconds, agent=agent, state=state)
            out.add("cxone_agent_state_time_seconds_total", round(share * ticks, 3), "counter", agent=agent, state=state)
        out.add("cxone_agent_observed_seconds", total, agent=agent)
        out.add("cxone_agent_current_state_seconds", 60 * index + 30, agent=agent, state=list(SHARES)[index % len(SHARES)])
        out.add("cxone_agent_last_data_timestamp_seconds", now - 30, agent=agent)
        out.add("cxone_agent_scheduled_seconds", 28800, agent=agent)
        out.add("cxone_agent_scheduled_offline_seconds", 900 * index, agent=agent)
        out.add("cxone_agent_limited_offline_seconds", 900 * index, agent=agent)
        # Of nine, three are off shift and one is absent.
        on_shift, absent = index % 9 < 6, 600 * index + 60 if index % 9 == 0 else 0
        out.add("cxone_agent_on_shift", int(on_shift), agent=agent)
        out.add("cxone_agent_offline_seconds", absent if on_shift else 40000, agent=agent)
        out.add("cxone_agent_absent_seconds", absent, agent=agent)
        out.add("cxone_agent_absent_limit_seconds", 900, agent=agent)
    return len(own)


def teams(out, own, ticks):
    """The sums of the agents with these indices."""
    sizes = collections.Counter(TEAMS[index % len(TEAMS)] for index in own)
    for team, size in sizes.items():
        for state, share in SHARES.items():
            out.add("cxone_team_state_seconds", round(share * WINDOW * size), team=team, state=state)
            out.add("cxone_team_agents", size if state == "Busy" else 0, team=team, state=state)
            out.add("cxone_team_state_time_seconds_total", round(share * ticks * size, 3), "counter", team=team, state=state)
        out.add("cxone_team_agents", 0, team=team, state="__unknown__")
        out.add("cxone_team_scheduled_seconds", 28800 * size, team=team)
        out.add("cxone_team_scheduled_offline_seconds", 900 * size, team=team)


def tenant_series(out):
    now = time.time()
    ticks = int(now - STARTED) + 1
    count = agents(out, now, ticks)
    if Handler.shard:
        out.add("cxone_exporter_shard_index", Handler.shard[0])
        out.add("cxone_exporter_shards", Handler.shard[1])
    out.add("cxone_up", 1)
    out.add("cxone_cooldown_seconds", 50)
    out.add("cxone_clock_skew_seconds", 0)
    out.add("cxone_max_staleness_seconds", 900)
    out.add("cxone_window_start_timestamp_seconds", now - WINDOW)
    out.add("cxone_window_end_timestamp_seconds", now)
    for event, age in (("last_success", 5), ("last_attempt", 5), ("not_before", -55)):
        out.add(f"cxone_refresh_{event}_timestamp_seconds", now - age)
    out.add("cxone_refresh_duration_seconds", 1.2)
    for result, number in (("success", ticks), ("partial", 0), ("failure", 0)):
        out.add("cxone_refreshes_total", number, "counter", result=result)
    for result, number in (("fresh", count), ("stale", 0), ("missing", 0)):
        out.add("cxone_refresh_agents", number, result=result)
    out.add("cxone_agents_unconfirmed", 0)
    for endpoint in ("token", "presence"):
        out.add("cxone_api_requests_total", ticks, "counter", endpoint=endpoint, code="200")
        for bound in BUCKETS:
            out.add("cxone_api_request_duration_seconds", ticks if bound >= 0.5 else ticks // 2, "histogram", "_bucket", endpoint=endpoint, le=bound)
        out.add("cxone_api_request_duration_seconds", ticks, "histogram", "_bucket", endpoint=endpoint, le="+Inf")
        out.add("cxone_api_request_duration_seconds", ticks * 0.3, "histogram", "_sum", endpoint=endpoint)
        out.add("cxone_api_request_duration_seconds", ticks, "histogram", "_count", endpoint=endpoint)
    out.add("cxone_api_retries_total", ticks // 5, "counter")
    out.add("cxone_api_requests_per_minute_limit", 60)
    out.add("cxone_api_budget_wait_seconds_total", ticks * 0.4, "counter")
    out.add("cxone_api_response_bytes_total", ticks * 20000, "counter")
    out.add("cxone_token_expiry_timestamp_seconds", now + 3000)
    out.add("cxone_records_rejected_total", ticks // 10, "counter", reason="duplicate")


def own_series(out):
    ticks = int(time.time() - STARTED) + 1
    for served in ("fresh", "cooldown", "stale", "none"):
        out.add("cxone_exporter_scrapes_total", ticks if served in ("fresh", "cooldown") else 0, "counter", served=served)
    out.add("cxone_exporter_build_info", 1, version="0.1.0", revision="unknown")
    out.add("cxone_exporter_config_last_reload_successful", 1)
    out.add("cxone_exporter_config_last_reload_success_timestamp_seconds", STARTED)
    out.add("process_cpu_seconds_total", ticks * 0.01, "counter")
    out.add("process_resident_memory_bytes", 12e6)
    out.add("process_open_fds", 14)
    out.add("process_max_fds", 1024)
    out.add("process_start_time_seconds", STARTED)


class Handler(http.server.BaseHTTPRequestHandler):
    tenants = ()
    # Index and total, where it is one of several.
    shard = None

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        out, kind = Exposition(), "text/plain; version=0.0.4"
        if url.path == "/metrics":
            own_series(out)
            if not self.tenants:
                tenant_series(out)
            body = out.render()
        elif url.path == "/probe" and urllib.parse.parse_qs(url.query).get("target", [""])[0] in self.tenants:
            tenant_series(out)
            body = out.render()
        elif url.path == "/sd":
            kind = "application/json"
            body = json.dumps([{"targets": [self.headers["Host"]], "labels": {"tenant": tenant}} for tenant in self.tenants])
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def main():
    arguments = sys.argv[1:]
    if arguments[0].startswith("--shard="):
        Handler.shard = tuple(map(int, arguments.pop(0).removeprefix("--shard=").split("/")))
    Handler.tenants = tuple(arguments[1:])
    http.server.ThreadingHTTPServer(("127.0.0.1", int(arguments[0])), Handler).serve_forever()


if __name__ == "__main__":
    main()
