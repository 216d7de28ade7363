# SPDX-License-Identifier: Apache-2.0
"""What leaves of associations to services, translated or carried, as Wireshark sees it: every
checksum is right, but where it came wrong, and nothing is malformed."""
import json
import random

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.sctp import SCTP, SCTPChunkData, SCTPChunkSACK

from e2e.balance_bytes_test import BACKEND, CLIENT, OWN, ROUTER, SERVICE, packet, passed
from e2e.balance_sctp_test import ENDS, PORT, SOURCE, exceeded, sctp, talk
from e2e.direct_bytes_test import SOURCE as TUNNEL_SOURCE
from e2e.direct_bytes_test import WAYS, Ends, around, flow_hash, one_hop_on
from harness.balanced import FAMILIES, HOOKS
from harness.daemon import Daemon
from harness.far_gateway import FarGateway
from harness.gateway import Gateway, ether
from harness.kernel import by_hook
from harness.wireshark import judged

LENGTHS = (1, 2, 3, 4, 63, 64, 535, 536, 1001, 1400, 5001)
BAD_SUM = 0x12345678
SACK = SCTPChunkSACK(cumul_tsn_ack=30, a_rwnd=65000)


@pytest.fixture(scope="module")
def gateways():
    """By whether XDP sends on, which is seen at the far end alone."""
    with Gateway("sctpnear") as near, FarGateway("sctpfar") as far:
        yield {False: near, True: far}


def said(seed):
    """(is it an answer, its tag, its chunk), from the first packet on to many of all lengths."""
    drawn = random.Random(seed)
    steps = talk()
    for is_answer, tag in ((False, 34), (True, 17)):
        steps += [(is_answer, tag, SCTPChunkData(
            tsn=20 + at, stream_id=1, stream_seq=at, beginning=1, ending=1,
            data=drawn.randbytes(length))) for at, length in enumerate(LENGTHS)]
    return steps


def seen(family, left):
    """Whom a backend is spoken to by: that address and port."""
    head = (IP if family == 4 else IPv6)(left)
    return head.src, head[SCTP].sport


def frames_of(rows):
    return [ether(side, left) for side, left in rows]


def config(hook, services, **more):
    """`services`: what each has beside its name and protocol."""
    interfaces = [{"name": side, "hook": hook, "egress": True} for side in ("left", "right")]
    section = {**more, "services": [{"name": f"v{at}", "proto": "sctp", **service}
                                    for at, service in enumerate(services)]}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps(section)}\n")


# --- NAT -----------------------------------------------------------------------------------------

class Association:
    """Through a service; `rows`: all that left of it."""

    def __init__(self, gateway, family, there):
        self.gateway, self.family, self.there = gateway, family, there
        first, *others = said(family)
        self.rows = passed(gateway, self.sent(*first))
        self.stands = seen(family, self.rows[0][1])
        self.rows += passed(gateway, *(self.sent(*step) for step in others))

    def sent(self, is_answer, tag, chunk, **more):
        if not is_answer:
            return "left", packet(CLIENT[self.family], SERVICE[self.family],
                                  sctp(OWN, PORT, tag, chunk, **more))
        address, port = self.stands
        return "right", packet(BACKEND[self.family], address,
                               sctp(self.there, port, tag, chunk, **more))

    def broken(self):
        """Both sides', as of a bad wire."""
        return passed(self.gateway, self.sent(False, 34, SACK, chksum=BAD_SUM),
                      self.sent(True, 17, SACK, chksum=BAD_SUM))

    def expired(self):
        """A router's error about an answer: as it left, and as it should."""
        address, own = self.stands
        sent, left = (packet(ROUTER[self.family], known_as, exceeded(self.family) / packet(
            known_as, client, sctp(port, to, 17, SACK, chksum=BAD_SUM)), hops=hops)
            for known_as, port, client, to, hops in (
                (SERVICE[self.family], PORT, CLIENT[self.family], OWN, 64),
                (BACKEND[self.family], self.there, address, own, 63)))
        return passed(self.gateway, ("left", sent)), [("right", bytes(left))]


