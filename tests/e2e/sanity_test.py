# SPDX-License-Identifier: Apache-2.0
"""The sanity stage on real packets: each check drops what it is for, with a reason of its own, and
what honest hosts send passes."""
import itertools
import shutil
import socket

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6MLReport2, ICMPv6ND_NS, ICMPv6ND_RS, IPv6,
                                IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop,
                                RouterAlert)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from harness.daemon import Daemon
from harness.frames import dressed, ether, udp
from harness.net import Namespace, Pair, veth
from harness.wait import wait_for
from harness.wire import Wire

BASIC = "api: {listen: off}\nsanity: {level: basic}\n"
STRICT = "api: {listen: off}\nsanity: {level: strict}\n"
# Of addresses that stand on no list of special ones.
A4, B4, A6, B6 = "9.9.9.9", "8.8.8.8", "2a00::9", "2a00::8"


def v4(**fields):
    return IP(**{"src": A4, "dst": B4, **fields})


def v6(**fields):
    return IPv6(**{"src": A6, "dst": B6, **fields})


def both(make):
    """The frame made for IPv4 and for IPv6."""
    return [ether() / make(v4), ether() / make(v6)]


def tcp(flags):
    return both(lambda ip: ip() / TCP(sport=1, dport=2, flags=flags))


def piece4(offset, more, payload, proto=17, ident=7, **fields):
    return ether() / v4(id=ident, frag=offset, flags="MF" if more else 0, proto=proto,
                        **fields) / Raw(payload)


def piece6(offset, more, payload, proto=17, ident=7, **fields):
    return ether() / v6(**fields) / IPv6ExtHdrFragment(id=ident, offset=offset, m=int(more),
                                                       nh=proto) / Raw(payload)


PIECES = [piece4, piece6]
UDP_HEAD = bytes(UDP(sport=1, dport=2, len=4000))
TCP_HEAD = bytes(TCP(sport=1, dport=2, flags="S"))

IMPOSSIBLE = ["", "F", "FPU", "SF", "SR", "FR", "P", "U", "PU", "SFUP", "FRA", "SFRPAU", "RU",
              "SAU"]
POSSIBLE = ["S", "SA", "A", "PA", "FA", "FPA", "R", "RA", "AU", "FAU", "SEC", "AE", "SP"]

MALFORMED = [
    ether() / v4(ihl=4) / UDP(),
    ether() / v4(version=6) / UDP(),
    ether() / v4(len=19) / UDP(),
    ether() / v4(len=2000) / UDP(),
    ether() / v6(plen=2000) / UDP(),
    ether() / v6(version=4) / UDP(),
    *both(lambda ip: ip() / UDP(len=7)),
    *both(lambda ip: ip() / UDP(len=900)),
    *both(lambda ip: ip() / TCP(dataofs=4)),
    *both(lambda ip: ip() / TCP(dataofs=15)),
    ether() / v4(proto=6) / Raw(b"x" * 12),
    ether() / v6(nh=58) / Raw(b"x" * 4),
    *(piece(2, True, b"x" * 12) for piece in PIECES),       # not the last, and ends in a block
    *(piece(2, True, b"") for piece in PIECES),
    *(piece(8189, False, b"x" * 64) for piece in PIECES),   # longer than IP can say
]

MARTIAN = [
    *(ether() / v4(src=src) / UDP(sport=1, dport=2)
      for src in ("127.0.0.1", "224.0.0.1", "239.1.1.1", "255.255.255.255", "0.0.0.0", "0.1.2.3")),
    *(ether() / v4(dst=dst) / UDP(sport=1, dport=2) for dst in ("127.0.0.1", "0.0.0.0")),
    *(ether() / v6(src=src) / UDP(sport=1, dport=2)
      for src in ("::1", "ff02::1", "::", "::ffff:1.2.3.4", "::1.2.3.4")),
    *(ether() / v6(dst=dst) / UDP(sport=1, dport=2) for dst in ("::1", "::", "::ffff:1.2.3.4")),
]

