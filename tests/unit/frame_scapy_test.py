# SPDX-License-Identifier: Apache-2.0
"""The packet that explain builds, dissected by scapy: fields as asked for, checksums right."""
import pathlib
import socket
import struct
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, _ICMPv6
from scapy.layers.ipsec import AH
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.utils import checksum

TREE = pathlib.Path(__file__).resolve().parents[2]
V4 = ("192.0.2.1", "198.51.100.7")
V6 = ("2001:db8::1", "2001:db8:ffff::7")
SOURCES = ["tests/unit/frame_print.c", "core/frame.c", "core/frame_fields.c",
           "core/packet_names.c", "base/addr.c", "base/addr_read.c", "base/buf.c", "base/diag.c"]


def spec(ends, proto, **fields):
    words = {"src": ends[0], "dst": ends[1], "proto": proto, **fields}
    return " ".join(f"{key.replace('_', '-')}={value}" for key, value in words.items())


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    program = tmp_path_factory.mktemp("frame") / "frame_print"
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
                    "-Wno-unused-parameter", "-Wno-missing-field-initializers",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{TREE}",
                    *(str(TREE / source) for source in SOURCES), "-o", str(program)], check=True)

    def run(*specs):
        done = subprocess.run([str(program)], input="\n".join(specs), stdout=subprocess.PIPE,
                              text=True, check=True)
        return done.stdout.splitlines()
    return run


@pytest.fixture(scope="module")
def build(lines):
    return lambda *specs: [bytes.fromhex(line) for line in lines(*specs)]


def rebuilt(data):
    """The same packet with every checksum and length made anew by scapy."""
    packet = Ether(data)
    for layer in (IP, IPv6, TCP, UDP, ICMP):
        for field in ("chksum", "len", "plen"):
            if packet.haslayer(layer) and field in packet[layer].fields:
                delattr(packet[layer], field)
    at = packet
    while at:
        if isinstance(at, _ICMPv6):
            del at.cksum
        at = at.payload
    return bytes(packet)


def check(build, ends, proto, transport, **fields):
    data, = build(spec(ends, proto, **fields))
    packet = Ether(data)
    ip = packet[IP if ends is V4 else IPv6]
    assert (ip.src, ip.dst) == ends
    assert packet.haslayer(transport), packet.show(dump=True)
    assert rebuilt(data) == data
    return packet


@pytest.mark.parametrize("ends", [V4, V6])
@pytest.mark.parametrize("flags, letters", [
    ("syn,ack", "SA"), ("none", ""), ("fin,psh,urg", "FPU"), ("rst", "R"), ("ece,cwr", "EC")])
def test_tcp_has_its_ports_and_flags(build, ends, flags, letters):
    packet = check(build, ends, "tcp", TCP, sport=40000, dport=443, tcp_flags=flags)
    assert (packet[TCP].sport, packet[TCP].dport, str(packet[TCP].flags)) == (40000, 443, letters)


@pytest.mark.parametrize("ends", [V4, V6])
def test_what_was_not_asked_for_is_a_syn_with_64_hops(build, ends):
    packet = check(build, ends, "tcp", TCP)
    ip = packet[IP if ends is V4 else IPv6]
    assert str(packet[TCP].flags) == "S"
    assert (ip.ttl if ends is V4 else ip.hlim) == 64


@pytest.mark.parametrize("ends", [V4, V6])
def test_udp_has_its_ports(build, ends):
    packet = check(build, ends, "udp", UDP, sport=5353, dport=53)
    assert (packet[UDP].sport, packet[UDP].dport) == (5353, 53)


@pytest.mark.parametrize("kind, number", [(3, 3), ("destination-unreachable", 3), (None, 8)])
def test_icmp_has_its_type_and_code(build, kind, number):
    fields = {"icmp_type": kind} if kind else {}
    packet = check(build, V4, "icmp", ICMP, icmp_code=4, **fields)
    assert (packet[ICMP].type, packet[ICMP].code) == (number, 4)


