# SPDX-License-Identifier: Apache-2.0
"""Conversations that have begun, so that it shows when one is cut."""
import contextlib
import select
import socket
import time

from harness.clients import family_of
from harness.wait import SLOWNESS, wait_for

PORT = 20000
WORD_BYTES = 64


class Conversation:
    """Two sockets, connected: one says a word, the other says it back."""

    def __init__(self, name, one, other):
        self.name, self.one, self.other, self.said = name, one, other, 0
        self.is_datagram = one.type == socket.SOCK_DGRAM
        self.word = b""

    def begin(self):
        self.said += 1
        self.word = f"{self.name} {self.said}".encode().ljust(WORD_BYTES)
        self.one.send(self.word)

    def end(self, deadline):
        for sock in (self.other, self.one):
            left = max(0, deadline - time.monotonic())
            assert select.select([sock], [], [], left)[0], f"{self.name}: no word {self.said}"
            assert sock.recv(WORD_BYTES) == self.word
            if sock is self.other:
                self.other.send(self.word)


class Talk:
    """Conversations between both sides of a pair: TCP and UDP, both families, begun on either."""

    def __init__(self, pair, each=1, port=PORT):
        self.stack = contextlib.ExitStack()
        self.all = []
        for way, client, server, to in (("in", pair.outside, pair.inside, "inside"),
                                        ("out", pair.inside, pair.outside, "outside")):
            for version in ("v4", "v6"):
                for number in range(port, port + each):
                    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                        self.all.append(self.meet(
                            f"{way} {version} {kind.name} {number}", client, server,
                            (getattr(pair, f"{to}_{version}"), number), kind))
        self.go_on()        # so that all have proven themselves

    def meet(self, name, client, server, address, kind):
        here = self.stack.enter_context(server.socket(family_of(address[0]), kind))
        there = self.stack.enter_context(client.socket(family_of(address[0]), kind))
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        here.bind(address)
        for sock in (here, there):
            sock.settimeout(10 * SLOWNESS)
        if kind == socket.SOCK_STREAM:
            here.listen()
            there.connect(address)
            return Conversation(name, there, self.stack.enter_context(here.accept()[0]))
        there.connect(address)
        there.send(b"hello")
        here.connect(here.recvfrom(WORD_BYTES)[1])
        return Conversation(name, there, here)

    def go_on(self, seconds=10):
        """Each says a word and hears it. What is dropped of UDP is sent again by nobody; of TCP it
        is, so count what is dropped, too."""
        for conversation in self.all:
            conversation.begin()
        deadline = time.monotonic() + seconds * SLOWNESS
        for conversation in self.all:
            conversation.end(deadline)

    def fall_silent(self):
        """Until what was said is acknowledged: then nothing is under way."""
        wait_for(lambda: all(conversation.is_datagram or not unacknowledged(sock)
                             for conversation in self.all
                             for sock in (conversation.one, conversation.other)), "silence")

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def converse(pair, port):
    """A connection of one client port, which the server closes first: it may begin anew at once."""
    client = pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM)
    with pair.inside.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
        for sock, address in ((client, (pair.outside_v4, port)), (server, (pair.inside_v4, 80))):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.settimeout(10 * SLOWNESS)
            sock.bind(address)
        server.listen()
        client.connect((pair.inside_v4, 80))
        return client, server.accept()[0]


def unacknowledged(sock):
    """Segments, as TCP_INFO (tcpi_unacked) has them."""
    return int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)[24:28], "little")
