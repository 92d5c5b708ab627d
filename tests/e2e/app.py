"""Starts and stops the processes of a test: on loopback, each ended by its process id."""

import json
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

LOOPBACK = "127.0.0.1"
# Longer than any request on loopback takes.
PATIENCE_SECONDS = 30
# Below the ports that Linux gives to outgoing connections, so that a chosen port stays free until it is used.
PORTS = range(20000, 32000)


def free_port():
    """A free port."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise AssertionError(f"no free port among a hundred of {PORTS}")


def get(url, headers=None, timeout=PATIENCE_SECONDS):
    """The answer to a GET: status, headers, body as text."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def get_json(url, **parameters):
    """The JSON that a GET with these parameters answers."""
    query = urllib.parse.urlencode(parameters)
    status, _, body = get(f"{url}?{query}" if query else url)
    assert status == 200, f"{url} answered {status}: {body[:500]}"
    return json.loads(body)


def post(url, body=b""):
    """POSTs, and fails unless the answer is a success."""
    request = urllib.request.Request(url, data=body, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()


def wait_for(what, test, seconds=PATIENCE_SECONDS):
    """Calls `test` until it returns a true value, and returns that. `test` may raise meanwhile."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            last = test()
            if last:
                return last
        except (OSError, AssertionError, ValueError) as error:
            last = error
        time.sleep(0.02)
    raise AssertionError(f"timed out after {seconds} s waiting until {what}; last seen: {last!r}")


class TestApp:
    """A temporary folder and its processes, which end with the context."""

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="cxone-exporter-e2e-")
        self.path = pathlib.Path(self.folder.name)
        self.processes = {}
        self.started = time.monotonic()
        return self

    def report(self, text):
        """A line of the report, with the seconds since the start."""
        print(f"{time.monotonic() - self.started:6.1f} s  {text}", flush=True)

    def write(self, name, text, mode=0o600):
        """A file in the folder."""
        path = self.path / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def start(self, name, *command, env=None):
        """Starts a process that logs into the folder."""
        with open(self.path / f"{name}.log", "ab") as log:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.path, env=env
            )
        self.processes[name] = process
        return process

    def alive(self, name):
        """Fails if the process has ended."""
        code = self.processes[name].poll()
        if code is not None:
            raise SystemExit(f"{name} has ended with {code}:\n{self.log(name)}")
        return True

    def stop(self, name, how=signal.SIGTERM):
        """Asks a process to stop and returns its exit code."""
        process = self.processes.pop(name)
        process.send_signal(how)
        return process.wait(PATIENCE_SECONDS)

    def log(self, name):
        """What a process has logged so far."""
        return (self.path / f"{name}.log").read_text(errors="replace")

    def __exit__(self, kind, error, _trace):
        if kind is not None:
            for name in sorted(path.stem for path in self.path.glob("*.log")):
                print(f"--- the last lines of {name}", file=sys.stderr)
                print("\n".join(self.log(name).splitlines()[-30:]), file=sys.stderr)
        for process in self.processes.values():
            process.kill()
            process.wait()
        self.folder.cleanup()
