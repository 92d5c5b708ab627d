"""A client that holds connections open without complete requests, until it is killed.

    slow_clients.py MODE PORT CONNECTIONS DIALS-A-SECOND

Closed connections are replaced. Twice a second it prints the numbers of opened and open connections and of received bytes.
"""

import errno
import random
import selectors
import socket
import ssl
import sys
import time

# Connections are opened one by one rather than in bursts.
TICK_SECONDS = 0.002
REPORT_SECONDS = 0.5

HALF_HEAD = b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Long: "
NONSENSE = (
    b"GET /nonsense HTTP/1.1\r\nHost: x\r\n\r\n",
    b"BREW /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /probe?target=unknown&target=%ff HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
)
# Number of pipelined requests, followed by bytes that are not HTTP.
PIPELINED = 64


def client_hello():
    """A TLS ClientHello."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def payload(mode, rng):
    """The only bytes that a connection sends."""
    if mode == "idle":
        return b""
    if mode == "half":
        return HALF_HEAD[: rng.randrange(1, len(HALF_HEAD) + 1)]
    if mode == "pipelined":
        return b"".join(rng.choices(NONSENSE, k=PIPELINED)) + rng.randbytes(64)
    assert mode == "no-tls", mode
    hello = client_hello()
    return rng.choice((
        rng.randbytes(512),
        b"\x16\x03\x01\x40\x00" + rng.randbytes(64),
        hello[: rng.randrange(1, len(hello))],
        # Complete, but the handshake does not continue.
        hello,
        b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n",
    ))


def main():
    mode, port, connections, rate = sys.argv[1], *map(int, sys.argv[2:5])
    rng = random.Random(1)
    payloads = [payload(mode, rng) for _ in range(64)]
    selector, dialled, received = selectors.DefaultSelector(), 0, 0
    started = reported = time.monotonic()
    while True:
        now = time.monotonic()
        due = min(int((now - started) * rate) - dialled, connections - len(selector.get_map()))
        for _ in range(due):
            connection = socket.socket()
            connection.setblocking(False)
            code = connection.connect_ex(("127.0.0.1", port))
            assert code in (0, errno.EINPROGRESS), errno.errorcode[code]
            # The data is sent once the connection is established.
            selector.register(connection, selectors.EVENT_WRITE, payloads[dialled % len(payloads)])
            dialled += 1
        for key, events in selector.select(TICK_SECONDS):
            try:
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(key.data)
                    selector.modify(key.fileobj, selectors.EVENT_READ)
                    continue
                part = key.fileobj.recv(65536)
                received += len(part)
                if part:
                    continue
            except OSError:
                pass
            selector.unregister(key.fileobj)
            key.fileobj.close()
        if now - reported >= REPORT_SECONDS:
            reported = now
            print(dialled, len(selector.get_map()), received, flush=True)


main()
