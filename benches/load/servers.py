"""The exporter with data of a simulated tenant, and nginx with the bytes of its responses."""

import http.client
import os
import pathlib
import re
import time

from app import LOOPBACK, free_port, wait_for
from simulated import Tenant

# A refresh of the largest tenant on a busy machine.
REFRESH_SECONDS = 120
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
# One refresh for the whole run, because only serving is measured; the most agents per request, because pages are not.
SETTINGS = {
    "cooldown": "1h", "max_staleness": "2h", "agents_per_request": 300, "request_timeout": "60s", "refresh_timeout": "2m"
}
# The request headers of each kind of scrape. Prometheus itself asks for OpenMetrics in gzip.
KINDS = {
    "identity": {"Accept": "text/plain;version=0.0.4"},
    "gzip": {"Accept": "text/plain;version=0.0.4", "Accept-Encoding": "gzip"},
    "OpenMetrics, gzip": {"Accept": OPENMETRICS, "Accept-Encoding": "gzip"},
}
# The allocator settings of the systemd unit and the image.
UNIT = pathlib.Path(__file__).parents[2] / "deploy/systemd/cxone-exporter.service"
ALLOCATOR = dict(pair.split("=") for pair in re.search(r"^Environment=(MALLOC_.*)$", UNIT.read_text(), re.M)[1].split())
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

NGINX = """
# As many as the exporter has threads: one a core.
worker_processes {workers};
daemon off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile off;
  tcp_nodelay on;
  etag off;
  server_tokens off;
  # Neither server closes a connection during a run.
  keepalive_requests 1000000000;
  {cache}
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {{
    listen {loopback}:{port};
    types {{}}
{locations}
  }}
}}
"""
LOCATION = """    location = /{place} {{
      alias {file};
      default_type "{content_type}";
      add_header Vary "Accept, Accept-Encoding";
      {encoding}
    }}
"""


class Server:
    """A server of one or several processes."""

    def __init__(self, name, port, pids):
        self.name, self.port, self.pids = name, port, pids

    def cpu_seconds(self):
        """The CPU seconds of all its processes, user and system."""
        return sum(cpu_ticks(pid) for pid in self.pids) / TICKS_A_SECOND

    def memory(self, field):
        """A field of /proc/PID/status of its first process, in bytes."""
        return 1024 * int(status(self.pids[0], field))

    def forget_peak(self):
        """Resets VmHWM, the peak of memory."""
        pathlib.Path(f"/proc/{self.pids[0]}/clear_refs").write_text("5")

    def waits(self):
        """The voluntary context switches of each thread."""
        tasks = (f"{self.pids[0]}/task/{task.name}" for task in pathlib.Path(f"/proc/{self.pids[0]}/task").iterdir())
        return {task: int(status(task, "voluntary_ctxt_switches")) for task in tasks}

    def wake_ups(self, seconds):
        """Voluntary context switches per second while idle, without threads that end meanwhile."""
        before = self.waits()
        time.sleep(seconds)
        after = self.waits()
        return sum(after[task] - before[task] for task in before.keys() & after.keys()) / seconds


def cpu_ticks(pid):
    # The name, in brackets, may hold blanks.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def status(pid, field):
    return re.search(rf"^{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(), re.M)[1]


def fetch(port, path="/metrics", headers=None, timeout=15):
    """A response as received: status, headers, bytes."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def serve(app, name, binary, config):
    """Starts an exporter with this configuration and the allocator settings of the unit; returns port and process id."""
    port = free_port()
    command = [binary, f"--config.file={config}", f"--web.listen-address={LOOPBACK}:{port}"]
    return port, app.start(name, *command, env=os.environ | ALLOCATOR).pid


def start_exporter(app, binary, agents):
    """An exporter with the data of a simulated tenant of `agents` agents, which is stopped afterwards."""
    simulator = free_port()
    app.start("simulator", binary, "simulate", f"--listen-address={LOOPBACK}:{simulator}", f"--agents={agents}")
    config = app.write("config.yml", Tenant(simulator).config(**SETTINGS))
    port, pid = serve(app, "exporter", binary, config)
    # The first scrape may have to wait for the refresh.
    patience = {"X-Prometheus-Scrape-Timeout-Seconds": str(REFRESH_SECONDS)}
    answer = lambda: fetch(port, headers=patience, timeout=REFRESH_SECONDS)[2]
    wait_for("the exporter has data", lambda: app.alive("exporter") and b"\ncxone_up 1\n" in answer(), REFRESH_SECONDS)
    app.stop("simulator")
    return Server("exporter", port, [pid])


def start_nginx(app, exporter, cache):
    """nginx with a file of the exporter's response for each kind of scrape; and the files' lengths."""
    locations, lengths = [], {}
    for place, (kind, asked) in enumerate(KINDS.items()):
        answered, headers, body = fetch(exporter.port, headers=asked)
        assert answered == 200 and headers["Content-Encoding"] == ("gzip" if "gzip" in kind else None), (kind, headers)
        file = app.path / f"answer-{place}"
        file.write_bytes(body)
        lengths[kind] = len(body)
        encoding = 'add_header Content-Encoding "gzip";' if "gzip" in kind else ""
        locations.append(
            LOCATION.format(place=place, file=file, content_type=headers["Content-Type"], encoding=encoding)
        )
    port = free_port()
    # Its workers may be another user's.
    app.path.chmod(0o755)
    caching = "open_file_cache max=16 inactive=1h; open_file_cache_valid 1h;" if cache else ""
    config = app.write(
        "nginx.conf",
        NGINX.format(workers=os.cpu_count(), cache=caching, loopback=LOOPBACK, port=port, locations="".join(locations)),
    )
    master = app.start("nginx", "/usr/sbin/nginx", "-e", "stderr", "-p", app.path, "-c", config)
    for place, (kind, asked) in enumerate(KINDS.items()):
        body = (app.path / f"answer-{place}").read_bytes()
        wait_for(f"nginx serves {kind}", lambda: app.alive("nginx") and fetch(port, f"/{place}")[2] == body)
    children = pathlib.Path(f"/proc/{master.pid}/task/{master.pid}/children").read_text().split()
    return Server("nginx", port, [int(child) for child in children]), lengths
