# SPDX-License-Identifier: Apache-2.0
"""What `weir socket` says of TCP, beside `ss -ti` and /proc/net/snmp; frames are lost and overtaken
between the namespaces."""
import contextlib
import re
import select
import socket
import subprocess
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from harness.current import current
from harness.daemon import HELPERS
from harness.net import Namespace, Pair, descriptors, veth
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\nsockets: {enabled: true}\n"
PORT, OPEN = 6100, 6200
SILENT = "10.77.1.8"             # nobody
EACH = 500
# What ss calls it (after a colon), and where in it; what it leaves out is 0.
NAMES = {"rtt_ms": ("rtt", 0), "rttvar_ms": ("rtt", 1), "min_rtt_ms": ("minrtt", 0),
         "retransmits": ("retrans", 1), "lost": ("lost", 0), "unacked": ("unacked", 0),
         "out_of_order": ("rcv_ooopack", 0), "bytes_sent": ("bytes_sent", 0),
         "bytes_acked": ("bytes_acked", 0), "bytes_received": ("bytes_received", 0),
         "bytes_retransmitted": ("bytes_retrans", 0), "segments_sent": ("segs_out", 0),
         "segments_received": ("segs_in", 0), "cwnd": ("cwnd", 0)}


class LossyPair(Pair):
    """One of `lost` frames each way is lost, one of `held` overtaken."""

    def __init__(self, lost, held):
        self.stack = contextlib.ExitStack()
        self.inside = self.outside = None
        try:
            self.inside, self.outside = Namespace("quality"), Namespace("quality")
            middle = Namespace("lossy")
            self.stack.callback(middle.delete)
            veth(self.inside, self.wire, middle, "one")
            veth(middle, "two", self.outside, self.far)
            self.give_addresses()
            process = subprocess.Popen(
                [HELPERS / "lossy", middle.path, "one", "two", str(lost), str(held)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.stack.callback(process.wait, 10)
            self.stack.callback(process.stdin.close)
            assert process.stdout.readline() == "ready\n"
        except BaseException:
            self.close()
            raise

    def close(self):
        self.stack.close()
        super().close()


@pytest.fixture
def lossy():
    with LossyPair(30, 20) as made:
        yield made


@pytest.fixture
def watched(lossy, weir_daemon):
    daemon = weir_daemon(lossy.inside, config=CONFIG)
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


def retransmitted(namespace):
    """RetransSegs of /proc/net/snmp, and of the two families together as the kernel counts them."""
    head, values = [line.split() for line in namespace.run("cat", "/proc/net/snmp").stdout
                    .splitlines() if line.startswith("Tcp:")]
    return int(values[head.index("RetransSegs")])


def told(daemon, *words):
    """By cookie."""
    return {row["cookie"]: row for row in current(daemon, "list", "--limit", "100000",
                                                  "proto=tcp", *words)["sockets"]}


def ss(namespace):
    """By cookie, in our words."""
    sockets = {}
    for line in namespace.run("ss", "-tieHOn").stdout.splitlines():
        found = dict(re.findall(r" (\w+):(\S+)", line))
        numbers = {}
        for name, (theirs, place) in NAMES.items():
            parts = re.split("[/]", found.get(theirs, "0"))
            numbers[name] = float(parts[place]) if place < len(parts) else 0
        sockets[int(found["sk"], 16)] = numbers
    return sockets


def listener(namespace, address, port):
    sock = namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(2 * EACH)
    return sock


def connections(pair, count, stack):
    """Of either side: (end inside, end outside)."""
    ends = []
    for here, there, address, port in ((pair.inside, pair.outside, pair.outside_v4, PORT),
                                       (pair.outside, pair.inside, pair.inside_v4, OPEN)):
        server = stack.enter_context(listener(there, address, port))
        clients = [stack.enter_context(here.socket(socket.AF_INET, socket.SOCK_STREAM))
                   for _ in range(count)]
        for sock in clients:
            sock.setblocking(False)
            sock.connect_ex((address, port))
        server.settimeout(60)
        by_name = {}
        for _ in range(count):
            peer, name = server.accept()
            by_name[name] = stack.enter_context(peer)
        for sock in clients:
            peer = by_name[sock.getsockname()]
            ends.append((sock, peer) if here is pair.inside else (peer, sock))
    return ends


def exchange(ends, size, seconds=60):
    """So many bytes from either end to the other, all at once."""
    poll, left = select.epoll(), {}
    for pair in ends:
        for sock in pair:
            sock.setblocking(False)
            left[sock.fileno()] = [sock, size, size]
            poll.register(sock, select.EPOLLIN | select.EPOLLOUT)
    until = time.monotonic() + seconds
    while left:
        assert time.monotonic() < until, f"{len(left)} are not done"
        for number, events in poll.poll(1):
            state = left[number]
            if events & select.EPOLLIN:
                state[2] -= len(state[0].recv(65536))
            if events & select.EPOLLOUT and state[1]:
                state[1] -= state[0].send(b"x" * state[1])
            if not state[1]:
                poll.modify(number, select.EPOLLIN)
            if not state[1] and not state[2]:
                poll.unregister(number)
                del left[number]


def differs(ours, theirs):
    """ss rounds to a few digits."""
    return [(name, ours.get(name, 0), theirs[name]) for name in NAMES
            if abs(ours.get(name, 0) - theirs[name]) > (
                0.0006 + 1e-5 * theirs[name] if name.endswith("_ms") else 0)]


def test_a_thousand_sockets_are_as_ss_has_them(lossy, watched):
    with descriptors(8 * EACH), contextlib.ExitStack() as stack:
        ends = connections(lossy, EACH, stack)
        exchange(ends, 20000)
        for _ in range(3):                    # also while some of them are at work
            exchange(ends[:50], 30000)
            before = ss(lossy.inside)
            ours = told(watched)
            after = ss(lossy.inside)
            assert before.keys() == ours.keys() and len(ours) == 2 * EACH
            still = [key for key in ours if before[key] == after[key]]
            assert len(still) > 0.9 * len(ours)
            wrong = {key: differs(ours[key], before[key]) for key in still
                     if differs(ours[key], before[key])}
            assert not wrong, (len(wrong), list(wrong.items())[:5])
        assert sum(row["retransmits"] for row in ours.values()) > 500
        assert sum(row["out_of_order"] for row in ours.values()) > 500
        assert len({row["rtt_ms"] for row in ours.values()}) > 100


def ask_and_leave(pair, count):
    """SYNs of nobody, whose answers are never answered."""
    link = pair.inside.run("ip", "-o", "link", "show", "dev", pair.wire).stdout
    target = link.split("link/ether ")[1].split()[0]
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for port in range(count):
            sock.send(bytes(Ether(src="02:00:00:00:00:08", dst=target) /
                            IP(src=SILENT, dst=pair.inside_v4) /
                            TCP(sport=7000 + port, dport=OPEN + 1, flags="S", seq=1)))


def sums(daemon):
    answer = current(daemon, "top", "--group", "user", "--limit", "1000")
    return (sum(row["retransmits"] for row in answer["groups"]), answer["synack_retransmits"])


def test_retransmits_are_as_many_as_the_kernel_counts(lossy, watched):
    """Of sockets that live, of those that ended, of SYNs in vain and of SYN-ACKs."""
    first = retransmitted(lossy.inside)
    lossy.inside.run("ip", "neigh", "add", SILENT, "lladdr", "02:00:00:00:00:08", "dev",
                     lossy.wire)
    with descriptors(4000), contextlib.ExitStack() as stack:
        silent = stack.enter_context(lossy.inside.socket(socket.AF_INET, socket.SOCK_STREAM))
        silent.setblocking(False)
        silent.connect_ex((SILENT, PORT))
        with contextlib.ExitStack() as passing:
            exchange(connections(lossy, 200, passing), 20000)
        exchange(connections(lossy, 100, stack), 50000)
        stack.enter_context(listener(lossy.inside, lossy.inside_v4, OPEN + 1))
        ask_and_leave(lossy, 20)
        wait_for(lambda: sums(watched)[1] > 20 and any(
            row["retransmits"] for row in told(watched, "state=syn-sent").values()),
            "SYNs and SYN-ACKs are sent again", 20)

        def equal():
            before = retransmitted(lossy.inside) - first
            ours = sums(watched)
            return retransmitted(lossy.inside) - first == before and (before, *ours)
        kernel, of_sockets, of_synacks = wait_for(equal, "nothing is sent again meanwhile")
        assert kernel > 500
        assert of_sockets + of_synacks == kernel, {name: value for name, value in current(
            watched, "list", "--limit", "1").items() if name != "sockets"}
        silent.close()
    wait_for(lambda: sum(row["failed"] for row in current(
        watched, "top", "--group", "process")["groups"]) == 1, "one is told of as in vain")


def test_a_handshake_takes_as_long_as_connecting_does(lossy, watched):
    """A client's by the clock; a server's is the kernel's first measurement."""
    took = {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener(lossy.outside, lossy.outside_v4, PORT))
        for _ in range(100):
            sock = stack.enter_context(lossy.inside.socket(socket.AF_INET, socket.SOCK_STREAM))
            began = time.monotonic()
            sock.connect((lossy.outside_v4, PORT))
            took[sock.getsockname()[1]] = 1000 * (time.monotonic() - began)
        rows = told(watched, f"rport={PORT}").values()
        assert len(rows) == len(took)
        for row in rows:
            whole = took[row["local_port"]]
            assert 0 < row["handshake_ms"] <= whole
            assert row["handshake_ms"] > whole / 2 or whole < 50
        assert max(row["handshake_ms"] for row in rows) > 900      # a SYN was lost
        stack.enter_context(listener(lossy.inside, lossy.inside_v4, OPEN))
        for _ in range(20):
            sock = stack.enter_context(lossy.outside.socket(socket.AF_INET, socket.SOCK_STREAM))
            sock.connect((lossy.inside_v4, OPEN))
        wait_for(lambda: len(told(watched, f"lport={OPEN} and state=established")) == 20,
                 "all are established")
        kernel = ss(lossy.inside)
        for row in told(watched, f"lport={OPEN}").values():
            assert abs(row.get("handshake_ms", 0) - kernel[row["cookie"]]["rtt_ms"]) < 0.002 or (
                row["segments_received"] > 2)


def reset_counts(namespace):
    text = namespace.run("nstat", "-asz", "TcpOutRsts").stdout
    return int(next(line for line in text.splitlines() if line.startswith("TcpOutRsts")).split()[1])


@pytest.mark.outside           # before Linux 6.10 resets without a socket are not told of
def test_resets_are_told_by_side(lossy, watched):
    """Who lingers for no time resets; who writes to a closed end is reset."""
    first = reset_counts(lossy.inside)
    with contextlib.ExitStack() as stack:
        ends = connections(lossy, 20, stack)
        for number, (ours, theirs) in enumerate(ends):
            sock = (ours, theirs)[number % 2]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            sock.close()
            (theirs, ours)[number % 2].setblocking(False)
        wait_for(lambda: reset_counts(lossy.inside) - first >= 20, "resets were sent")
    wait_for(lambda: not told(watched), "all have ended", 20)

    def are_equal():
        """A segment that is sent again to who is gone is reset, too."""
        rows = told(watched, "--ended").values()
        sent = sum(row["resets_sent"] for row in rows) + \
            current(watched, "list")["resets_without_socket"]
        return sent == reset_counts(lossy.inside) - first and rows

    rows = wait_for(are_equal, "as many are told of as the kernel counts")
    assert sum(row["resets_sent"] > 0 for row in rows) == 20


@pytest.mark.outside           # as above
def test_resets_of_ports_that_nobody_has_are_told(lossy, watched):
    first = current(watched, "list")["resets_without_socket"]
    counted = reset_counts(lossy.inside)
    lossy.inside.run("ip", "neigh", "replace", SILENT, "lladdr", "02:00:00:00:00:08", "dev",
                     lossy.wire)
    ask_and_leave(lossy, 60)                 # of which the wire loses some
    wait_for(lambda: reset_counts(lossy.inside) - counted > 40, "resets were sent")
    wait_for(lambda: current(watched, "list")["resets_without_socket"] - first ==
             reset_counts(lossy.inside) - counted, "as many are told of as the kernel counts")
