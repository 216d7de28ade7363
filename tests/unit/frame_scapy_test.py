# SPDX-License-Identifier: Apache-2.0
"""The packet that explain builds, dissected by scapy: fields as asked for, checksums right."""
import collections
import pathlib
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, _ICMPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.layers.sctp import SCTP

TREE = pathlib.Path(__file__).resolve().parents[2]
V4 = ("192.0.2.1", "198.51.100.7")
V6 = ("2001:db8::1", "2001:db8:ffff::7")
Spec = collections.namedtuple("Spec", "src dst proto sport dport flags type code vlan later",
                              defaults=(0, 0, 0, 0, 0, 0, 0))


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    program = tmp_path_factory.mktemp("frame") / "frame_print"
    sources = ["tests/unit/frame_print.c", "core/frame.c", "base/addr.c", "base/addr_read.c"]
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
                    "-Wno-unused-parameter", "-Wno-missing-field-initializers",
                    "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{TREE}",
                    *(str(TREE / source) for source in sources), "-o", str(program)], check=True)

    def run(*specs):
        text = "".join(" ".join(map(str, spec)) + "\n" for spec in specs)
        done = subprocess.run([str(program)], input=text, stdout=subprocess.PIPE, text=True,
                              check=True)
        return [bytes.fromhex(line) for line in done.stdout.splitlines()]
    return run


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


def check(build, spec, transport):
    data, = build(spec)
    packet = Ether(data)
    ip = packet[IP if "." in spec.src else IPv6]
    assert (ip.src, ip.dst) == (spec.src, spec.dst)
    assert packet.haslayer(transport), packet.show(dump=True)
    assert rebuilt(data) == data
    return packet


@pytest.mark.parametrize("ends", [V4, V6])
def test_tcp_has_its_ports_and_flags(build, ends):
    packet = check(build, Spec(*ends, "tcp", 40000, 443, 0x12), TCP)
    assert (packet[TCP].sport, packet[TCP].dport, str(packet[TCP].flags)) == (40000, 443, "SA")


@pytest.mark.parametrize("ends", [V4, V6])
def test_udp_has_its_ports(build, ends):
    packet = check(build, Spec(*ends, "udp", 5353, 53), UDP)
    assert (packet[UDP].sport, packet[UDP].dport) == (5353, 53)


def test_icmp_has_its_type_and_code(build):
    packet = check(build, Spec(*V4, "icmp", type=3, code=4), ICMP)
    assert (packet[ICMP].type, packet[ICMP].code) == (3, 4)


def test_icmpv6_has_its_type_and_code(build):
    packet = check(build, Spec(*V6, "icmp", type=128), IPv6)
    assert (packet[IPv6].nh, packet[IPv6].payload.type, packet[IPv6].payload.code) == (58, 128, 0)


@pytest.mark.parametrize("ends", [V4, V6])
def test_sctp_has_its_ports(build, ends):
    data, = build(Spec(*ends, "sctp", 1000, 2905))
    assert (Ether(data)[SCTP].sport, Ether(data)[SCTP].dport) == (1000, 2905)


@pytest.mark.parametrize("ends", [V4, V6])
def test_vlan_is_a_tag_before_the_same_packet(build, ends):
    plain, tagged = build(Spec(*ends, "udp", 1, 2), Spec(*ends, "udp", 1, 2, vlan=4094))
    assert Ether(tagged)[Dot1Q].vlan == 4094
    assert bytes(Ether(tagged)[Dot1Q].payload) == bytes(Ether(plain).payload)


def test_later_fragment_of_v4_has_an_offset_and_no_ports(build):
    packet = check(build, Spec(*V4, "tcp", 40000, 443, later=1), IP)
    assert (packet[IP].proto, packet[IP].frag > 0, packet.haslayer(TCP)) == (6, True, False)


def test_later_fragment_of_v6_has_an_offset_and_no_ports(build):
    packet = check(build, Spec(*V6, "tcp", 40000, 443, later=1), IPv6ExtHdrFragment)
    fragment = packet[IPv6ExtHdrFragment]
    assert (fragment.nh, fragment.offset > 0, packet.haslayer(TCP)) == (6, True, False)


@pytest.mark.parametrize("number", ["0", "47", "50", "255"])
def test_any_protocol_number_is_written_as_it_is(build, number):
    v4, v6 = build(Spec(*V4, number), Spec(*V6, number))
    assert (Ether(v4)[IP].proto, Ether(v6)[IPv6].nh) == (int(number), int(number))


@pytest.mark.parametrize("ends", [V4, V6])
def test_udp_checksum_that_comes_out_as_zero_is_written_as_all_ones(build, ends):
    # 0 would mean "no checksum" (RFC 768), which IPv6 forbids (RFC 8200, 8.1).
    first, = build(Spec(*ends, "udp", 0, 53))
    spec = Spec(*ends, "udp", Ether(first)[UDP].chksum, 53)  # adds what is missing to ffff
    packet = check(build, spec, UDP)
    assert packet[UDP].chksum == 0xffff
