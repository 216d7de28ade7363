# SPDX-License-Identifier: Apache-2.0
"""A client, a gateway and backends behind it: each backend has an address of its own, and says in
every answer who it is and whom it answers."""
import contextlib
import json
import socket
import socketserver
import threading

from harness.net import Namespace, veth
from harness.wait import SLOWNESS

CLIENT = {4: "10.78.1.2", 6: "fd78:1::2"}
SERVICE = {4: "10.78.1.100", 6: "fd78:1::100"}
ROUTER = {4: ("10.78.1.1", "10.78.2.1"), 6: ("fd78:1::1", "fd78:2::1")}
BACKENDS = {4: [f"10.78.2.{10 + i}" for i in range(3)], 6: [f"fd78:2::{10 + i}" for i in range(3)]}
PORT, BACKEND_PORT = 80, 8080
KINDS = {"tcp": (socket.SOCK_STREAM,), "udp": (socket.SOCK_DGRAM,),
         "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP)}     # one-to-one (RFC 6458, 4)


def family_kind(family):
    return socket.AF_INET if family == 4 else socket.AF_INET6


class Cluster:
    """client - gateway - backends, in three namespaces."""
    wire = staticmethod(veth)

    def __init__(self):
        self.stack = contextlib.ExitStack()
        try:
            for name in ("client", "gateway", "backends"):
                setattr(self, name, Namespace(name))
                self.stack.callback(getattr(self, name).delete)
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        self.wire(self.client, "eth0", self.gateway, "lan")
        self.wire(self.gateway, "wan", self.backends, "eth0")
        self.address()

    def address(self):
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                         "net.ipv6.conf.all.forwarding=1")
        for family, bits in ((4, 24), (6, 64)):
            self.give(self.client, "eth0", CLIENT[family], bits)
            for device, address in zip(("lan", "wan"), ROUTER[family]):
                self.give(self.gateway, device, address, bits)
            for address in BACKENDS[family]:
                self.give(self.backends, "eth0", address, bits)
            self.give(self.gateway, "lan", SERVICE[family], 32 if family == 4 else 128)
            # Who forwards asks for neighbours from a link-local address, which none has by itself.
            for end, (place, device) in enumerate(((self.client, "eth0"), (self.gateway, "lan"),
                                                   (self.gateway, "wan"), (self.backends, "eth0"))):
                self.give(place, device, f"fe80::{end + 1}", 64)
            for place, via in ((self.client, ROUTER[family][0]),
                               (self.backends, ROUTER[family][1])):
                place.run("ip", f"-{family}", "route", "add", "default", "via", via)

    def unplug(self, device):
        """Of the gateway; the far end goes with it."""
        self.gateway.run("ip", "link", "del", device)

    def plug(self, device):
        """As it was, but another device."""
        self.wire(self.gateway, device, self.client if device == "lan" else self.backends, "eth0")
        for place in (self.client, self.backends):
            for family in (4, 6):
                place.run("ip", f"-{family}", "route", "del", "default", check=False)
        self.address()

    @staticmethod
    def give(place, device, address, bits):
        nodad = ("nodad",) if ":" in address else ()
        place.run("ip", "addr", "replace", f"{address}/{bits}", "dev", device, *nodad)

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Stream(socketserver.BaseRequestHandler):
    """Says who it is to whom, then sends back what it gets."""

    def handle(self):
        with contextlib.suppress(OSError):
            name = [self.server.server_address[0], *self.client_address[:2]]
            self.request.sendall(json.dumps(name).encode() + b"\n")
            while data := self.request.recv(1 << 20):
                self.request.sendall(data)


class Datagram(socketserver.BaseRequestHandler):
    """Answers with who it is to whom, and what it got behind that."""

    def handle(self):
        data, sock = self.request
        name = [self.server.server_address[0], *self.client_address[:2]]
        with contextlib.suppress(OSError):
            sock.sendto(json.dumps(name).encode() + b"\n" + data, self.client_address)


class StreamServer(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 256


class DatagramServer(socketserver.UDPServer):
    allow_reuse_address, max_packet_size = True, 65535


class AssociationServer(StreamServer):
    def __init__(self, address, handler):
        super().__init__(address, handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(self.address_family, *KINDS["sctp"])
        self.server_bind()
        self.server_activate()


SERVERS = {"tcp": StreamServer, "udp": DatagramServer, "sctp": AssociationServer}


@contextlib.contextmanager
def listening(station, family, address, proto="tcp", port=BACKEND_PORT):
    """A server that answers there, in a thread of this process."""
    handler = Datagram if proto == "udp" else Stream
    made = type("Made", (SERVERS[proto],), {"address_family": family_kind(family)})
    with contextlib.ExitStack() as stack:
        with station.entered():
            server = stack.enter_context(made((address, port), handler))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        stack.callback(thread.join)
        stack.callback(server.shutdown)
        yield


@contextlib.contextmanager
def serving(cluster, family, proto="tcp", which=range(3), port=BACKEND_PORT):
    """Backends that answer."""
    with contextlib.ExitStack() as stack:
        for index in which:
            stack.enter_context(
                listening(cluster.backends, family, BACKENDS[family][index], proto, port))
        yield


class Client:
    """A socket that speaks to the service, or to whom it is told; of the client's station, or of
    the backends' by an address of theirs."""

    def __init__(self, cluster, family, proto="tcp", address=None, port=PORT, seconds=10,
                 own=None):
        station = cluster.backends if own else cluster.client
        self.sock = station.socket(family_kind(family), *KINDS[proto])
        self.sock.settimeout(seconds * SLOWNESS)
        try:
            if own or proto == "sctp":      # it would tell of all others that the host has
                self.sock.bind((own or CLIENT[family], 0))
            self.sock.connect((address or SERVICE[family], port))
        except BaseException:
            self.sock.close()
            raise
        self.own = list(self.sock.getsockname()[:2])
        self.backend = self.peer = None
        if proto != "udp":
            self.learn(self.line())

    def learn(self, line):
        self.backend, *self.peer = json.loads(line)

    def line(self):
        data = b""
        while not data.endswith(b"\n"):
            data += self.sock.recv(1) or b"\n"
        return data

    def exactly(self, count):
        data = bytearray()
        while len(data) < count:
            more = self.sock.recv(count - len(data))
            assert more, f"ends behind {len(data)} of {count} bytes"
            data += more
        return bytes(data)

    def echoes(self, text):
        """What is sent to a stream comes back."""
        thread = threading.Thread(target=self.sock.sendall, args=(text,))
        thread.start()
        back = self.exactly(len(text))
        thread.join()
        return back == text

    def ask(self, text=b""):
        """What a datagram brings back, behind who answers."""
        self.sock.send(text)
        line, back = self.sock.recv(65535).split(b"\n", 1)
        self.learn(line)
        return back

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
