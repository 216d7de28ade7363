# SPDX-License-Identifier: Apache-2.0
"""A client, a gateway, and backends that all have the service's address and answer the client by a
way of their own, past the gateway."""
import contextlib
import json
import threading

from harness.cluster import (CLIENT, PORT, ROUTER, SERVERS, SERVICE, Cluster, Stream,
                             family_kind)
from harness.daemon import HELPERS
from harness.net import Namespace

COUNT = 2
BITS = {4: 24, 6: 64}
HOST = {4: 32, 6: 128}
# The link between the gateway and backend N, and that between it and the client.
TUNNELS = {4: "10.78.{}.{}", 6: "fd78:{}::{}"}


def front(number, family, end=2):
    """Backend `number`, where the gateway sees it; end 1: the gateway itself there."""
    return TUNNELS[family].format(20 + number, end)


def back(number, family, end=2):
    """Likewise on its way to the client."""
    return TUNNELS[family].format(40 + number, end)


class Direct(Cluster):
    """client - gateway - backends, and each of them - client."""
    count = COUNT

    def address(self):
        self.gateway.run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                         "net.ipv6.conf.all.forwarding=1")
        self.client.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0",
                        "net.ipv4.conf.default.rp_filter=0")
        self.address_lan()
        self.members = [self.member(number) for number in range(self.count)]

    def address_lan(self):
        for family, bits in BITS.items():
            self.give(self.client, "eth0", CLIENT[family], bits)
            self.give(self.gateway, "lan", ROUTER[family][0], bits)
            self.give(self.gateway, "lan", SERVICE[family], HOST[family])
        self.link_local((self.client, "eth0"), (self.gateway, "lan"))

    def member(self, number):
        made = Namespace(f"backend{number}")
        self.stack.callback(made.delete)
        self.wire(self.client, f"back{number}", made, "back")
        self.plug_front(made, number)
        for family, bits in BITS.items():
            self.give(self.client, f"back{number}", back(number, family, 1), bits)
            self.give(made, "back", back(number, family), bits)
            made.run("ip", f"-{family}", "route", "add", CLIENT[family], "via",
                     back(number, family, 1))
        self.link_local((self.client, f"back{number}"), (made, "back"))
        self.prepare(made)
        return made

    def prepare(self, made):
        """It answers by the service's address, and nobody's question who has it."""
        made.run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0",
                 "net.ipv4.conf.front.rp_filter=0", "net.ipv4.conf.all.arp_ignore=1")
        for family in BITS:
            self.give(made, "lo", SERVICE[family], HOST[family])

    def link_local(self, *ends):
        """Who sends from an address of another device asks for neighbours from such a one."""
        for number, (place, device) in enumerate(ends, 1):
            self.give(place, device, f"fe80::{number}", 64)

    def plug_front(self, made, number):
        """The link between the gateway and a backend."""
        self.wire(self.gateway, f"wan{number}", made, "front")
        for family, bits in BITS.items():
            self.give(self.gateway, f"wan{number}", front(number, family, 1), bits)
            self.give(made, "front", front(number, family), bits)
        self.link_local((self.gateway, f"wan{number}"), (made, "front"))
        made.run("tc", "qdisc", "add", "dev", "front", "clsact")

    @staticmethod
    def unwrap(made):
        made.run("tc", "filter", "add", "dev", "front", "ingress", "bpf", "da", "object-file",
                 HELPERS / "decap.bpf.o", "section", "tc")

    @contextlib.contextmanager
    def unwrapping(self):
        """Backends take outer headers away."""
        for made in self.members:
            self.unwrap(made)
        try:
            yield
        finally:
            for made in self.members:
                made.run("tc", "filter", "del", "dev", "front", "ingress")


@contextlib.contextmanager
def wider(cluster):
    """The ways to backends take what is added to a packet of full size."""
    def switch(mtu):
        for number, member in enumerate(cluster.members):
            cluster.gateway.run("ip", "link", "set", f"wan{number}", "mtu", mtu)
            member.run("ip", "link", "set", "front", "mtu", mtu)

    switch(1560)
    try:
        yield
    finally:
        switch(1500)


class NamedStream(Stream):
    def handle(self):
        with contextlib.suppress(OSError):
            name = [self.server.number, *self.client_address[:2]]
            self.request.sendall(json.dumps(name).encode() + b"\n")
            while data := self.request.recv(1 << 20):
                self.request.sendall(data)


class NamedDatagram(Stream):
    def handle(self):
        data, sock = self.request
        name = [self.server.number, *self.client_address[:2]]
        with contextlib.suppress(OSError):
            sock.sendto(json.dumps(name).encode() + b"\n" + data, self.client_address)


@contextlib.contextmanager
def serving(cluster, family, proto="tcp", port=PORT):
    """Each backend answers on the service's address, by its number."""
    handler = NamedDatagram if proto == "udp" else NamedStream
    with contextlib.ExitStack() as stack:
        for number, member in enumerate(cluster.members):
            made = type("Made", (SERVERS[proto],), {"address_family": family_kind(family),
                                                    "number": number})
            with member.entered():
                server = stack.enter_context(made((SERVICE[family], port), handler))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield
