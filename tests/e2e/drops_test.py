# SPDX-License-Identifier: Apache-2.0
"""`weir drops`: what the kernel gives up, beside what the kernel itself counts in other places."""
import os
import socket
import sys
import threading

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from harness.account import metrics
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\ndrops: {enabled: true}\n"
CLOSED, OPEN = 4111, 4222
MANY = 37


@pytest.fixture
def pair():
    """No Weir on its devices: all that is lost here is lost by the kernel."""
    with Pair("drops", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def watched(pair, weir_daemon):
    daemon = weir_daemon(pair.inside, config=CONFIG)
    wait_for(lambda: daemon.ask("drops")["watched"], "drops are watched")
    return daemon


def snmp(namespace, name):
    """A counter of the kernel's, by nstat's name."""
    text = namespace.run("nstat", "-asz", name).stdout
    return int(next(line for line in text.splitlines() if line.startswith(name)).split()[1])


def packets(daemon, *words):
    return sum(row["packets"] for row in daemon.ask("drops", "--limit", "1000", *words)["drops"])


def lost(daemon, count, *words):
    """Waits until so many are told of; gives the rows."""
    wait_for(lambda: packets(daemon, *words) >= count, f"{count} drops are told of")
    rows = daemon.ask("drops", *words)["drops"]
    assert sum(row["packets"] for row in rows) == count, rows
    return rows


def mac_of(namespace, device):
    text = namespace.run("ip", "-o", "link", "show", "dev", device).stdout
    return text.split("link/ether ")[1].split()[0]


def ether(pair):
    return Ether(src=mac_of(pair.outside, pair.far), dst=mac_of(pair.inside, pair.wire))


def inward(pair):
    return ether(pair) / IP(src=pair.outside_v4, dst=pair.inside_v4)


def put(pair, frame, times=1):
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for _ in range(times):
            sock.send(bytes(frame))


@pytest.mark.parametrize("family", (4, 6))
def test_datagrams_to_a_closed_port_are_told_of(pair, watched, family):
    name = {4: "UdpNoPorts", 6: "Udp6NoPorts"}[family]
    source, target = {4: (pair.outside_v4, pair.inside_v4),
                      6: (pair.outside_v6, pair.inside_v6)}[family]
    before = snmp(pair.inside, name)
    with pair.outside.socket({4: socket.AF_INET, 6: socket.AF_INET6}[family],
                             socket.SOCK_DGRAM) as sock:
        sock.bind((source, 5111))
        for _ in range(MANY):
            sock.sendto(b"x" * 100, (target, CLOSED))
    wait_for(lambda: snmp(pair.inside, name) - before == MANY, "the kernel counted them")
    row, = lost(watched, MANY, "reason=NO_SOCKET")
    assert row["interface"] == pair.wire and row["protocol"] == "udp" and row["by"] == "kernel"
    assert row["where"].startswith("__udp6_lib_rcv" if family == 6 else "__udp4_lib_rcv")
    flow, = watched.ask("drops", "--flows", "reason=NO_SOCKET")["flows"]
    for told in (row["flow"], flow):
        assert (told["src"], told["sport"], told["dst"], told["dport"]) == (
            source, 5111, target, CLOSED)
    assert flow["packets"] == MANY
    assert watched.ask("drops")["missed"] == 0


def test_a_receive_buffer_that_is_full_names_the_socket(pair, watched):
    """UDP keeps lengths in the place of the device by then: the interface is still told."""
    before = snmp(pair.inside, "UdpRcvbufErrors")
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as full, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        full.bind((pair.inside_v4, OPEN))
        sender.bind((pair.outside_v4, 5112))
        for _ in range(60):
            sender.sendto(b"x" * 1000, (pair.inside_v4, OPEN))
        count = wait_for(lambda: snmp(pair.inside, "UdpRcvbufErrors") - before, "it overflows")
        rows = lost(watched, count, "reason=SOCKET_RCVBUFF")
        inode = os.fstat(full.fileno()).st_ino
        with open("/proc/self/comm") as name:
            assert f" {name.read().strip()}\n" in watched.say("drops", "--flows", f"dport={OPEN}")
    assert 10 < count < 60
    assert {row["interface"] for row in rows} == {pair.wire}
    flow, = watched.ask("drops", "--flows", f"dport={OPEN}")["flows"]
    assert (flow["src"], flow["dst"]) == (pair.outside_v4, pair.inside_v4)
    assert flow["packets"] == count
    assert flow["socket_inode"] == inode
    wait_for(lambda: f"\nweir_kernel_drops_socket_full_total {count}\n" in metrics(watched),
             "all of them are told, whatever their interface")


LATE = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind((sys.argv[1], int(sys.argv[2])))
sock.connect((sys.argv[3], int(sys.argv[4])))
sock.send(b"x")
"""


def test_what_comes_too_late_is_known_as_the_process_that_is_gone(pair, weir_daemon, tmp_path):
    daemon = weir_daemon(pair.inside, config=CONFIG + "sockets: {enabled: true}\n")
    for words in (("drops",), ("socket", "list")):
        wait_for(lambda words=words: daemon.ask(*words)["watched"], "it is watched")
    (tmp_path / "asker").symlink_to(sys.executable)
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((pair.outside_v4, 5113))
        pair.inside.run(tmp_path / "asker", "-c", LATE, pair.inside_v4, str(CLOSED),
                        pair.outside_v4, "5113")
        sock.recv(1)
        sock.sendto(b"late", (pair.inside_v4, CLOSED))
    lost(daemon, 1, "reason=NO_SOCKET")
    flow = wait_for(lambda: (row := daemon.ask("drops", "--flows", "reason=NO_SOCKET")["flows"][0])
                    .get("dst_owner") and row, "it is known whose it was")
    assert flow["dst_owner"]["process"] == "asker" and "src_owner" not in flow
    assert daemon.ask("drops", "reason=NO_SOCKET")["drops"][0]["flow"]["dst_owner"] == \
        flow["dst_owner"]
    assert " asker\n" in daemon.say("drops", "--flows", f"dport={CLOSED}")


@pytest.mark.parametrize("name, reason, layer", [
    ("UdpInCsumErrors", "UDP_CSUM", UDP(sport=1, dport=OPEN, chksum=1)),
    ("TcpInCsumErrors", "TCP_CSUM", TCP(sport=1, dport=OPEN, flags="S", chksum=1))])
def test_a_wrong_checksum_is_told_of(pair, watched, name, reason, layer):
    before = snmp(pair.inside, name)
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((pair.inside_v4, OPEN))
        put(pair, inward(pair) / layer / Raw(b"x" * 50), MANY)
        wait_for(lambda: snmp(pair.inside, name) - before == MANY, "the kernel counted them")
        row, = lost(watched, MANY, f"reason={reason}")
    assert row["interface"] == pair.wire and row["by"] == "kernel"


@pytest.mark.parametrize("name, reason, source, target", [
    ("IpExtInNoRoutes", "IP_INNOROUTES", Pair.outside_v4, "203.0.113.9"),
    ("TcpExtIPReversePathFilter", "IP_RPFILTER", "203.0.113.8", Pair.inside_v4)])
def test_what_the_routes_refuse_is_told_of(pair, watched, name, reason, source, target):
    pair.inside.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=1",
                    f"net.ipv4.conf.{pair.wire}.rp_filter=1")
    before = snmp(pair.inside, name)
    put(pair, ether(pair) / IP(src=source, dst=target) / UDP(sport=1, dport=2), MANY)
    wait_for(lambda: snmp(pair.inside, name) - before == MANY, "the kernel counted them")
    row, = lost(watched, MANY, f"src={source} and dst={target}")
    assert row["reason"] == reason


def test_what_netfilter_drops_is_told_of(pair, watched):
    pair.inside.run("nft", "-f", "-",
                    input="table ip t { chain c { type filter hook input priority 0;"
                    f" udp dport {OPEN} counter drop\n}}\n}}\n")
    put(pair, inward(pair) / UDP(sport=1, dport=OPEN), MANY)
    wait_for(lambda: f"packets {MANY} " in pair.inside.run("nft", "list", "ruleset").stdout,
             "nftables counted them")
    row, = lost(watched, MANY, "reason=NETFILTER_DROP")
    assert row["interface"] == pair.wire and row["flow"]["dport"] == OPEN


def test_what_a_queue_has_no_room_for_is_told_of(pair, watched):
    pair.inside.run("tc", "qdisc", "add", "dev", pair.wire, "root", "tbf", "rate", "100kbit",
                    "burst", "2000", "limit", "3000")
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((pair.inside_v4, 5113))
        for _ in range(60):
            sender.sendto(b"x" * 1000, (pair.outside_v4, OPEN))
        inode = os.fstat(sender.fileno()).st_ino
        text = pair.inside.run("tc", "-s", "qdisc", "show", "dev", pair.wire, "root").stdout
        count = int(text.split("dropped ")[1].split(",")[0])
        row, = lost(watched, count, "sport=5113")
    assert 20 < count < 60
    assert row["reason"].startswith("QDISC_") and row["interface"] == pair.wire
    assert row["flow"]["socket_inode"] == inode


def test_verdicts_of_programs_are_told_apart(pair, weir_daemon):
    wire = f"interfaces: [{{name: {pair.wire}, hook: tc}}]\n"
    daemon = weir_daemon(pair.inside, config=CONFIG + wire)
    daemon.say("block", "add", pair.outside_v4)
    put(pair, inward(pair) / UDP(sport=1, dport=OPEN), MANY)
    wait_for(lambda: daemon.reasons().get("drop_blocked") == MANY, "Weir dropped them")
    row, = lost(daemon, MANY, f"dport={OPEN}")
    assert row["by"] == "program" and row["reason"] == "TC_INGRESS"


def to_closed(pair, count):
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(count):
            sock.sendto(b"x", (pair.inside_v4, CLOSED))


def test_other_namespaces_are_one_number(pair, watched):
    before = watched.ask("drops")["other_namespaces"]["packets"]
    with pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(MANY):
            sock.sendto(b"x", (pair.outside_v4, CLOSED))
    wait_for(lambda: snmp(pair.outside, "UdpNoPorts") >= MANY, "they are lost outside")
    wait_for(lambda: watched.ask("drops")["other_namespaces"]["packets"] - before >= MANY,
             "they are lost elsewhere")
    assert not packets(watched, f"dport={CLOSED}")


def test_a_killed_daemon_counts_on_and_restarts_count_nothing_twice(pair, watched):
    before = snmp(pair.inside, "UdpNoPorts")
    to_closed(pair, MANY)
    lost(watched, MANY, "reason=NO_SOCKET")
    watched.kill()
    to_closed(pair, MANY)
    watched.start()
    assert lost(watched, 2 * MANY, "reason=NO_SOCKET")[0]["per_second"] == 0
    with Stream(pair) as stream:
        for _ in range(3):
            watched.restart()
            wait_for(lambda: watched.ask("drops")["watched"], "drops are watched again")
            stream.goes_on()
    wait_for(lambda: snmp(pair.inside, "UdpNoPorts") - before == packets(
        watched, "reason=NO_SOCKET"), "as many as the kernel counted")
    assert snmp(pair.inside, "UdpNoPorts") - before == 2 * MANY + stream.sent


class Stream:
    """Datagrams to a closed port without end, a few thousand a second."""

    def __init__(self, pair):
        self.sock = pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sent, self.over = 0, False
        self.target = (pair.inside_v4, CLOSED)
        self.thread = threading.Thread(target=self.run)

    def run(self):
        pause = threading.Event()
        while not self.over:
            for _ in range(10):
                self.sock.sendto(b"x", self.target)
                self.sent += 1
            pause.wait(0.002)

    def goes_on(self):
        before = self.sent
        wait_for(lambda: self.sent > before + 100, "more is sent")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.thread.join()
        self.sock.close()


def test_switched_off_nothing_is_left_attached(pair, watched):
    to_closed(pair, 1)
    lost(watched, 1, "reason=NO_SOCKET")
    assert (watched.pin_dir / "links" / "trace-kfree_skb").exists()
    watched.apply("api: {listen: off}\n")
    assert "switches it on" in watched.say("drops")
    assert not (watched.pin_dir / "links" / "trace-kfree_skb").exists()
    assert not (watched.pin_dir / "maps" / "st_drops").exists()
    to_closed(pair, 1)
    watched.apply(CONFIG)
    to_closed(pair, 1)
    lost(watched, 1, "reason=NO_SOCKET")


def test_what_finds_no_room_is_counted_as_crowded(pair, watched):
    """A row for each of more EtherTypes than there are rows."""
    frame = ether(pair)
    for number in range(1200):
        frame.type = 0x9100 + number
        put(pair, frame / Raw(b"x" * 50))

    def filled():
        told = watched.ask("drops", "--limit", "2000")
        return told if told["total"]["packets"] >= 1200 and told["crowded"]["packets"] else None
    answer = wait_for(filled, "the table is full")
    rows = answer["drops"]
    assert len(rows) == 1024
    assert answer["total"]["packets"] == \
        sum(row["packets"] for row in rows) + answer["crowded"]["packets"]
    assert sum(row["reason"] == "UNHANDLED_PROTO" for row in rows) + \
        answer["crowded"]["packets"] == 1200
    assert {row["protocol"] for row in rows if row["reason"] == "UNHANDLED_PROTO"} <= {
        f"0x{0x9100 + number:04x}" for number in range(1200)}


def test_series_are_few_and_the_rest_is_one(pair, watched):
    to_closed(pair, MANY)
    lost(watched, MANY, "reason=NO_SOCKET")
    labels = f'reason="NO_SOCKET",interface="{pair.wire}",by="kernel"'
    row = f"weir_kernel_drops_total{{{labels}}} {MANY}\n"
    rows = wait_for(lambda: row in (page := metrics(watched)) and page, "they are told of there")
    assert "weir_kernel_drops_missed_total 0\n" in rows


def test_a_device_that_is_made_again_goes_on_in_its_series(pair, watched):
    """Its rows are two, as its numbers are; labels have its name alone."""
    labels = 'reason="NO_SOCKET",interface="again",by="kernel"'
    which = "reason=NO_SOCKET and interface=again"
    for times in (1, 2):
        pair.inside.run("ip", "link", "add", "again", "type", "veth", "peer", "name", "there")
        pair.inside.run("ip", "addr", "add", "10.79.9.1/24", "dev", "again")
        for device in ("again", "there"):
            pair.inside.run("ip", "link", "set", device, "up")
        with packet_socket(pair.inside, "there", 0) as sock:
            frame = Ether(dst=mac_of(pair.inside, "again")) / IP(
                src="10.79.9.9", dst="10.79.9.1") / UDP(sport=1, dport=CLOSED)
            for _ in range(MANY):
                sock.send(bytes(frame))
        wait_for(lambda times=times: packets(watched, which) == times * MANY, "all are told of")
        pair.inside.run("ip", "link", "del", "again")
    assert len({row["first_ns"] for row in watched.ask("drops", which)["drops"]}) == 2, \
        "which tells them apart on a screen"
    told = wait_for(lambda: [line for line in metrics(watched).splitlines() if labels in line
                             and f" {2 * MANY}" in line], "they are told of there")
    assert told == [f"weir_kernel_drops_total{{{labels}}} {2 * MANY}"]
    assert metrics(watched).count(f"weir_kernel_drops_total{{{labels}}}") == 1


def test_doctor_says_whether_drops_can_be_watched(watched):
    row, = (row for row in watched.ask("doctor")["checks"] if row["check"] == "tracing")
    assert row["level"] == "ok"


def test_a_filter_that_is_wrong_says_where(watched):
    done = watched.verb("drops", "reson=NO_SOCKET")
    assert done.returncode and "reson" in done.stderr and "reason" in done.stderr
