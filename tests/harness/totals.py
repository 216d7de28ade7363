# SPDX-License-Identifier: Apache-2.0
"""Flows through a gateway that a script sends, and what each of them carried."""
import collections
import contextlib
import random

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from harness.daemon import Daemon
from harness.gateway import Gateway

SEED = random.SystemRandom().randrange(1 << 32)
LINK_HEADER = 14
HOSTS = {4: ([f"198.18.{net}.{host}" for net in (1, 2) for host in (1, 2, 130)],
             [f"198.19.{net}.{host}" for net in (1, 2) for host in (1, 2)]),
         6: ([f"2001:db8:a:{net}::{host}" for net in (1, 2) for host in (1, 2)],
             [f"2001:db8:b:{net}::{host}" for net in (1, 2) for host in (1, 2)])}
PORTS = (53, 123, 443)

# Of a flow, from whom it began: its ends, and what was sent (0) and came back (1).
Told = collections.namedtuple("Told", "proto src sport dst dport packets bytes")


def config(more="", account=True):
    return ("api: {listen: off}\n"
            "interfaces: [{name: left, egress: true}, {name: right, egress: true}]\n"
            f"conntrack: {{enabled: true, account: {str(account).lower()}, capacity: 4096, "
            f"half-open: 4096{more}}}\n")


def packet(family, proto, ends, ports, size):
    layer = {4: IP, 6: IPv6}[family](src=ends[0], dst=ends[1])
    if proto == "icmp":
        return bytes(layer / ICMP(type=8 if ports[0] < ports[1] else 0, id=7) / Raw(b"x" * size))
    return bytes(layer / UDP(sport=ports[0], dport=ports[1]) / Raw(b"x" * size))


class Talk:
    """Flows through a gateway, each with ends and ports of its own; what they carried is told."""

    def __init__(self, gateway):
        self.gateway, self.rng, self.flows, self.port = gateway, random.Random(SEED), [], 20000

    def flow(self, family, left, right, dport, sizes):
        """One datagram there, then those of `sizes` either way."""
        sport = self.port = self.port + 1
        packets, size, steps = [0, 0], [0, 0], []
        for number, length in enumerate(sizes):
            back = number > 0 and self.rng.random() < 0.5
            ends, ports = ((left, right), (sport, dport)) if not back else \
                ((right, left), (dport, sport))
            made = packet(family, "udp", ends, ports, length)
            steps.append(("right" if back else "left", made))
            packets[back] += 1
            size[back] += len(made) + LINK_HEADER
        self.gateway.pass_through(steps)
        self.flows.append(Told("udp", left, sport, right, dport, packets, size))

    def ping(self, left, right):
        made = packet(4, "icmp", (left, right), (0, 1), 56)
        self.gateway.pass_through([("left", made)])
        self.flows.append(Told("icmp", left, None, right, None, [1, 0],
                               [len(made) + LINK_HEADER, 0]))

    def some(self, count=40):
        for _ in range(count):
            family = self.rng.choice((4, 6))
            left, right = (self.rng.choice(hosts) for hosts in HOSTS[family])
            self.flow(family, left, right, self.rng.choice(PORTS),
                      [self.rng.randrange(3000) for _ in range(self.rng.randrange(1, 6))])


@contextlib.contextmanager
def talking(more="", **options):
    gateway = Gateway("totals")
    try:
        with Daemon(gateway.inside, config=config(more, **options)) as daemon:
            print(f"seed {SEED}")
            yield daemon, Talk(gateway)
    finally:
        gateway.close()
