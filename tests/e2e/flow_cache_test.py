# SPDX-License-Identifier: Apache-2.0
"""`shortcut: xdp` remembers what it did to a flow's last packet. What is sent by that leaves as
scapy has it, whatever must not go by it does not, and all that changes ends it with the very next
packet."""
import json
import random
import time

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from e2e.balance_bytes_test import BACKEND, CLIENT, OWN, PORT, SERVICE, packet, passed, segment
from e2e.direct_bytes_test import SOURCE, Sent
from harness.balanced import FAMILIES
from harness.daemon import Daemon
from harness.far_gateway import FarGateway
from harness.gateway import FAR_MAC, NEXT_HOP
from harness.kernel import BEHIND_XDP
from harness.wait import wait_for

pytestmark = BEHIND_XDP
BACKEND_PORT = 8080
KEYS = ("pass_packets", "pass_bytes")
OTHER = {4: "198.19.0.11", 6: "2001:db8:b::11"}
DIRECT = {4: ("l2", "ipip-4", "gue-4"), 6: ("l2", "ipip-6", "gue-6")}
CROSSED = {4: ("ipip-6", "gue-6"), 6: ("ipip-4", "gue-4")}
CLOSE = 14 + 20     # bytes of what closes a run
ROOM = "conntrack: {enabled: auto, capacity: 4000, half-open: 1000}\n"


def config(family, way="nat", backend=BACKEND, more="", **balance):
    forward, _, outer = way.partition("-")
    own = {"address": backend[int(outer or family)]}
    own |= {"port": BACKEND_PORT} if way == "nat" else {}
    services = [{"name": proto, "address": SERVICE[family], "port": PORT, "proto": proto,
                 "forward": forward, "backends": [own]} for proto in ("udp", "tcp")]
    interfaces = [{"name": name, "hook": "xdp", "egress": True} for name in ("left", "right")]
    section = {"services": services, "shortcut": "xdp", "tunnel-source": SOURCE[4],
               "tunnel-source6": SOURCE[6], **balance}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n{ROOM}"
            f"balance: {json.dumps(section)}\n{more}")


@pytest.fixture(scope="module")
def gateway():
    with FarGateway("cache") as made:
        yield made


def hits(gateway):
    return gateway.daemon.status()["balance"]["flow_cache_hits"]


def datagram(family, data=b"on", port=OWN, client=CLIENT, hops=64, **udp):
    return packet(client[family], SERVICE[family], UDP(sport=port, dport=PORT, **udp) / Raw(data),
                  hops=hops)


def answer(family, data=b"back", port=OWN, client=CLIENT, hops=64, backend=BACKEND):
    return packet(backend[family], client[family],
                  UDP(sport=BACKEND_PORT, dport=port) / Raw(data), hops=hops)


def packet_of(family, left):
    return (IP if family == 4 else IPv6)(left)


def to_backend(family, sent, backend=BACKEND):
    """As scapy makes it: another end, one hop less, new checksums."""
    port = sent[UDP].sport
    return "right", bytes(packet(sent.src, backend[family],
                                 UDP(sport=port, dport=BACKEND_PORT) / sent[UDP].payload,
                                 hops=(sent.ttl if family == 4 else sent.hlim) - 1))


def to_client(family, sent):
    return "left", bytes(packet(SERVICE[family], sent.dst,
                                UDP(sport=PORT, dport=sent[UDP].dport) / sent[UDP].payload,
                                hops=(sent.ttl if family == 4 else sent.hlim) - 1))


def warm(gateway, family, port=OWN, client=CLIENT, backend=BACKEND):
    """Until both ways are remembered."""
    there = datagram(family, port=port, client=client)
    back = answer(family, port=port, client=client, backend=backend)

    def is_known():
        before = hits(gateway)
        gateway.pass_through([("left", bytes(there)), ("right", bytes(back))])
        return hits(gateway) == before + 2

    wait_for(is_known, "the flow is remembered")


@pytest.fixture(params=FAMILIES)
def family(request, gateway):
    with Daemon(gateway.inside, config=config(request.param)) as gateway.daemon:
        yield request.param


def test_datagrams_leave_as_scapy_has_them(gateway, family):
    chance = random.Random(family)
    warm(gateway, family)
    before = hits(gateway)
    for _ in range(60):
        data, hops = chance.randbytes(chance.randrange(1400)), chance.randrange(2, 256)
        there, back = datagram(family, data, hops=hops), answer(family, data, hops=hops)
        assert passed(gateway, ("left", there)) == [to_backend(family, there)]
        assert passed(gateway, ("right", back)) == [to_client(family, back)]
    # One a second is the kernel's, for the neighbour's sake.
    assert hits(gateway) - before > 100


