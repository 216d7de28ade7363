# SPDX-License-Identifier: Apache-2.0
"""explain asks the live program and counts nothing; replay judges captures as the wire would, and
what it ought to say comes from tcpdump and ipaddress."""
import collections
import contextlib
import ipaddress
import json
import os
import pty
import random
import re
import struct
import subprocess

import pytest

from harness.daemon import BPFFS, WEIR, Daemon, Refused
from harness.frames import IP, TCP, UDP, Ether, IPv6, dressed, udp
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire

CONFIG = """api: {listen: off}
block:
  lists:
    - {name: office, action: allow, entries: [192.0.2.7, '2001:db8:1::/48']}
    - {name: bad, action: deny, entries: [192.0.2.0/24, '2001:db8::/32', 203.0.113.5-203.0.113.9]}
"""
ALLOWED = ["192.0.2.7/32", "2001:db8:1::/48"]
DENIED = ["192.0.2.0/24", "2001:db8::/32", "203.0.113.5/32", "203.0.113.6/31", "203.0.113.8/31"]


# --- explain -------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def watched():
    with Pair() as pair:
        yield pair


@pytest.fixture(scope="module")
def explaining(watched):
    with Daemon(watched.inside, config=CONFIG) as daemon:
        daemon.say("interface", "attach", watched.wire, "--egress")
        daemon.say("block", "import", "-", "--list", "feed", text="198.51.100.0/24\n")
        daemon.say("block", "add", "198.18.7.0/24", "--ttl", "1h", "--note", "port scan")
        daemon.say("allow", "add", "198.51.100.9", "--ttl", "1h")
        yield daemon


@pytest.mark.parametrize("src, said", [
    ("203.0.113.1", ("pass", "pass_policy", "policy", None, None)),
    ("192.0.2.1", ("drop", "drop_blocked", "block", "bad", "192.0.2.0/24")),
    ("192.0.2.7", ("pass", "pass_allowed", "block", "office", "192.0.2.7")),
    ("203.0.113.7", ("drop", "drop_blocked", "block", "bad", "203.0.113.5-203.0.113.9")),
    ("198.51.100.1", ("drop", "drop_blocked", "block", "feed", "198.51.100.0/24")),
    ("198.51.100.9", ("pass", "pass_allowed", "block", "runtime-allow", "198.51.100.9")),
    ("198.18.7.1", ("drop", "drop_blocked", "block", "runtime-deny", "198.18.7.0/24")),
    ("2001:db8::1", ("drop", "drop_blocked", "block", "bad", "2001:db8::/32")),
    ("2001:db8:1::1", ("pass", "pass_allowed", "block", "office", "2001:db8:1::/48")),
])
def test_explain_names_stage_reason_list_and_entry(explaining, src, said):
    dst = "2001:db8:ffff::1" if ":" in src else "10.0.0.1"
    answer = explaining.ask("explain", "--src", src, "--dst", dst)
    assert tuple(answer.get(key) for key in ("verdict", "reason", "stage", "list", "entry")) == said
    out = explaining.ask("explain", "--src", "2001:dead::1" if ":" in src else dst, "--dst", src,
                         "--direction", "egress")
    assert tuple(out.get(key) for key in ("verdict", "reason", "stage", "list", "entry")) == said


def test_explain_builds_the_packet_that_was_asked_for(explaining):
    answer = explaining.ask("explain", "--src", "192.0.2.1", "--dst", "10.0.0.1", "--proto", "udp",
                            "--sport", "1234", "--dport", "53", "--vlan", "7")
    packet = answer["packet"]
    assert (packet["src"], packet["dst"], packet["proto"]) == ("192.0.2.1", "10.0.0.1", 17)
    assert (packet["sport"], packet["dport"], packet["vlan"]) == (1234, 53, 7)
    assert answer["verdict"] == "drop"


@pytest.mark.parametrize("words, member, value", [
    ("--tcp-flags fin,psh,urg", "tcp_flags", 0x29), ("--ttl 3", "ttl", 3),
    ("--dscp ef", "dscp", 46), ("--length 1500", "seen", []),
    ("--proto icmp --icmp-type redirect --icmp-code 1", "icmp_type", 5),
    ("--proto icmp --icmp-code 1", "icmp_type", 8), ("--proto dccp --dport 5", "dport", 5),
    ("--fragment first --dport 80", "dport", 80), ("--fragment first", "seen", ["fragment"]),
    ("--fragment later", "seen", ["fragment", "later-fragment"]),
    ("--fragment later", "sport", None)])
@pytest.mark.parametrize("direction", ["ingress", "egress"])
def test_explain_gives_the_packet_the_field_that_was_asked_for(explaining, words, member, value,
                                                                direction):
    answer = explaining.ask("explain", "--src", "192.0.2.1", "--dst", "192.0.2.2", "--direction",
                            direction, *words.split())
    assert answer["packet"].get(member) == value
    assert answer["verdict"] == "drop"


def test_explain_shows_the_note(explaining):
    text = explaining.say("explain", "--src", "198.18.7.1", "--dst", "10.0.0.1")
    assert "port scan" in text and "runtime-deny" in text and "drop_blocked" in text


def test_explain_counts_nothing_and_tells_no_event(explaining, watched):
    with Wire.inward(watched) as wire:
        wire.send([udp("192.0.2.1")] * 3)
    wait_for(lambda: explaining.ask("events", "--kind", "drop")["events"], "events came")
    before = explaining.reasons(), explaining.ask("block", "lists")
    for _ in range(20):
        explaining.say("explain", "--src", "192.0.2.1", "--dst", "10.0.0.1")
    assert (explaining.reasons(), explaining.ask("block", "lists")) == before
    assert len(explaining.ask("events", "--kind", "drop")["events"]) == 3


@pytest.mark.outside
@pytest.mark.parametrize("words, wants", [
    (["--src", "192.0.2.1", "--dst", "2001:db8::1"], "families"),
    (["--src", "192.0.2.x", "--dst", "10.0.0.1"], "192.0.2.x"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--interface", "nosuch0"], "nosuch0"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--proto", "tpc"], "tpc"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--length", "39"], "write 40 to 2034"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--length", "9000"], "write 40 to 2034"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--fragment", "last"], "none, first, later"),
    (["--src", "192.0.2.1", "--dst", "10.0.0.1", "--icmp-type", "8"], "only ICMP"),
])
def test_explain_of_no_possible_packet_is_refused(explaining, words, wants):
    with pytest.raises(Refused) as refused:
        explaining.say("explain", *words)
    assert re.search(wants, refused.value.said)


# --- replay --------------------------------------------------------------------------------------

def replay(path, *words, config=CONFIG, **options):
    file = path.parent / "replay.yaml"
    file.write_text(config)
    return subprocess.run([WEIR, "replay", path, "--config", file, *words],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          **{"stderr": subprocess.PIPE, **options})


def rows(done):
    """(one object a packet, the sums)"""
    objects = [json.loads(line) for line in done.stdout.splitlines() if line]
    return [row for row in objects if "n" in row], [row for row in objects if "n" not in row]


def sources_by_tcpdump(path):
    """The source of each packet, as tcpdump reads it: first line of each, MPLS on the next."""
    text = subprocess.run(["tcpdump", "-nn", "-t", "-r", path], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout
    found = []
    for line in re.sub(r"\n\s+", " ", text).splitlines():
        match = re.search(r"\bIP6? (?:\([^)]*\) )?([0-9a-f:.]+) > ", line)
        assert match, line
        address = match[1]
        if ":" in address:
            address = address.split(".")[0]
        else:
            address = ".".join(address.split(".")[:4])
        found.append(ipaddress.ip_address(address))
    return found


def verdict(address):
    if any(address in ipaddress.ip_network(net) for net in ALLOWED):
        return "pass", "pass_allowed"
    if any(address in ipaddress.ip_network(net) for net in DENIED):
        return "drop", "drop_blocked"
    return "pass", "pass_policy"


def some_frames():
    rng = random.Random(5)
    addresses = ["192.0.2.7", "192.0.2.8", "203.0.113.4", "203.0.113.5", "203.0.113.9",
                 "203.0.113.10", "2001:db8::1", "2001:db8:1::1", "2001:db9::1", "10.1.2.3"]
    frames = [frame for address in addresses for frame in dressed(address).values()]
    rng.shuffle(frames)
    return frames


@pytest.fixture(params=["pcap", "pcapng"])
def capture(request, tmp_path):
    from scapy.utils import wrpcap, wrpcapng
    path = tmp_path / f"capture.{request.param}"
    {"pcap": wrpcap, "pcapng": wrpcapng}[request.param](str(path), some_frames())
    return path


def test_replay_judges_as_tcpdump_and_ipaddress_do(capture):
    expected = [verdict(address) for address in sources_by_tcpdump(capture)]
    assert len(expected) == len(some_frames()) and len(set(expected)) == 3
    done = replay(capture, "--json")
    assert done.returncode == 0, done.stderr
    packets, _ = rows(done)
    assert [row["n"] for row in packets] == list(range(1, len(expected) + 1))
    assert [(row["verdict"], row["reason"]) for row in packets] == expected


def test_replay_sums_by_reason_and_source(capture):
    expected = sources_by_tcpdump(capture)
    done = replay(capture)
    count = collections.Counter(verdict(address)[1] for address in expected)
    for reason, packets in count.items():
        assert re.search(rf"^{reason} +{packets} ", done.stdout, re.M), done.stdout
    top = collections.Counter(map(str, expected))["192.0.2.8"]
    assert re.search(rf"^192\.0\.2\.8 +0 +{top} ", done.stdout, re.M), done.stdout


def test_replay_needs_no_daemon_and_leaves_nothing(capture):
    before = set(os.listdir(BPFFS))
    assert replay(capture).returncode == 0
    left = set(os.listdir(BPFFS)) - before
    assert not [name for name in left if name == "weir" or "replay" in name]


@pytest.mark.outside
@pytest.mark.parametrize("bytes_off, whole", [(1, -1), (17, -1), (10**6, 0)])
def test_damaged_capture_is_judged_as_far_as_it_goes(tmp_path, bytes_off, whole):
    from scapy.utils import wrpcap
    path = tmp_path / "cut.pcap"
    frames = some_frames()
    wrpcap(str(path), frames)
    content = path.read_bytes()
    left = len(frames) + whole if whole else 0
    path.write_bytes(content[:max(len(content) - bytes_off, 24)])
    done = replay(path)
    if not left:
        assert done.returncode == 0 and done.stdout.startswith("0 packets")
        return
    assert done.returncode == 1
    assert f"damaged at packet {left + 1}" in done.stderr
    assert done.stdout.startswith(f"{left} packets")


@pytest.mark.outside
def test_capture_with_a_mad_length_in_the_middle_says_which_packet(tmp_path):
    from scapy.utils import wrpcap
    path = tmp_path / "mad.pcap"
    wrpcap(str(path), [udp("192.0.2.8")] * 10)
    content = bytearray(path.read_bytes())
    record = (len(content) - 24) // 10
    content[24 + 4 * record + 8:24 + 4 * record + 12] = b"\xff\xff\xff\x7f"
    path.write_bytes(content)
    done = replay(path)
    assert done.returncode == 1 and "packet 5" in done.stderr
    assert done.stdout.startswith("4 packets")


@pytest.mark.outside
@pytest.mark.parametrize("content", [b"", b"hello, this is no capture", b"\xd4\xc3\xb2\xa1"])
def test_file_that_is_no_capture_is_refused_by_name(tmp_path, content):
    path = tmp_path / "none.pcap"
    path.write_bytes(content)
    done = replay(path)
    assert done.returncode == 1 and "none.pcap" in done.stderr


@pytest.mark.outside
def test_file_that_is_not_there_is_refused_by_name(tmp_path):
    done = replay(tmp_path / "absent.pcap")
    assert done.returncode == 1 and "absent.pcap" in done.stderr


@pytest.mark.parametrize("link", [101, 228, 229, 0, 108, 113, 276])
def test_captures_without_ethernet_are_judged_too(tmp_path, link):
    versions = {228: [4], 229: [6]}.get(link, [4, 6])
    packets = []
    for version in versions:
        for source in {4: ("192.0.2.8", "10.0.0.1"), 6: ("2001:db8::1", "2001:db9::1")}[version]:
            other = "198.18.0.1" if version == 4 else "2001:db8:ffff::1"
            header = (IP if version == 4 else IPv6)(src=source, dst=other)
            packets.append(linked(link, version, bytes(header / UDP(sport=1, dport=2))))
    path = tmp_path / "raw.pcap"
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link) + b"".join(
        struct.pack("<IIII", 1, 2, len(packet), len(packet)) + packet for packet in packets))
    found, _ = rows(replay(path, "--json"))
    assert [row["verdict"] for row in found] == ["drop", "pass"] * len(versions)


def linked(link, version, packet):
    family = {4: 2, 6: 10}[version]
    kind = {4: 0x0800, 6: 0x86DD}[version]
    heads = {0: struct.pack("<I", family), 108: struct.pack(">I", family),
             113: struct.pack("!HHH8sH", 0, 1, 6, b"", kind),
             276: struct.pack("!HHIHBB8s", kind, 0, 1, 1, 0, 6, b"")}
    return heads.get(link, b"") + packet


def test_packets_cut_by_the_capture_are_judged_by_what_is_there(tmp_path):
    path = tmp_path / "snap.pcap"
    frames = [bytes(udp("192.0.2.8", payload=b"x" * 400)), bytes(udp("10.1.1.1"))]
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 64, 1) + b"".join(
        struct.pack("<IIII", 1, 2, len(frame[:40]), len(frame)) + frame[:40] for frame in frames))
    found, _ = rows(replay(path, "--json"))
    assert [(row["verdict"], row["len"]) for row in found] == [
        ("drop", len(frames[0])), ("pass", len(frames[1]))]


@pytest.mark.outside
def test_long_capture_shows_progress_on_a_terminal_only(tmp_path):
    path = tmp_path / "long.pcap"
    frame = bytes(Ether() / IP(src="192.0.2.8", dst="10.0.0.1") / TCP())
    record = struct.pack("<IIII", 1, 2, len(frame), len(frame)) + frame
    count = 1_000_000
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for _ in range(count // 10000):
            out.write(record * 10000)
    master, slave = pty.openpty()
    try:
        done = replay(path, stderr=slave, env=dict(os.environ, TERM="xterm"))
        os.set_blocking(master, False)
        shown = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                shown += os.read(master, 65536)
    finally:
        os.close(master)
        os.close(slave)
    assert done.returncode == 0 and done.stdout.startswith(f"{count:,} packets")
    assert b"%" in shown, shown


@pytest.mark.outside
def test_limit_stops_early(capture):
    done = replay(capture, "--limit", "7")
    assert done.returncode == 0 and done.stdout.startswith("7 packets")