def nat_services(name, hidden):
    port, own, _ = ENDS[name]
    return [{"address": SERVICE[family], "port": port,
             "backends": [{"address": BACKEND[family], **({"port": own} if own else {})}],
             **({"source": SOURCE[family]} if hidden else {})} for family in FAMILIES]


def halves(verdicts):
    return verdicts[:len(FAMILIES)], verdicts[len(FAMILIES):]


@pytest.mark.parametrize("hidden", (False, True), ids=("seen", "hidden"))
@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("hook", HOOKS)
def test_translated_associations_are_right(gateways, hook, name, hidden):
    gateway = gateways[False]
    with Daemon(gateway.inside, config=config(hook, nat_services(name, hidden))) as gateway.daemon:
        talked = [Association(gateway, family, ENDS[name][2]) for family in FAMILIES]
        broken = [association.broken() for association in talked]
    for family, association in zip(FAMILIES, talked):
        assert association.stands[0] == (SOURCE if hidden else CLIENT)[family]
    right, wrong = halves(judged(*(frames_of(rows) for rows in
                                   [association.rows for association in talked] + broken)))
    for family, association, verdict in zip(FAMILIES, talked, right):
        assert not verdict.complaints
        assert verdict.good["sctp"] == len(association.rows) == len(said(family))
    for verdict in wrong:       # nobody makes a packet good that was broken on its way
        assert [text for text, _, _ in verdict.complaints] == ["sctp: checksum ['0']"] * 2


@pytest.mark.parametrize("name", ENDS)
def test_errors_about_them_are_right(gateways, name):
    """ICMP has a sum over what it quotes, in which a port becomes another and SCTP's sum stays."""
    gateway = gateways[False]
    with Daemon(gateway.inside, config=config("tc", nat_services(name, False))) as gateway.daemon:
        told = [Association(gateway, family, ENDS[name][2]).expired() for family in FAMILIES]
    assert all(rows == wanted for rows, wanted in told)
    verdicts = judged(*(frames_of(rows) for rows, _ in told))
    assert not any(verdict.complaints for verdict in verdicts)
    assert [verdict.good["icmp"] + verdict.good["icmpv6"] for verdict in verdicts] == [1, 1]


# --- DSR -----------------------------------------------------------------------------------------

def direct_config(hook, way):
    forward, outer = way.partition("-")[0], WAYS[way][1]
    services = [{"address": SERVICE[family], "port": PORT, "forward": forward,
                 "backends": [{"address": BACKEND[outer or family]}]} for family in FAMILIES]
    return config(hook, services, shortcut="xdp" if hook == "xdp" else "none",
                  **{"tunnel-source": TUNNEL_SOURCE[4], "tunnel-source6": TUNNEL_SOURCE[6]})


def carried(family, way):
    """What a client sends, and what leaves of it."""
    forward, outer = WAYS[way]
    sent = [packet(CLIENT[family], SERVICE[family], sctp(OWN, PORT, tag, chunk))
            for is_answer, tag, chunk in said(family) if not is_answer]
    left = [one_hop_on(bytes(one)) for one in sent]
    number = flow_hash(Ends(CLIENT[family], SERVICE[family], OWN, PORT), 132, True)
    if outer:
        left = [around(one, forward, (TUNNEL_SOURCE[outer], BACKEND[outer]), number)
                for one in left]
    return sent, [("right", one) for one in left]


@pytest.mark.parametrize("row", by_hook([(hook, way) for hook in ("tc", "xdp-generic", "xdp")
                                         for way in WAYS]), ids="-".join)
def test_carried_associations_are_right(gateways, row):
    hook, way = row
    gateway = gateways[hook == "xdp"]
    with Daemon(gateway.inside, config=direct_config(hook, way)) as gateway.daemon:
        carries = [carried(family, way) for family in FAMILIES]
        left = [passed(gateway, *(("left", one) for one in sent)) for sent, _ in carries]
        assert left == [wanted for _, wanted in carries]
        assert not [name for name in gateway.daemon.reasons() if name.startswith("drop")]
    for (sent, _), verdict in zip(carries, judged(*map(frames_of, left))):
        assert not verdict.complaints
        assert verdict.good["sctp"] == len(sent)