LAND = [
    ether() / v4(dst=A4) / TCP(sport=80, dport=80, flags="S"),
    ether() / v6(dst=A6) / UDP(sport=80, dport=80),
    ether() / v4(dst=A4) / ICMP(),
    ether() / v6(dst=A6) / ICMPv6EchoRequest(),
]

TINY = [
    *(piece(0, True, TCP_HEAD[:16], proto=6) for piece in PIECES),
    *(piece(0, True, b"", proto=6) for piece in PIECES),
    *(piece(1, False, TCP_HEAD[8:], proto=6) for piece in PIECES),
    piece6(0, True, bytes(IPv6ExtHdrDestOpt(nh=17, len=9))[:8], proto=60),
]

HONEST = [
    udp(A4), udp(A6),
    ether() / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
    / BOOTP(chaddr=b"\2\0\0\0\0\1") / DHCP(options=[("message-type", "discover"), "end"]),
    ether() / IP(src="0.0.0.0", dst="224.0.0.1", proto=2) / Raw(b"\x11\0\xee\xff\0\0\0\0"),
    ether() / IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt=A6),
    ether() / IPv6(src="::", dst="ff02::2", hlim=255) / ICMPv6ND_RS(),
    ether() / IPv6(src="::", dst="ff02::16", hlim=1)
    / IPv6ExtHdrHopByHop(options=[RouterAlert()]) / ICMPv6MLReport2(),
    ether() / v4(ttl=0) / UDP(), ether() / v6(hlim=0) / UDP(),
    ether() / v4(dst=A4) / TCP(sport=80, dport=81, flags="S"),
    ether() / v4(proto=47) / Raw(b"x" * 4), ether() / v6(nh=59),
    *dressed(A4).values(), *dressed(A6).values(),
]

CHECKS = {
    "drop_tcp_flags": [frame for flags in IMPOSSIBLE for frame in tcp(flags)],
    "drop_malformed": MALFORMED,
    "drop_martian": MARTIAN,
    "drop_land": LAND,
    "drop_tiny_fragment": TINY,
}


@pytest.fixture(scope="module", params=["xdp", "tc", "xdp-generic"])
def hook(request):
    return request.param


@pytest.fixture(scope="module")
def standing(hook):
    """standing(CONFIG): a daemon and its wire, shared by the tests that count from where they begin
    and whose fragments are of datagrams of their own."""
    with Pair() as pair, Daemon(pair.inside) as daemon, Wire.inward(pair) as wire:
        daemon.say("interface", "attach", pair.wire, "--hook", hook)
        live = []

        def make(config):
            if live != [config]:
                daemon.apply(config)
                live[:] = [config]
            return daemon, wire
        yield make


@pytest.fixture
def watched(weir_daemon, pair, hook):
    """watched(CONFIG): a daemon whose policy that is, on the pair's wire."""
    def make(config):
        daemon = weir_daemon(pair.inside, config)
        daemon.say("interface", "attach", pair.wire, "--hook", hook)
        return daemon
    return make


def ended(daemon, wire, frames):
    """The reasons the frames ended with, the harness's own ARP left out."""
    before = daemon.reasons()
    wire.send(frames)
    grown = {reason: count - before.get(reason, 0) for reason, count in daemon.reasons().items()}
    grown["pass_arp"] -= 1
    return {reason: count for reason, count in grown.items() if count}


def tags(frame):
    """The frame behind one tag, and behind two."""
    return [Ether(src=frame.src, dst=frame.dst) / Dot1Q(vlan=7, type=frame.type) / frame.payload,
            Ether(src=frame.src, dst=frame.dst) / Dot1AD(vlan=7) / Dot1Q(vlan=8, type=frame.type)
            / frame.payload]


@pytest.mark.parametrize("reason", CHECKS)
def test_each_check_drops_with_its_own_reason(standing, reason):
    daemon, wire = standing(BASIC)
    for frame in CHECKS[reason]:
        assert ended(daemon, wire, [frame]) == {reason: 1}, frame.summary()