@pytest.mark.parametrize("kind, number", [(128, 128), ("packet-too-big", 2), (None, 128)])
def test_icmpv6_has_its_type_and_code(build, kind, number):
    fields = {"icmp_type": kind} if kind else {}
    packet = check(build, V6, "icmp", IPv6, icmp_code=1, **fields)
    inner = packet[IPv6].payload
    assert (packet[IPv6].nh, inner.type, inner.code) == (58, number, 1)


@pytest.mark.parametrize("ends", [V4, V6])
def test_sctp_is_an_init(build, ends):
    data, = build(spec(ends, "sctp", sport=1000, dport=2905))
    packet = Ether(data)
    assert (packet[SCTP].sport, packet[SCTP].dport, packet[SCTP].tag) == (1000, 2905, 0)
    init = packet[SCTPChunkInit]
    # RFC 9260, 3.3.2: no tag, no stream and no window below 1,500 bytes.
    assert (init.len, init.flags, init.params) == (20, 0, [])
    assert init.init_tag and init.n_out_streams and init.n_in_streams and init.a_rwnd >= 1500


@pytest.mark.parametrize("ends", [V4, V6])
def test_dccp_is_a_request_with_a_right_checksum(build, ends):
    data, = build(spec(ends, "dccp", sport=1000, dport=2905))
    ip = Ether(data)[IP if ends is V4 else IPv6]
    request = bytes(ip.payload)
    # RFC 4340, 5.1: ports, data offset 5, CCVal and CsCov 0, checksum; type 0 with X set.
    assert request[:6] == struct.pack("!HHBB", 1000, 2905, 5, 0)
    assert request[8:] == b"\x01" + bytes(11)
    packed = [socket.inet_pton(socket.AF_INET if ends is V4 else socket.AF_INET6, end)
              for end in ends]
    assert checksum(b"".join(packed) + struct.pack("!II", len(request), 33) + request) == 0


@pytest.mark.parametrize("ends", [V4, V6])
def test_ah_says_that_nothing_follows(build, ends):
    packet = check(build, ends, "ah", AH)
    assert (packet[AH].nh, len(packet[AH])) == (59, (packet[AH].payloadlen + 2) * 4)


@pytest.mark.parametrize("ends", [V4, V6])
def test_vlan_is_a_tag_before_the_same_packet(build, ends):
    plain, tagged = build(spec(ends, "udp"), spec(ends, "udp", vlan=4094))
    assert Ether(tagged)[Dot1Q].vlan == 4094
    assert bytes(Ether(tagged)[Dot1Q].payload) == bytes(Ether(plain).payload)


@pytest.mark.parametrize("dscp, number", [("ef", 46), ("cs7", 56), ("af11", 10), (63, 63)])
def test_dscp_and_ttl_stand_in_both_families(build, dscp, number):
    v4 = check(build, V4, "udp", UDP, dscp=dscp, ttl=1)[IP]
    v6 = check(build, V6, "udp", UDP, dscp=dscp, ttl=255)[IPv6]
    assert (v4.tos, v4.ttl) == (number << 2, 1)
    assert (v6.tc, v6.fl, v6.hlim) == (number << 2, 0, 255)


@pytest.mark.parametrize("proto, v4_least", [
    ("tcp", 40), ("udp", 28), ("icmp", 28), ("gre", 20), ("sctp", 52), ("dccp", 40)])
@pytest.mark.parametrize("ends", [V4, V6])
def test_length_is_that_of_the_ip_packet(build, lines, ends, proto, v4_least):
    least = v4_least + (20 if ends is V6 else 0)
    for length in (least, least + 1, 600, 2034):
        data, = build(spec(ends, proto, length=length))
        assert len(data) == 14 + length
        ip = Ether(data)[IP if ends is V4 else IPv6]
        assert (ip.len if ends is V4 else ip.plen + 40) == length
        if proto not in ("sctp", "dccp"):
            assert rebuilt(data) == data
    for length in (least - 1, 2035):
        assert lines(spec(ends, proto, length=length))[0].startswith(f"length: {length} bytes are ")
        assert lines(spec(ends, proto, length=length))[0].endswith(f"write {least} to 2034")


