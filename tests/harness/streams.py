# SPDX-License-Identifier: Apache-2.0
"""Connections between stations, what goes over them checked by hash, and what the kernel says of
them."""
import contextlib
import hashlib
import socket
import struct
import threading

from harness.wait import SLOWNESS

PORT = 8080


def kind_of(family):
    return socket.AF_INET if family == 4 else socket.AF_INET6


@contextlib.contextmanager
def listening(station, family, port=PORT):
    with station.socket(kind_of(family), socket.SOCK_STREAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == 6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind(("", port))
        server.listen(64)
        server.settimeout(20 * SLOWNESS)
        yield server


def connecting(station, address, port=PORT, seconds=20):
    client = station.socket(socket.AF_INET6 if ":" in address else socket.AF_INET,
                            socket.SOCK_STREAM)
    client.settimeout(seconds * SLOWNESS)
    client.connect((address, port))
    return client


def receive(sock, count):
    data = bytearray()
    while len(data) < count:
        more = sock.recv(min(count - len(data), 1 << 20))
        assert more, f"ends behind {len(data)} of {count} bytes"
        data += more
    return bytes(data)


def transfer(sender, receiver, text):
    """What is sent arrives as it was."""
    thread = threading.Thread(target=sender.sendall, args=(text,))
    thread.start()
    got = receive(receiver, len(text))
    thread.join()
    assert hashlib.sha256(got).digest() == hashlib.sha256(text).digest()


def both_ways(client, accepted, text):
    transfer(client, accepted, text)
    transfer(accepted, client, text)


def options(connection):
    """What the kernel says of it (struct tcp_info)."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return {"timestamps": info[5] & 1, "sack": info[5] >> 1 & 1, "scaled": info[5] >> 2 & 1,
            "send scale": info[6] & 15, "receive scale": info[6] >> 4,
            "mss": struct.unpack_from("I", info, 16)[0],
            "advertised": struct.unpack_from("I", info, 84)[0]}


def sent_again(connection):
    """Segments that it had to."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return struct.unpack_from("I", info, 100)[0]
