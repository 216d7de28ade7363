# SPDX-License-Identifier: Apache-2.0
"""Weir on a gateway or a host of a Chain, with the rules a person would write and a default policy
that denies. Tests import the fixtures `chain`, `home` and `site`."""
import collections
import json
import os

import pytest

from harness.chain import Chain, client_address, server_address
from harness.daemon import Daemon
from harness.programs import DNS, IPERF, SSH, WEB, Home
from harness.wait import SLOWNESS, wait_for

# Reports of multicast groups come whenever a kernel likes; without these nothing is by chance.
LISTENERS = {"name": "listeners", "proto": "icmpv6", "icmp-type": "130-132, 143",
             "action": "allow"}
INSIDE = {"name": "inside", "interface": "lan", "direction": "ingress", "state": "new",
          "action": "allow"}
ONWARD = {"name": "onward", "interface": "wan", "direction": "egress", "state": "new",
          "action": "allow"}
SERVICES = [{"name": name, "direction": "ingress", "proto": proto, "dport": str(port),
             "action": "allow"} for name, proto, port in (
    ("ssh", "tcp", SSH), ("web", "tcp", WEB), ("dns", "udp", DNS), ("dns-tcp", "tcp", DNS),
    ("iperf", "tcp", IPERF), ("iperf-udp", "udp", IPERF))]
PING = {"name": "ping", "direction": "ingress", "icmp-type": "echo-request", "action": "allow"}

# where: the station with Weir; from, to: who asks whom.
Place = collections.namedtuple("Place", "where hook asker answerer rules egress")
PLACES = {
    "gateway-xdp": Place("gateway", "xdp", "client", "server", [INSIDE], "allow"),
    # The other way to write it: what leaves is denied, too, but for what may.
    "gateway-tc": Place("gateway", "tc", "client", "server", [INSIDE, ONWARD], "deny"),
    "host-asks-xdp": Place("client", "xdp", "client", "server", [], "allow"),
    "host-asks-tc": Place("client", "tc", "client", "server", [SERVICES[0]], "allow"),
    "host-serves-xdp": Place("client", "xdp", "server", "client", [*SERVICES, PING], "allow"),
    "host-serves-tc": Place("client", "tc", "server", "client", [*SERVICES, PING], "allow"),
}


def configured(hook, devices, rules, egress="allow", **conntrack):
    rows = [LISTENERS, *rules]
    policy = [{"interface": "*", "ingress": "deny", "egress": egress}]
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in devices]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"rules: {json.dumps({'policy': policy, 'rules': rows})}\n"
            f"conntrack: {json.dumps(conntrack)}\n")


class Site:
    """A daemon on one of the stations of a chain."""

    def __init__(self, chain, place, **conntrack):
        self.chain, self.place, self.conntrack = chain, place, conntrack
        self.where = getattr(chain, place.where)
        self.asker, self.answerer = (getattr(chain, name) for name in (place.asker,
                                                                       place.answerer))
        self.daemon = Daemon(self.where, config=self.config(place.rules))

    def config(self, rules):
        devices = ["lan", "wan"] if self.place.where == "gateway" else ["eth0"]
        return configured(self.place.hook, devices, rules, self.place.egress,
                          **self.conntrack)

    def load(self, rules):
        """By SIGHUP: without the look of `apply`, which takes longer than a transfer."""
        revision = self.daemon.status()["revision"]
        self.daemon.reload(self.config(rules))
        wait_for(lambda: self.daemon.status()["revision"] > revision, "it is live")

    def target(self, family):
        """The answerer's address."""
        return (server_address if self.place.answerer == "server" else client_address)(family)

    def source(self, family):
        return (client_address if self.place.answerer == "server" else server_address)(family)

    def dropped(self):
        """Packets dropped, by reason."""
        return {reason: count for reason, count in self.daemon.reasons().items()
                if reason.startswith("drop_")}

    def drops(self):
        return sum(self.dropped().values())

    def asks(self, *words, **options):
        """Runs a client; gives what it printed."""
        return self.asker.run("timeout", 40 * SLOWNESS, *words, **options).stdout

    def __enter__(self):
        self.daemon.start()
        return self

    def __exit__(self, *_):
        self.daemon.close()


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture(scope="module")
def home():
    with Home() as made:
        yield made


@pytest.fixture(scope="module")
def serving(chain, home):
    """All servers at both ends."""
    ports = (WEB, SSH, DNS, IPERF)
    with home.serving(chain.client, *ports), home.serving(chain.server, *ports):
        yield home


# An emulated kernel is slow, and differs from others in what its hooks are given: one of each.
WANTED = ["gateway-xdp", "host-serves-tc"] if os.environ.get("WEIR_GUEST") else list(PLACES)


def wanted(*names):
    return [name for name in names if name in WANTED]


@pytest.fixture(scope="module", params=WANTED)
def site(request, chain, serving):
    with Site(chain, PLACES[request.param]) as made:
        yield made