def test_tag_takes_four_bytes_from_the_longest_packet(lines):
    assert lines(spec(V4, "udp", length=2031, vlan=5))[0].endswith("write 28 to 2030")


@pytest.mark.parametrize("ends", [V4, V6])
@pytest.mark.parametrize("proto, transport", [("tcp", TCP), ("udp", UDP)])
def test_first_fragment_has_its_ports_and_more_to_come(build, ends, proto, transport):
    data, = build(spec(ends, proto, sport=40000, dport=443, fragment="first"))
    packet = Ether(data)
    head = packet[IP] if ends is V4 else packet[IPv6ExtHdrFragment]
    more = head.flags == "MF" if ends is V4 else head.m == 1
    assert (more, head.frag if ends is V4 else head.offset) == (True, 0)
    assert (packet[transport].sport, packet[transport].dport) == (40000, 443)
    assert len(head.payload) % 8 == 0


def test_later_fragment_of_v4_has_an_offset_and_no_ports(build):
    packet = check(build, V4, "tcp", IP, sport=40000, dport=443, fragment="later")
    assert (packet[IP].proto, packet[IP].frag > 0, packet.haslayer(TCP)) == (6, True, False)


def test_later_fragment_of_v6_has_an_offset_and_no_ports(build):
    packet = check(build, V6, "tcp", IPv6ExtHdrFragment, sport=40000, fragment="later", length=600)
    fragment = packet[IPv6ExtHdrFragment]
    assert (fragment.nh, fragment.offset > 0, packet.haslayer(TCP)) == (6, True, False)
    assert len(packet[IPv6]) == 600


@pytest.mark.parametrize("number", ["0", "47", "50", "255"])
def test_any_protocol_number_is_written_as_it_is(build, number):
    v4, v6 = build(spec(V4, number), spec(V6, number))
    assert (Ether(v4)[IP].proto, Ether(v6)[IPv6].nh) == (int(number), int(number))


@pytest.mark.parametrize("ends", [V4, V6])
def test_udp_checksum_that_comes_out_as_zero_is_written_as_all_ones(build, ends):
    # 0 would mean "no checksum" (RFC 768), which IPv6 forbids (RFC 8200, 8.1).
    first, = build(spec(ends, "udp", sport=0, dport=53))
    missing = Ether(first)[UDP].chksum  # as the source port it adds what is missing to ffff
    assert check(build, ends, "udp", UDP, sport=missing, dport=53)[UDP].chksum == 0xffff


@pytest.mark.parametrize("wrong, key", [
    (spec(V4, "udp", tcp_flags="syn"), "tcp-flags"), (spec(V4, "tcp", icmp_type="8"), "icmp-type"),
    (spec(V4, "tcp", icmp_code="0"), "icmp-code"), (spec(V4, "gre", dport="22"), "dport"),
    (spec((V4[0], V6[1]), "tcp"), "dst"), (spec(V4, "icmp", icmp_type="packet-too-big"),
                                           "icmp-type"),
    (spec(V4, "tcp", tcp_flags="sin"), "tcp-flags"), (spec(V4, "tcp", dscp="64"), "dscp"),
    (spec(V4, "tcp", ttl="256"), "ttl"), (spec(V4, "tcp", vlan="4095"), "vlan"),
    (spec(V4, "tcp", vlan="0"), "vlan"), (spec(V4, "tcp", fragment="last"), "fragment"),
    (spec(V4, "tcp", sport="65536"), "sport"), (spec(V4, "tcp", length="65536"), "length")])
def test_what_no_packet_can_have_is_refused_by_its_field(lines, wrong, key):
    said, = lines(wrong)
    assert said.startswith(f"{key}: ") and "; " in said