@pytest.mark.parametrize("reason", CHECKS)
def test_tags_hide_nothing(standing, reason):
    daemon, wire = standing(BASIC)
    frames = [tagged for frame in CHECKS[reason] for tagged in tags(frame)]
    assert ended(daemon, wire, frames) == {reason: len(frames)}


def test_nothing_is_checked_unless_asked_for(watched, wire):
    daemon = watched("api: {listen: off}\n")
    frames = [frame for frames in CHECKS.values() for frame in frames]
    assert not [reason for reason in ended(daemon, wire, frames) if reason.startswith("drop")]


def test_a_switch_outranks_the_level(watched, wire):
    daemon = watched("api: {listen: off}\nsanity: {level: basic, tcp-flags: false}\n")
    assert ended(daemon, wire, tcp("SF")) == {"pass_policy": 2}
    daemon.apply("api: {listen: off}\nsanity: {tcp-flags: true}\n")
    assert ended(daemon, wire, tcp("SF") + LAND) == {"drop_tcp_flags": 2, "pass_policy": len(LAND)}


def test_what_honest_hosts_send_passes(watched, wire):
    daemon = watched(STRICT)
    for frame in HONEST + [frame for flags in POSSIBLE for frame in tcp(flags)]:
        assert not [reason for reason in ended(daemon, wire, [frame])
                    if reason.startswith("drop")], frame.summary()


# --- fragments -------------------------------------------------------------------------------

def parts(piece, ident, *places):
    """Pieces of a datagram at (first block, blocks); the one that ends at block 12 is the last."""
    return [piece(first, first + blocks != 12, (UDP_HEAD + bytes(96))[:8 * blocks]
                  if first == 0 else b"x" * 8 * blocks, ident=ident) for first, blocks in places]


OVERLAPS = {
    "the second over the first": ([(0, 4), (2, 4)], [True, False]),
    "the first over the second": ([(2, 4), (0, 4)], [True, False]),
    "around": ([(2, 2), (0, 10)], [True, False]),
    "the last over the middle": ([(0, 4), (4, 4), (6, 6)], [True, True, False]),
    "a copy is dropped alone": ([(0, 4), (0, 4), (4, 8)], [True, False, True]),
    "inside what came": ([(0, 8), (2, 2), (8, 4)], [True, False, True]),
    "what comes afterwards": ([(0, 4), (2, 4), (6, 6)], [True, False, False]),
    "behind the last": ([(8, 4), (14, 2)], [True, False]),
    "joined to two": ([(0, 2), (4, 2), (2, 2), (3, 2)], [True, True, True, False]),
}
IDENTS = itertools.count(100)       # of datagrams that nobody has sent a piece of


def overlapping(daemon):
    return daemon.reasons().get("drop_fragment_overlap", 0)


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("case", OVERLAPS)
def test_fragments_that_overlap_are_dropped(standing, piece, case):
    daemon, wire = standing(STRICT)
    places, wanted = OVERLAPS[case]
    before = overlapping(daemon)
    assert wire.verdicts(parts(piece, next(IDENTS), *places)) == wanted
    assert overlapping(daemon) - before == wanted.count(False)


ORDERS = [[(0, 4), (4, 4), (8, 4)], [(8, 4), (4, 4), (0, 4)], [(4, 4), (8, 4), (0, 4)],
          [(0, 1), (2, 1), (4, 1), (6, 1), (8, 1), (10, 2), (9, 1), (7, 1), (5, 1), (3, 1), (1, 1)]]


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("order", ORDERS, ids=["forwards", "backwards", "mixed", "odd ones last"])
def test_fragments_that_fit_pass_in_any_order_and_again_with_the_same_id(standing, piece, order):
    daemon, wire = standing(STRICT)
    before, ident = overlapping(daemon), next(IDENTS)
    for _ in range(3):      # whole, the datagram is forgotten
        assert all(wire.verdicts(parts(piece, ident, *order)))
    assert overlapping(daemon) == before