def test_datagram_without_a_checksum_stays_without(gateway):
    with Daemon(gateway.inside, config=config(4)) as gateway.daemon:
        warm(gateway, 4)
        before, sent = hits(gateway), datagram(4, chksum=0)
        (side, left), = passed(gateway, ("left", sent))
        assert side == "right" and IP(left)[UDP].chksum == 0
        assert left[:26] == to_backend(4, sent)[1][:26] and hits(gateway) == before + 1


def odd(family):
    """Packets of the flow that are not as they mostly are."""
    plain = datagram(family, bytes(64))
    yield "last hop", datagram(family, hops=1)
    yield "length", datagram(family, len=9)
    yield "longer than it is", datagram(family, len=200)
    short = datagram(family, b"", len=5)
    if family == 4:
        short.len = 25
        yield "shorter than its header", short
        yield "options", packet(CLIENT[4], SERVICE[4], plain[UDP].copy(), "options")
        first, later = plain.copy(), plain.copy()
        first.flags, later.frag = "MF", 9
        yield "first fragment", first
        yield "later fragment", later
    else:
        short.plen = 5
        yield "shorter than its header", short
        other = plain.copy()
        other.version = 5
        yield "version", other
        yield "extensions", packet(CLIENT[6], SERVICE[6], plain[UDP].copy(), "extensions")


def test_what_is_odd_is_judged(gateway, family):
    warm(gateway, family)
    before = hits(gateway)
    for name, sent in odd(family):
        gateway.pass_through([("left", bytes(sent))])
        assert hits(gateway) == before, name


def test_longer_than_the_way_takes_is_the_kernels(gateway, family):
    warm(gateway, family)
    gateway.inside.run("ip", "link", "set", "right", "mtu", 1400)
    try:
        warm(gateway, family)
        before, there = hits(gateway), datagram(family, bytes(1500))
        assert to_backend(family, there) not in passed(gateway, ("left", there))
        assert hits(gateway) == before
    finally:
        gateway.inside.run("ip", "link", "set", "right", "mtu", 9000)


def gone(gateway, family):
    """Whether the next packet is not sent on, and none after it."""
    there = datagram(family)
    return not any(passed(gateway, ("left", there)) for _ in range(3))


def test_source_that_is_blocked_is_dropped_at_once(gateway, family):
    warm(gateway, family)
    gateway.daemon.say("block", "add", CLIENT[family])
    assert gone(gateway, family)
    gateway.daemon.say("block", "del", CLIENT[family])
    warm(gateway, family)


def test_policy_that_denies_is_obeyed_at_once(gateway, family):
    deny = f'rules: {{rules: [{{name: no, action: deny, src: "{CLIENT[family]}"}}]}}\n'
    warm(gateway, family)
    gateway.daemon.apply(config(family, more=deny))
    assert gone(gateway, family)
    gateway.daemon.apply(config(family))
    warm(gateway, family)


def test_backend_that_is_replaced_gets_what_lives_until_that_is_cut(gateway, family):
    warm(gateway, family)
    gateway.daemon.apply(config(family, backend=OTHER))
    there, new = datagram(family), datagram(family, port=OWN + 1)
    assert passed(gateway, ("left", there)) == [to_backend(family, there)]
    assert passed(gateway, ("left", new)) == [to_backend(family, new, OTHER)]
    warm(gateway, family)
    gone = f"[{BACKEND[family]}]" if family == 6 else BACKEND[family]
    gateway.daemon.say("service", "backend", "del", "udp", f"{gone}:{BACKEND_PORT}", "--now")
    assert passed(gateway, ("left", there)) == [to_backend(family, there, OTHER)]
    warm(gateway, family, backend=OTHER)


def neighbour(gateway, family, state, address=None, link=FAR_MAC["right"]):
    """Says so to the gateway's kernel, and waits until the daemon has heard: its loop looks at what
    the kernel tells before it looks at a question that comes later."""
    hop = NEXT_HOP["right"][family == 6]
    gateway.inside.run("ip", "neigh", "replace", address or hop, "dev", "right", "nud", state,
                       *(() if state == "failed" else ("lladdr", link.hex(":"))))
    gateway.daemon.status()
    gateway.daemon.status()


STRANGER = {4: "192.0.2.77", 6: "fd77:b::77"}


def test_neighbours_that_are_made_sure_of_change_nothing(gateway, family):
    """Nor those that nobody has."""
    there = bytes(datagram(family))
    warm(gateway, family)
    before, began = hits(gateway), time.monotonic()
    for _ in range(5):
        for state in ("noarp", "permanent"):
            neighbour(gateway, family, state)
            gateway.pass_through([("left", there)])
        neighbour(gateway, family, "failed", STRANGER[family])
        gateway.pass_through([("left", there)])
    seconds = time.monotonic() - began
    assert hits(gateway) - before >= 15 - seconds - 2   # one a second is the kernel's


