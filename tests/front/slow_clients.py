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


def words(way, chance):
    """The only bytes that a connection sends."""
    if way == "idle":
        return b""
    if way == "half":
        return HALF_HEAD[: chance.randrange(1, len(HALF_HEAD) + 1)]
    if way == "pipelined":
        return b"".join(chance.choices(NONSENSE, k=PIPELINED)) + chance.randbytes(64)
    assert way == "no-tls", way
    hello = client_hello()
    return chance.choice((
        chance.randbytes(512),
        b"\x16\x03\x01\x40\x00" + chance.randbytes(64),
        hello[: chance.randrange(1, len(hello))],
        # Complete, but the handshake does not continue.
        hello,
        b"GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n",
    ))


def main():
    way, port, connections, rate = sys.argv[1], *map(int, sys.argv[2:5])
    chance = random.Random(1)
    phrases = [words(way, chance) for _ in range(64)]
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
            selector.register(connection, selectors.EVENT_WRITE, phrases[dialled % len(phrases)])
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