def test_datagrams_are_told_apart(watched, wire):
    watched(STRICT)
    frames = [piece4(0, True, UDP_HEAD + bytes(24)),
              piece4(0, True, UDP_HEAD + bytes(24), ident=8),
              piece4(0, True, UDP_HEAD + bytes(24), src="9.9.9.1"),
              piece4(0, True, UDP_HEAD + bytes(24), dst="9.9.9.1"),
              piece4(0, True, UDP_HEAD + bytes(24), proto=136),
              piece6(0, True, UDP_HEAD + bytes(24)),
              piece6(0, True, UDP_HEAD + bytes(24), ident=0x70007),
              piece6(0, True, UDP_HEAD + bytes(24), src="2a00::1")]
    assert all(wire.verdicts(frames))


def test_a_full_table_forgets_and_counts(watched, wire):
    daemon = watched(STRICT)
    assert all(wire.verdicts(piece4(0, True, UDP_HEAD + bytes(24), ident=number % 65536,
                                    src=f"9.9.{number // 65536}.9") for number in range(6000)))
    assert daemon.status()["sanity"]["fragments_forgotten"] >= 6000 - 4096


def test_fragments_are_followed_as_long_as_the_policy_says_so(watched, wire):
    daemon = watched("api: {listen: off}\n")
    overlap = [(0, 4), (2, 4)]
    for number in range(2):
        daemon.apply("api: {listen: off}\nsanity: {fragments: {overlapping: true}}\n")
        assert wire.verdicts(parts(piece4, 10 + number, *overlap)) == [True, False]
        daemon.apply("api: {listen: off}\n")
        assert wire.verdicts(parts(piece4, 20 + number, *overlap)) == [True, True]


@pytest.mark.parametrize("how", ("reload", "restart"))
def test_fragments_are_followed_by_the_next_program_too(watched, wire, how):
    """It finds what the one before has seen, so nobody waits for a reload to send what overlaps."""
    daemon = watched(STRICT)
    first, over = parts(piece4, next(IDENTS), (0, 4), (2, 4))
    assert wire.verdicts([first]) == [True]
    if how == "restart":
        daemon.restart()
    else:       # other constants, so another program
        daemon.apply(STRICT + "conntrack: {enabled: true}\n")
    assert wire.verdicts([over]) == [False]


# --- link layer ----------------------------------------------------------------------------------

def test_strict_ethertype_lets_through_what_is_listed(watched, wire):
    daemon = watched("api: {listen: off}\nsanity: {ethertype: strict, ethertypes: [0x88cc, llc]}\n")
    lldp = Ether(dst="ff:ff:ff:ff:ff:ff", type=0x88CC) / Raw(b"x" * 50)
    stp = Ether(dst="01:80:c2:00:00:00", type=0x0026) / Raw(b"\x42\x42\x03" + bytes(47))
    other = Ether(dst="ff:ff:ff:ff:ff:ff", type=0x88E1) / Raw(b"x" * 50)
    arp = Ether(dst="ff:ff:ff:ff:ff:ff") / ARP()
    frames = [lldp, stp, other, arp, udp(A4), udp(A6), *tags(lldp), *tags(other)]
    assert ended(daemon, wire, frames) == {"pass_not_ip": 4, "drop_ethertype": 3, "pass_arp": 1,
                                           "pass_policy": 2}


def test_arp_and_neighbour_discovery_can_be_told_not_to_pass(watched, pair):
    daemon = watched("api: {listen: off}\nsanity: {arp: drop, neighbour: drop}\n")
    with pair.outside.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((pair.far, 0))
        sock.send(bytes(Ether(dst="ff:ff:ff:ff:ff:ff") / ARP()))
        sock.send(bytes(ether() / IPv6(src="fe80::1", dst="ff02::1:ff00:1", hlim=255)
                        / ICMPv6ND_NS(tgt="fe80::2")))
    wait_for(lambda: daemon.reasons() == {"drop_arp": 1, "drop_neighbour": 1}, "both dropped")