def test_neighbour_with_another_link_address_has_the_next_packet(gateway, family):
    moved = bytes.fromhex("020000000b09")
    warm(gateway, family)
    for link in (moved, FAR_MAC["right"]):
        neighbour(gateway, family, "permanent", link=link)
        there = datagram(family)
        assert passed(gateway, ("left", there)) == [to_backend(family, there)]
        assert gateway.links[0][:6] == link
        warm(gateway, family)


def test_who_looks_like_another_client_is_not_taken_for_him(gateway):
    """Of IPv6 a line has the addresses in one word each first: these two have the same."""
    twin = "2001:db8:a:0:0:7::"
    with Daemon(gateway.inside, config=config(6)) as gateway.daemon:
        gateway.daemon.say("block", "add", twin)
        warm(gateway, 6)
        before = hits(gateway)
        gateway.pass_through([("left", bytes(datagram(6, client={6: twin})))] * 3)
        assert passed(gateway, ("left", datagram(6, client={6: twin}))) == []
        assert hits(gateway) == before
        assert gateway.daemon.reasons()["drop_blocked"] >= 4


def test_flow_that_is_forgotten_begins_anew(gateway, family):
    warm(gateway, family)
    chosen = gateway.daemon.status()["balance"]["chosen"]
    gateway.daemon.say("flow", "flush", "--all")
    back, there = answer(family), datagram(family)
    # Nobody is left that it could be an answer to.
    assert to_client(family, back) not in passed(gateway, ("right", back))
    gateway.daemon.say("flow", "flush", "--all")
    passed(gateway, ("left", there))
    assert gateway.daemon.status()["balance"]["chosen"] == chosen + 1


@pytest.mark.parametrize("way", [(family, way) for family in FAMILIES for way in DIRECT[family]],
                         ids=lambda row: f"{row[1]}-{row[0]}")
def test_packets_to_who_answers_himself_leave_as_scapy_has_them(gateway, way):
    family, name = way
    with Daemon(gateway.inside, config=config(family, name)) as gateway.daemon:
        sent, chance = Sent(gateway, family, name), random.Random(family)
        bodies = [UDP(sport=OWN, dport=PORT) / Raw(chance.randbytes(chance.randrange(1400)))
                  for _ in range(40)]
        packets = [sent.packet(body, hops=chance.randrange(2, 256)) for body in bodies]
        left = [sent.left(one) for one in packets]
        passed(gateway, *(("left", one) for one in packets[:3]))
        before = hits(gateway)
        assert passed(gateway, *(("left", one) for one in packets)) == left
        assert hits(gateway) - before >= len(packets) - 2


@pytest.mark.parametrize("family", FAMILIES)
def test_acknowledgements_alone_go_by_it(gateway, family):
    name = DIRECT[family][1]
    with Daemon(gateway.inside, config=config(family, name)) as gateway.daemon:
        sent = Sent(gateway, family, name)
        data = sent.packet(segment(7005, 7002)(OWN, PORT, False))
        begins = sent.packet(TCP(sport=OWN, dport=PORT, flags="S", seq=7000))
        gateway.pass_through([("left", bytes(begins))] + [("left", bytes(data))] * 4)
        before = hits(gateway)
        assert passed(gateway, *[("left", data)] * 10) == [sent.left(data, proto=6)] * 10
        assert hits(gateway) - before >= 9
        for flags in ("S", "FA", "R", "RA", "SA", "A" + "U", "F", ""):
            before, other = hits(gateway), data.copy()
            other[TCP].flags = flags
            del other[TCP].chksum
            gateway.pass_through([("left", bytes(other))])
            assert hits(gateway) == before, flags


@pytest.mark.parametrize("family", FAMILIES)
def test_connection_behind_one_that_was_reset_has_a_backend_of_its_own(gateway, family):
    """Between the same ends, and in turn: the one before had the other backend."""
    service = {"name": "tcp", "address": SERVICE[family], "port": PORT, "proto": "tcp",
               "forward": "ipip", "scheduler": "round-robin",
               "backends": [{"address": BACKEND[family]}, {"address": OTHER[family]}]}
    name = DIRECT[family][1]
    with Daemon(gateway.inside, config=config(family, name, services=[service])) as gateway.daemon:
        sent = Sent(gateway, family, name)
        data = sent.packet(segment(7005, 7002)(OWN, PORT, False))
        begins, resets = (sent.packet(TCP(sport=OWN, dport=PORT, flags=flags, seq=seq))
                          for flags, seq in (("S", 7000), ("R", 7009)))

        def backend(one):
            (_, left), = passed(gateway, ("left", one))
            return packet_of(family, left).dst

        def is_remembered():
            before = hits(gateway)
            return backend(data) and hits(gateway) > before

        chosen = [backend(begins)]
        wait_for(is_remembered, "the connection is remembered")
        assert backend(data) == chosen[0]
        backend(resets)
        chosen += [backend(begins), backend(data)]
        assert sorted(set(chosen)) == sorted((BACKEND[family], OTHER[family]))
        assert chosen[1] == chosen[2]


