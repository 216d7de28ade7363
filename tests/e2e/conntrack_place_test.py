# SPDX-License-Identifier: Apache-2.0
"""Where a flow was let in, on hosts whose interfaces have large numbers: what is kept of that is 15
bits, and 40,000 is 7,232 in those."""
import pytest
from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from harness.daemon import Daemon
from harness.frames import ether
from harness.net import Pair
from harness.wire import Wire

LARGE, ALIKE = 40000, 40000 & 0x7FFF
ENDS = {"src": "198.18.3.1", "dst": "198.18.3.2"}
CONFIG = """api: {listen: off}
interfaces: [{name: wire, hook: %s, egress: true}, {name: other, hook: %s, egress: true}]
rules:
  rules:
    - {name: served, interface: wire, direction: ingress, proto: udp, dport: 5000, action: allow}
  policy: [{interface: "*", ingress: deny, egress: deny}]
"""


def joined(pair, device, peer, index):
    pair.inside.run("ip", "link", "add", device, "index", index, "type", "veth", "peer", "name",
                    peer, "netns", pair.outside.name)
    for namespace, name in ((pair.inside, device), (pair.outside, peer)):
        namespace.run("ip", "link", "set", name, "up")


@pytest.fixture
def pair():
    with Pair() as made:
        made.inside.run("ip", "link", "del", made.wire)
        joined(made, made.wire, made.far, LARGE)
        joined(made, "other", "other-end", ALIKE)
        yield made


def datagram(is_answer=False, port=4000):
    ends = dict(zip(("src", "dst"), reversed(list(ENDS.values())))) if is_answer else ENDS
    ports = (5000, port) if is_answer else (port, 5000)
    return ether() / IP(**ends) / UDP(sport=ports[0], dport=ports[1]) / Raw(b"x" * 8)


@pytest.mark.parametrize("hook", ["tc", "xdp"])
def test_flow_is_let_in_at_its_own_interface_alone(pair, hook):
    with Daemon(pair.inside, config=CONFIG % (hook, hook)) as daemon:
        there, back = Wire.inward(pair), Wire.outward(pair)
        elsewhere = Wire(pair.outside, "other-end", pair.inside, "other")
        for _ in range(3):
            assert there.passes(datagram()) and back.passes(datagram(is_answer=True))
        flow, = daemon.ask("flow", "list", "port=5000")["flows"]
        assert flow["state"] == "stream" and "other" not in (flow["in"], flow["out"])
        assert not elsewhere.passes(datagram())
        assert not elsewhere.passes(datagram(port=4001))
        assert there.passes(datagram()) and back.passes(datagram(is_answer=True))
        for wire in (there, back, elsewhere):
            wire.close()
