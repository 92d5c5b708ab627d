"""A TCP proxy between the exporter and its tenant that records requests and answers, independently of both.
"""

import email.utils
import re
import socket
import threading
import time

from app import LOOPBACK, wait_for

REQUEST = re.compile(rb"(GET|POST) (/\S*) HTTP/1\.1\r\n")
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
RETRY_AFTER = re.compile(rb"\r\nretry-after: *([^\r\n]+)", re.I)


class Request:
    """A request that came by: when (by the time of day), for what, and how it was answered if it was."""

    def __init__(self, path):
        self.at, self.path = time.time(), path
        self.status, self.answered_at, self.wait_ends = None, None, None

    @property
    def is_presence(self):
        return b"/agent-presence" in self.path

    @property
    def is_first_page(self):
        return self.is_presence and b"nextPageToken" not in self.path


class Tap:
    """Listens on a port of its own and passes on to `target_port`."""

    def __init__(self, target_port):
        self.target = (LOOPBACK, target_port)
        self.lock, self.requests = threading.Lock(), []
        self.accepted, self.open = set(), 0
        self.listener = socket.create_server((LOOPBACK, 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, (_, port) = self.listener.accept()
            try:
                tenant = socket.create_connection(self.target)
            except OSError:
                client.close()
                continue
            with self.lock:
                self.accepted.add(port)
                self.open += 1
            # One request at a time is under way on a connection, so the last one noted is the one that is answered.
            threading.Thread(target=self.connection, args=(client, tenant, []), daemon=True).start()

    def connection(self, client, tenant, notes):
        back = threading.Thread(target=self.pass_on, args=(tenant, client, self.answered, notes), daemon=True)
        back.start()
        self.pass_on(client, tenant, self.asked, notes)
        back.join()
        with self.lock:
            self.open -= 1

    def settle(self):
        """Waits until all that was sent by an exporter that is dead has come by, so that it is not attributed to the next one."""
        # Connections are accepted in their order, so once this one is, all of those before are.
        with socket.create_connection((LOOPBACK, self.port)) as last:
            port = last.getsockname()[1]
            wait_for("the tap accepts", lambda: port in self.accepted)
        wait_for("the tap has nothing under way", lambda: self.open == 0)

    def pass_on(self, source, sink, note, notes):
        try:
            while piece := source.recv(64 * 1024):
                note(piece, notes)
                sink.sendall(piece)
        except OSError:
            pass
        # Either end that closes, closes both, and a cut stays a cut.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def asked(self, piece, notes):
        if match := REQUEST.match(piece):
            request = Request(match[2])
            notes.append(request)
            with self.lock:
                self.requests.append(request)

    def answered(self, piece, notes):
        request = notes[-1] if notes else None
        if request is None or request.status is not None or not (match := STATUS.match(piece)):
            return
        request.status, request.answered_at = int(match[1]), time.time()
        head = piece.partition(b"\r\n\r\n")[0]
        if match := RETRY_AFTER.search(head):
            request.wait_ends = wait_end(match[1].decode())

    def log(self):
        with self.lock:
            return list(self.requests)


def wait_end(retry_after):
    """The time of day at which a `Retry-After` that is read now ends."""
    if retry_after.isdigit():
        return time.time() + int(retry_after)
    return email.utils.parsedate_to_datetime(retry_after).timestamp()
