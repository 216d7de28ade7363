# SPDX-License-Identifier: Apache-2.0
"""A daemon that watches the sockets of a namespace, and nothing else; many connections between two
namespaces, and SYNs of nobody."""
import select
import socket
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


def connections(pair, count, stack, family=4):
    """So many that either side began: (end inside, end outside)."""
    ends = []
    mine, others = addresses(pair, family)
    for here, there, address, port in ((pair.inside, pair.outside, others, PORT),
                                       (pair.outside, pair.inside, mine, OPEN)):
        server = stack.enter_context(listener(there, address, port))
        clients = [stack.enter_context(here.socket(FAMILIES[family], socket.SOCK_STREAM))
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