@pytest.mark.parametrize("way", [(family, way) for family in FAMILIES for way in CROSSED[family]],
                         ids=lambda row: f"{row[1]}-{row[0]}")
def test_tunnels_of_the_other_family_are_not_remembered(gateway, way):
    family, name = way
    with Daemon(gateway.inside, config=config(family, name)) as gateway.daemon:
        sent = Sent(gateway, family, name)
        one = sent.packet(UDP(sport=OWN, dport=PORT) / Raw(b"on"))
        assert passed(gateway, *[("left", one)] * 6) == [sent.left(one)] * 6
        assert hits(gateway) == 0


def both(room):
    """A service of either family at once."""
    parts = [json.loads(config(family).split("balance: ")[1]) for family in FAMILIES]
    head = config(4).split("balance: ")[0]
    return head + "balance: " + json.dumps(parts[0] | {
        "services": [row | {"name": f"{row['name']}{number}"} for number, part in enumerate(parts)
                     for row in part["services"]], "shortcut-flows": room}) + "\n"


@pytest.mark.parametrize("room", (4, 64), ids=("one set", "a few"))
def test_flows_that_share_a_place_keep_apart(gateway, room):
    """Hundreds of both families, and both ways, where there is room for two a CPU or a few."""
    chance = random.Random(room)
    flows = [(family, port) for family in FAMILIES for port in range(40000, 40060)]
    with Daemon(gateway.inside, config=both(room)) as gateway.daemon:
        for _ in range(3):
            gateway.pass_through([pair for family, port in flows for pair in (
                ("left", bytes(datagram(family, port=port))),
                ("right", bytes(answer(family, port=port))))])
        for _ in range(800):
            family, port = chance.choice(flows[:6] if chance.random() < 0.5 else flows)
            data = chance.randbytes(8)
            for _ in range(chance.randrange(1, 4)):
                there, back = datagram(family, data, port), answer(family, data, port)
                assert passed(gateway, ("left", there)) == [to_backend(family, there)]
                assert passed(gateway, ("right", back)) == [to_client(family, back)]
        assert hits(gateway) > 100


@pytest.mark.parametrize("family", FAMILIES)
def test_client_whose_connection_goes_on_is_remembered(gateway, family):
    """For longer than `timeout`, though nearly all of its packets go by the cache."""
    service = {"name": "udp", "address": SERVICE[family], "port": PORT, "proto": "udp",
               "forward": "ipip", "scheduler": "round-robin", "affinity": {"timeout": "3s"},
               "backends": [{"address": BACKEND[family]}, {"address": OTHER[family]}]}
    name = DIRECT[family][1]
    with Daemon(gateway.inside, config=config(family, name, services=[service])) as gateway.daemon:
        def backend(port):
            (_, left), = passed(gateway, ("left", datagram(family, port=port)))
            return packet_of(family, left).dst

        first, before, begun = backend(OWN), hits(gateway), time.monotonic()
        count = 0
        while time.monotonic() < begun + 5:
            assert backend(OWN) == first
            count += 1
        assert hits(gateway) - before > count // 2
        assert [backend(OWN + 1 + number) for number in range(3)] == [first] * 3


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_is_counted_as_if_it_had_been_judged(gateway, family):
    with Daemon(gateway.inside, config=config(family)) as gateway.daemon:
        warm(gateway, family)
        daemon = gateway.daemon

        def counted():
            backend, = daemon.ask("service", "stats", "udp")["backends"]
            rows = {row["name"]: row for row in daemon.status()["interfaces"]}
            return ([rows["left"]["ingress_counts"][key] for key in KEYS] +
                    [rows["right"]["egress_counts"][key] for key in KEYS] +
                    [backend["in_packets"], backend["in_bytes"]])

        there = bytes(datagram(family, bytes(100)))
        known, before = hits(gateway), counted()
        gateway.pass_through([("left", there)] * 50)
        assert hits(gateway) - known >= 48
        more = [after - now for after, now in zip(counted(), before)]
        # What closes a run comes in once on either side.
        size = 14 + len(there)
        assert more == [51, 50 * size + CLOSE, 51, 50 * size + CLOSE, 50, 50 * size]


def test_without_room_nothing_is_remembered(gateway):
    with Daemon(gateway.inside, config=config(4, **{"shortcut-flows": 0})) as gateway.daemon:
        for _ in range(6):
            gateway.pass_through([("left", bytes(datagram(4))), ("right", bytes(answer(4)))])
        assert hits(gateway) == 0
