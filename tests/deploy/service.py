"""Starts the service as systemd would, by the command line of the unit itself, against a simulated tenant.

It gets a listening socket, a notification socket, a watchdog and a state directory, and no privileges. Arguments: the
binary and the unit file. Everything is on loopback, and ends within a minute.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
UNPRIVILEGED_ID = 65534
# How long anything may take; a scrape that refreshes has as long.
PATIENCE = 15.0
# Short, so that a missing keep-alive is seen soon; the unit's own is longer.
WATCHDOG = 4.0


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def until(what, condition):
    """The first true result of `condition`, asked again and again for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.05)
    sys.exit(f"never happened: {what}")


def accepts(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def get(url):
    request = urllib.request.Request(url, headers={"X-Prometheus-Scrape-Timeout-Seconds": str(PATIENCE)})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.read().decode()


def value(metrics, name):
    match = re.search(rf"^{name} (\S+)$", metrics, re.MULTILINE)
    return float(match[1]) if match else None


@contextmanager
def process(command, **options):
    """Runs the command, and ends it in the end."""
    running = subprocess.Popen(command, **options)
    try:
        yield running
    finally:
        if running.poll() is None:
            running.kill()
        running.wait()


class Notifications:
    """What a service says on its notification socket."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o777)

    def expect(self, line):
        self.socket.settimeout(PATIENCE)
        seen = []
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                lines = self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
            if line in lines:
                return
            seen += lines
        sys.exit(f"the service never said {line}, only {seen}")


def exec_start(unit, binary, config, state):
    """The unit's own command line, with this machine's paths."""
    line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)[1]
    line = line.replace("/usr/bin/cxone-exporter", binary).replace("/etc/cxone-exporter/config.yml", str(config))
    return shlex.split(line.replace("${STATE_DIRECTORY}", str(state)).replace("$ARGS", ""))


def unprivileged(command):
    """As the unit has it: another user, no capabilities, none to be gained."""
    if os.getuid() != 0:
        return command
    ids = [f"--reuid={UNPRIVILEGED_ID}", f"--regid={UNPRIVILEGED_ID}", "--clear-groups"]
    return ["setpriv", *ids, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", *command]


@contextmanager
def service(command, listener, notify_path, log):
    """The command with a socket on descriptor 3. `exec` keeps the process id, which LISTEN_PID must name."""
    environment = {
        "PATH": os.environ["PATH"],
        "LISTEN_FDS": "1",
        "NOTIFY_SOCKET": notify_path,
        "WATCHDOG_USEC": str(int(WATCHDOG * 1e6)),
    }
    script = 'export LISTEN_PID=$$ WATCHDOG_PID=$$; exec "$@"'
    with process(
        ["sh", "-c", script, "sh", *unprivileged(command)],
        env=environment, stderr=log, close_fds=False, preexec_fn=lambda: os.dup2(listener.fileno(), 3),
    ) as running:
        yield running


def settings(tenant, directory):
    """The configuration of the Compose example, asking this tenant."""
    config = yaml.safe_load((TOP / "deploy/compose/exporter/config.yml").read_text())
    secret = directory / "client-secret"
    secret.write_text((TOP / "deploy/compose/exporter/client-secret").read_text())
    config["tenants"][0] |= {"base_url": f"http://{tenant}", "client_secret_file": str(secret)}
    return config


def exercise(binary, unit, directory):
    tenant, state, file = free_address(), directory / "state", directory / "config.yml"
    state.mkdir()
    config = settings(tenant, directory)
    file.write_text(yaml.safe_dump(config))
    for path in (directory, *directory.iterdir()):
        os.chown(path, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
    notifications = Notifications(directory)
    listener = socket.create_server(("127.0.0.1", 0))
    base = "http://127.0.0.1:%d" % listener.getsockname()[1]
    command = exec_start(unit, binary, file, state)

    with open(directory / "log", "wb") as log, \
            process([binary, "simulate", f"--listen-address={tenant}"], stdout=log, stderr=log), \
            service(command, listener, notifications.path, log) as running:
        notifications.expect("READY=1")
        until("the tenant listens", lambda: accepts(tenant))
        get(f"{base}/-/healthy")
        get(f"{base}/-/ready")

        metrics = get(f"{base}/metrics")
        agents = len(set(re.findall(r'^cxone_agent_state_seconds\{[^}]*agent="([^"]+)"', metrics, re.MULTILINE)))
        if value(metrics, "cxone_up") != 1 or agents != len(config["tenants"][0]["agents"]):
            sys.exit(f"cxone_up is {value(metrics, 'cxone_up')}, agents with data: {agents}\n{metrics}")
        if not any(state.iterdir()):
            sys.exit("nothing was saved in the state directory")
        subprocess.run([binary, "healthcheck", f"{base}/-/healthy"], check=True, timeout=PATIENCE)

        notifications.expect("WATCHDOG=1")

        def reloaded():
            return value(get(f"{base}/metrics"), "cxone_exporter_config_last_reload_successful")

        file.write_text("tenants: [{}]\n")
        running.send_signal(signal.SIGHUP)
        until("a bad file is refused", lambda: reloaded() == 0)
        file.write_text(yaml.safe_dump(config))
        running.send_signal(signal.SIGHUP)
        until("a good file is taken", lambda: reloaded() == 1)

        running.terminate()
        if (code := running.wait(timeout=PATIENCE)) != 0:
            sys.exit(f"exit code after SIGTERM: {code}")

    file.write_text("tenants: [{}]\n")
    code = subprocess.run(command, stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode
    if code != 2:
        sys.exit(f"exit code with a bad configuration: {code}, but the unit counts on 2")
    print(f"{agents} agents, reload, watchdog, exit codes")


def main():
    binary, unit = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as directory:
        try:
            exercise(binary, unit, Path(directory))
        except (SystemExit, Exception):
            log = Path(directory) / "log"
            print(log.read_text() if log.exists() else "", file=sys.stderr)
            raise


main()
