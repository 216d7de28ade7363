# SPDX-License-Identifier: Apache-2.0
"""A daemon that watches the sockets of a namespace, and nothing else; many connections between two
namespaces, and SYNs of nobody."""
import ctypes
import re
import select
import socket
import sys
import time

from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\nsockets: {enabled: true}\n"
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
PORT, OPEN = 6100, 6200
SILENT = {4: "10.77.1.8", 6: "fd77::8"}         # nobody, at
NOWHERE = "02:00:00:00:00:08"
ENTRY_BYTES = 384      # struct sockets_entry: its cookie, where the socket lies, and more
SO_COOKIE = 57         # of asm-generic/socket.h; 8 bytes
# What ss calls it (after a colon), and where in it; what it leaves out is 0.
NAMES = {"rtt_ms": ("rtt", 0), "rttvar_ms": ("rtt", 1), "min_rtt_ms": ("minrtt", 0),
         "retransmits": ("retrans", 1), "lost": ("lost", 0), "unacked": ("unacked", 0),
         "out_of_order": ("rcv_ooopack", 0), "bytes_sent": ("bytes_sent", 0),
         "bytes_acked": ("bytes_acked", 0), "bytes_received": ("bytes_received", 0),
         "bytes_retransmitted": ("bytes_retrans", 0), "segments_sent": ("segs_out", 0),
         "segments_received": ("segs_in", 0), "cwnd": ("cwnd", 0)}


def watching(weir_daemon, namespace):
    """Once it does: what began before is adopted, not seen."""
    daemon = weir_daemon(namespace, config=CONFIG)
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon


def addresses(pair, family):
    """Inside and outside."""
    return ((pair.inside_v4, pair.outside_v4), (pair.inside_v6, pair.outside_v6))[family == 6]


def listener(namespace, address, port, backlog=1024):
    sock = namespace.socket(FAMILIES[6 if ":" in address else 4], socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(backlog)
    return sock


def accept(server, count, stack):
    """So many, by the name of their other end."""
    server.settimeout(60)
    found = {}
    for _ in range(count):
        peer, name = server.accept()
        found[name] = stack.enter_context(peer)
    return found


def connections(pair, count, stack, family=4):
    """So many that either side began: (end inside, end outside)."""
    ends = []
    mine, others = addresses(pair, family)
    for here, there, address, port in ((pair.inside, pair.outside, others, PORT),
                                       (pair.outside, pair.inside, mine, OPEN)):
        clients = [stack.enter_context(here.socket(FAMILIES[family], socket.SOCK_STREAM))
                   for _ in range(count)]
        with listener(there, address, port) as server:
            for sock in clients:
                sock.setblocking(False)
                sock.connect_ex((address, port))
            peers = accept(server, count, stack)
        for sock in clients:
            peer = peers[sock.getsockname()]
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


def know_silent(pair, family):
    """Inside knows where nobody is: it asks for no neighbour that does not answer."""
    pair.inside.run("ip", "neigh", "replace", SILENT[family], "lladdr", NOWHERE, "dev", pair.wire)


def ask_and_leave(pair, count, family=4):
    """SYNs of nobody, whose answers are never answered."""
    link = pair.inside.run("ip", "-o", "link", "show", "dev", pair.wire).stdout
    target = link.split("link/ether ")[1].split()[0]
    layer = (IP if family == 4 else IPv6)(src=SILENT[family], dst=addresses(pair, family)[0])
    with packet_socket(pair.outside, pair.far, 0) as sock:
        for port in range(count):
            sock.send(bytes(Ether(src=NOWHERE, dst=target) / layer /
                            TCP(sport=7000 + port, dport=OPEN + 1, flags="S", seq=1)))


def opened(pinned):
    bpf = ctypes.CDLL("libbpf.so.1")
    number = bpf.bpf_obj_get(str(pinned).encode())
    assert number >= 0
    return bpf, number


def cookie_of(sock):
    return int.from_bytes(sock.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8), sys.byteorder)


def double(pinned, cookie):
    """The entry of a socket once more, as of one that is no more: nobody saw its end."""
    bpf, number = opened(pinned)
    entry = ctypes.create_string_buffer(ENTRY_BYTES)
    known, key = (value.to_bytes(8, sys.byteorder) for value in (cookie, 1 << 62 | cookie))
    assert bpf.bpf_map_lookup_elem(number, known, entry) == 0 and known in entry.raw
    assert bpf.bpf_map_update_elem(number, key, entry.raw.replace(known, key), 0) == 0


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


def differs(ours, theirs):
    """ss rounds to a few digits."""
    return [(name, ours.get(name, 0), theirs[name]) for name in NAMES
            if abs(ours.get(name, 0) - theirs[name]) > (
                0.0006 + 1e-5 * theirs[name] if name.endswith("_ms") else 0)]