# --- sources ---------------------------------------------------------------------------------

BOGONS = ["10.1.2.3", "100.64.0.1", "169.254.1.1", "172.31.255.255", "192.0.0.1", "192.0.2.1",
          "192.168.1.1", "198.19.0.1", "198.51.100.1", "203.0.113.1", "240.0.0.1", "0.0.0.1",
          "fd00::1", "fc00::1", "2001:db8::1", "100::1", "64:ff9b:1::1", "3fff::1", "5f00::1",
          "2001:2::1", "2001:10::1"]
NOT_BOGONS = ["9.9.9.9", "192.0.0.9", "192.0.0.10", "100.128.0.1", "172.32.0.1", "192.88.99.1",
              "2a00::1", "2001:4860::1", "64:ff9b::1", "2001:20::1", "2001::1", "2002::1",
              "fe80::1"]


def test_bogons_are_refused_where_the_interface_is_named(watched, wire):
    daemon = watched("api: {listen: off}\nsanity: {bogons: ['w*']}\n")
    assert ended(daemon, wire, [udp(source) for source in BOGONS]) == {"drop_bogon": len(BOGONS)}
    assert ended(daemon, wire, [udp(source) for source in NOT_BOGONS]) == \
        {"pass_policy": len(NOT_BOGONS)}
    daemon.say("allow", "add", "10.1.2.0/24")
    assert ended(daemon, wire, [udp("10.1.2.3")]) == {"pass_allowed": 1}
    daemon.apply("api: {listen: off}\nsanity: {bogons: [eth7]}\n")
    assert "drop_bogon" not in ended(daemon, wire, [udp(source) for source in BOGONS])


@pytest.fixture
def router(pair):
    """`inside` forwards; a second wire of it leads to 10.78.0.0/16 and fd78::/64."""
    pair.give_addresses()
    behind = Namespace("behind")
    try:
        veth(pair.inside, "second", behind, "far")
        pair.inside.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        pair.inside.run("ip", "addr", "add", "10.78.0.1/16", "dev", "second")
        pair.inside.run("ip", "-6", "addr", "add", "fd78::1/64", "dev", "second", "nodad")
        yield pair
    finally:
        behind.delete()


HOME = ["10.77.1.2", "fd77::2", "fe80::5"]
ELSEWHERE = ["10.78.5.5", "fd78::5"]
NOWHERE = ["9.9.9.9", "2a00::9", "10.77.1.1", "fd77::1"]     # the last two are its own


@pytest.mark.parametrize("mode, spoofed", [("strict", ELSEWHERE + NOWHERE), ("loose", NOWHERE)])
def test_sources_without_a_way_back_are_refused(watched, router, wire, mode, spoofed):
    daemon = watched("api: {listen: off}\n"
                     f"sanity: {{reverse-path: {{interfaces: [wire], mode: {mode}}}}}\n")
    daemon.say("allow", "import", "-", text="\n".join(spoofed) + "\n")
    for source in HOME + ELSEWHERE + NOWHERE:
        dropped = ended(daemon, wire, [udp(source)]).get("drop_spoofed", 0)
        assert dropped == (source in spoofed), source
    discover = HONEST[2]
    assert wire.passes(discover)


def test_without_forwarding_the_way_back_is_not_asked_for_and_that_is_counted(watched, wire):
    daemon = watched("api: {listen: off}\nsanity: {reverse-path: {interfaces: [wire]}}\n")
    assert wire.passes(udp(A4))
    assert daemon.status()["sanity"]["path_no_forwarding"] == 1


# --- what hosts do -------------------------------------------------------------------------------

