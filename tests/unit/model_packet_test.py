# SPDX-License-Identifier: Apache-2.0
"""The reader of tests/model finds in random packets what scapy put in: the model is no better than
that."""
import ipaddress
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import packets  # noqa: E402

from model.packet import FIRST, LATER, NO_VLAN, V6, WHOLE, parse  # noqa: E402

SEED, COUNT = 31, 4000
HEAD = b"\xff" * 6 + b"\x02\0\0\0\0\x01"


def frame_of(case):
    return case.data if case.link == "eth" else HEAD + bytes.fromhex(case.link) + case.data


def number(mapped):
    address = ipaddress.IPv6Address(bytes.fromhex(mapped))
    return int(address.ipv4_mapped) if address.ipv4_mapped else V6 + int(address)


def wanted_kind(seen):
    for bit, kind in (("too_deep", "too_deep"), ("arp", "arp"), ("neighbour", "neighbour")):
        if bit in seen:
            return kind
    return "ip" if seen & {"ipv4", "ipv6"} else "not_ip"


def wanted_fields(expect):
    seen = expect["seen"]
    version = 4 if "ipv4" in seen else 6
    wide = 256 if version == 6 else 0
    fields = {"family": version, "src": number(expect["src"]), "dst": number(expect["dst"]),
              "dscp": expect["dscp"], "proto": expect["proto"],
              "vlan": expect["vlan"] if "vlan" in seen else NO_VLAN,
              "fragment": LATER if "later_fragment" in seen else FIRST if "fragment" in seen
              else WHOLE}
    for key in ("sport", "dport"):
        fields[key] = expect[key] if "ports" in seen else -1
    fields["flags"] = expect["tcp_flags"] if "tcp" in seen else -1
    fields["type"] = expect["icmp_type"] + wide if "icmp" in seen else -1
    fields["code"] = expect["icmp_code"] if "icmp" in seen else -1
    return fields


def differences(case):
    packet, kind = parse(frame_of(case)), wanted_kind(case.expect["seen"])
    if packet.kind != kind:
        return kind, packet
    if kind not in ("ip", "neighbour"):
        return None
    return {key: (value, getattr(packet.fields, key))
            for key, value in wanted_fields(case.expect).items()
            if getattr(packet.fields, key) != value} or None


def test_the_model_reads_whole_packets_as_scapy_wrote_them():
    cases = list(packets.cases(SEED, COUNT))
    wrong = [(case.what, case.data.hex(), found) for case in cases if (found := differences(case))]
    assert not wrong, f"{len(wrong)} of {len(cases)}; first: {wrong[0]}"
    assert {parse(frame_of(case)).kind for case in cases} >= {"ip", "arp", "neighbour", "too_deep"}


def test_the_model_finds_no_transport_in_one_that_is_cut():
    cases = [case for case in packets.cases(SEED + 1, 1500) if case.link == "eth" and case.need
             and case.expect["seen"] & {"ports", "icmp"} and case.ip and case.need > case.ip]
    assert len(cases) > 300
    for case in cases:
        cut = parse(case.data[:case.need - 1])
        assert cut.kind == "ip" and cut.fields.sport == cut.fields.type == -1, case.what
        assert parse(case.data[:case.ip - 1]).kind == "damaged"
