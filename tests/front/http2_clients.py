"""A client that holds HTTP/2 connections and does not let their responses be sent, until it is killed.

    http2_clients.py MODE PORT CONNECTIONS DIALS-A-SECOND

`no-window` never opens the window of a stream; `slow-window` opens it by one byte every second. Closed connections are
replaced. Twice a second it prints the numbers of opened and open connections and of received bytes.
"""

import selectors
import socket
import ssl
import struct
import sys
import time

REPORT_SECONDS = 0.5
HANDSHAKE_SECONDS = 5
STREAMS = (1, 3, 5, 7)
SETTINGS, HEADERS, WINDOW_UPDATE = 4, 1, 8
END_STREAM_AND_HEADERS = 0x5
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload):
    """A frame. Source: RFC 9113, section 4.1."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(text):
    return bytes((len(text),)) + text.encode()


# GET https://localhost/metrics. Source: RFC 7541, appendix A, and literal fields without indexing.
HEADER_BLOCK = b"\x82\x87\x04" + literal("/metrics") + b"\x01" + literal("localhost")
OPENING = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + frame(SETTINGS, 0, 0, struct.pack(">HI", INITIAL_WINDOW_SIZE, 0))
    + b"".join(frame(HEADERS, END_STREAM_AND_HEADERS, stream, HEADER_BLOCK) for stream in STREAMS)
)
ONE_BYTE = b"".join(frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", 1)) for stream in STREAMS)


def connect(context, port):
    """A connection with its requests; `None` if the server does not accept it."""
    try:
        plain = socket.create_connection(("127.0.0.1", port), timeout=HANDSHAKE_SECONDS)
        connection = context.wrap_socket(plain, server_hostname="localhost")
        connection.sendall(OPENING)
        connection.setblocking(False)
        return connection
    except OSError:
        return None


def read(connection):
    """The number of bytes received; `None` if the connection is closed."""
    received = 0
    try:
        while part := connection.recv(65536):
            received += len(part)
        return None
    except ssl.SSLWantReadError:
        return received
    except OSError:
        return None


def main():
    mode, port, connections, rate = sys.argv[1], *map(int, sys.argv[2:5])
    assert mode in ("no-window", "slow-window"), mode
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    selector, dialled, received = selectors.DefaultSelector(), 0, 0
    started = reported = opened = time.monotonic()
    while True:
        now = time.monotonic()
        if len(selector.get_map()) < connections and dialled < (now - started) * rate:
            dialled += 1
            if connection := connect(context, port):
                selector.register(connection, selectors.EVENT_READ)
            timeout = 0
        else:
            timeout = 0.01
        for key, _ in selector.select(timeout):
            count = read(key.fileobj)
            received += count or 0
            if count is None:
                selector.unregister(key.fileobj)
                key.fileobj.close()
        if mode == "slow-window" and now - opened >= 1:
            opened = now
            for key in list(selector.get_map().values()):
                try:
                    key.fileobj.send(ONE_BYTE)
                except OSError:
                    pass
        if now - reported >= REPORT_SECONDS:
            reported = now
            print(dialled, len(selector.get_map()), received, flush=True)


main()