def test_leaving_packets_are_checked_too(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, BASIC + "interfaces: [{name: wire, egress: true}]\n")
    with Wire.outward(pair) as wire:
        assert wire.verdicts([*tcp("SF"), *MARTIAN, *LAND, *TINY, udp(A4, egress=True)]) == \
            [False] * (2 + len(MARTIAN) + len(LAND) + len(TINY)) + [True]
    assert daemon.reasons()["drop_martian"] == len(MARTIAN)


def test_the_loopback_device_keeps_its_ordinary_packets(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, STRICT + "interfaces: [{name: lo, egress: true}]\n")
    for address in ("127.0.0.1", "::1"):
        assert pair.inside.run("ping", "-c1", "-W2", address, check=False).returncode == 0
    assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("family, address", [(socket.AF_INET, Pair.inside_v4),
                                             (socket.AF_INET6, Pair.inside_v6)])
def test_connections_and_long_pings_work_through_every_check(watched, pair, family, address):
    pair.give_addresses()
    daemon = watched(STRICT)
    with pair.inside.socket(family, socket.SOCK_STREAM) as server, \
            pair.outside.socket(family, socket.SOCK_STREAM) as client:
        server.bind((address, 7000))
        server.listen()
        client.settimeout(10)
        client.connect((address, 7000))
        client.sendall(b"x" * 100000)
        client.shutdown(socket.SHUT_WR)
        taken, _ = server.accept()
        with taken:
            assert sum(iter(lambda: len(taken.recv(65536)), 0)) == 100000
    done = pair.outside.run("ping", "-c3", "-i0.2", "-s", "20000", "-W2", address, check=False)
    assert " 0% packet loss" in done.stdout
    assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


# --- explain -----------------------------------------------------------------------------------

EXPLAINED = [
    ("drop_land", "--src 9.9.9.9 --dst 9.9.9.9 --proto tcp --sport 80 --dport 80"),
    ("drop_martian", "--src 127.0.0.1 --dst 9.9.9.9"),
    ("drop_martian", "--src ff02::1 --dst 2a00::1 --proto udp"),
    ("drop_tcp_flags", "--src 2a00::1 --dst 2a00::2 --proto tcp --tcp-flags fin,psh,urg"),
    ("drop_tcp_flags", "--src 9.9.9.9 --dst 8.8.8.8 --proto tcp --tcp-flags none --vlan 7"),
    *(("pass_policy", f"--src {src} --dst {dst} --proto {proto} {more}")
      for src, dst in ((A4, B4), (A6, B6))
      for proto in ("tcp", "udp", "icmp" if src == A4 else "icmpv6", "sctp", "gre", "udplite")
      for more in ("", "--fragment first", "--fragment later", "--length 1400",
                   "--direction egress")),
]


def test_explain_is_told_the_same(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, STRICT, interfaces=[pair.wire])
    said = [(daemon.ask("explain", *words.split())["reason"], words) for _, words in EXPLAINED]
    assert said == EXPLAINED


# --- nmap ------------------------------------------------------------------------------------

SCANS = [("-sN", "drop_tcp_flags"), ("-sF", "drop_tcp_flags"), ("-sX", "drop_tcp_flags"),
         ("-sS", None), ("-sU", None), ("-sA", None), ("-f -sS", "drop_tiny_fragment")]


@pytest.mark.skipif(not shutil.which("nmap"), reason="nmap is not installed")
@pytest.mark.parametrize("words, reason", SCANS)
def test_scans_of_nmap_are_told_apart(weir_daemon, pair, words, reason):
    pair.give_addresses()
    daemon = weir_daemon(pair.inside, STRICT, interfaces=[pair.wire])
    pair.outside.run("nmap", "-n", "-Pn", "--max-retries", "0", "--host-timeout", "20s",
                     "-p", "7000-7019", *words.split(), pair.inside_v4)
    drops = {name: count for name, count in daemon.reasons().items() if name.startswith("drop")}
    assert set(drops) == ({reason} if reason else set())
    assert not reason or drops[reason] >= 20
