# SPDX-License-Identifier: Apache-2.0
"""A router's error about a connection goes to the backend that has it, of several; also where a new
one would be given to another since weights have changed. Every byte is scapy's."""
import collections
import json
import pathlib
import sys

import pytest

from e2e.balance_bytes_test import (BACKEND_PORT, CLIENT, PORT, ROUTER, SERVICE, error, packet,
                                    udp)
from harness.daemon import Daemon
from harness.far_gateway import FarGateway
from harness.kernel import by_hook

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
from encap_frames import GUE, IPIP, L2, around, flow_hash, one_hop_on  # noqa: E402
from nat_frames import Ends  # noqa: E402

# Each behind a next hop of its own, so that the link address tells of whom a packet is by l2.
BACKENDS = {4: [f"198.19.0.{10 + at}" for at in range(3)],
            6: [f"2001:db8:b::{10 + at}" for at in range(3)]}
HOPS = {4: [f"192.0.2.{20 + at}" for at in range(3)], 6: [f"fd77:b::{20 + at}" for at in range(3)]}
MACS = [bytes.fromhex(f"020000000c0{at}") for at in range(3)]
SOURCE = {4: "198.19.77.1", 6: "2001:db8:b:77::1"}
FORWARDS = {"nat": None, "l2": L2, "ipip": IPIP, "gue": GUE}
ICMP_PROTO = {4: 1, 6: 58}
OWNS = range(41000, 41012)
HEAVY = 200             # the weight of one, so that nearly all that is new is his
Way = collections.namedtuple("Way", "gateway daemon family forward hook")


def config(hook, family, forward, weights=(1, 1, 1)):
    port = {"port": BACKEND_PORT} if forward == "nat" else {}
    service = {"name": "three", "address": SERVICE[family], "port": PORT, "proto": "udp",
               "forward": forward, "backends": [
                   {"address": address, "weight": weight, **port}
                   for address, weight in zip(BACKENDS[family], weights)]}
    section = {"services": [service], "tunnel-source": SOURCE[4], "tunnel-source6": SOURCE[6],
               "shortcut": "xdp" if hook == "xdp" else "none"}
    interfaces = [{"name": name, "hook": hook} for name in ("left", "right")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps(section)}\n")


@pytest.fixture(scope="module")
def gateway():
    with FarGateway("errors") as made:
        for family, hops in HOPS.items():
            for hop, mac, backend in zip(hops, MACS, BACKENDS[family]):
                made.inside.run("ip", f"-{family}", "neigh", "replace", hop, "lladdr", mac.hex(":"),
                                "dev", "right", "nud", "permanent")
                made.inside.run("ip", f"-{family}", "route", "add", backend, "via", hop, "dev",
                                "right", "onlink")
        yield made


@pytest.fixture(params=by_hook([(hook, family, forward) for hook in ("tc", "xdp-generic", "xdp")
                                for family in (4, 6) for forward in FORWARDS]),
                ids=lambda row: "-".join(map(str, row)))
def way(request, gateway):
    hook, family, forward = request.param
    with Daemon(gateway.inside, config=config(hook, family, forward)) as daemon:
        yield Way(gateway, daemon, family, forward, hook)


def carried(way, sent, backend, ends, proto):
    """To a backend that answers by itself. Without ports, `ends` are those of an error."""
    on = one_hop_on(bytes(sent))
    if way.forward == "l2":
        return on
    number = flow_hash(ends, proto, any(ends[2:]))
    return around(on, FORWARDS[way.forward], (SOURCE[way.family], backend), number)


def datagram(way, own):
    return packet(CLIENT[way.family], SERVICE[way.family], udp(own, PORT, False))


def carried_datagram(way, own, backend):
    if way.forward == "nat":
        return bytes(packet(CLIENT[way.family], backend, udp(own, BACKEND_PORT, False), hops=63))
    ends = Ends(CLIENT[way.family], SERVICE[way.family], own, PORT)
    return carried(way, datagram(way, own), backend, ends, 17)


def complaint(way, own):
    service = SERVICE[way.family]
    return error(way.family, ROUTER[way.family], service, (service, PORT, CLIENT[way.family], own))


def carried_complaint(way, own, backend):
    if way.forward == "nat":
        return bytes(error(way.family, ROUTER[way.family], backend,
                           (backend, BACKEND_PORT, CLIENT[way.family], own), hops=63))
    ends = Ends(ROUTER[way.family], SERVICE[way.family], 0, 0)
    return carried(way, complaint(way, own), backend, ends, ICMP_PROTO[way.family])


def met(way, make, carry):
    """{own port: which backend got what `make` makes, as `carry` has it}."""
    left = way.gateway.pass_through([("left", bytes(make(way, own))) for own in OWNS])
    found = [(link[:6], row.packet) for row, link in zip(left, way.gateway.links)]
    assert len(found) == len(OWNS), way.daemon.reasons()
    wanted = [[(mac, carry(way, own, backend)) for mac, backend in zip(MACS, BACKENDS[way.family])]
              for own in OWNS]
    assert all(one in of for one, of in zip(found, wanted)), (found, wanted)
    return {own: of.index(one) for own, one, of in zip(OWNS, found, wanted)}


def test_error_goes_to_the_backend_that_has_the_connection(way):
    first = met(way, datagram, carried_datagram)
    assert len(set(first.values())) > 1
    assert met(way, complaint, carried_complaint) == first
    heavy = first[OWNS[0]]
    weights = [HEAVY if at == heavy else 1 for at in range(3)]
    way.daemon.apply(config(way.hook, way.family, way.forward, weights))
    assert met(way, complaint, carried_complaint) == first
    way.daemon.say("flow", "flush", "--all")
    anew = met(way, datagram, carried_datagram)
    assert any(first[own] != at for own, at in anew.items()), "the weights change nothing"
    assert met(way, complaint, carried_complaint) == anew
