# SPDX-License-Identifier: Apache-2.0
"""How well TCP of this host gets on, in /metrics: beside what nstat and nftables count of the
namespace. The kernel counts both families together, and so do these."""
import collections
import contextlib
import re
import socket

import pytest

from harness.account import metrics
from harness.current import current
from harness.lossy import LossyPair
from harness.net import Pair, descriptors
from harness.site import Ratchet
from harness.sockets import (FAMILIES, OPEN, PORT, SILENT, addresses, ask_and_leave, connections,
                             cookie_of, double, exchange, know_silent, listener, watching)
from harness.wait import wait_for

ROW = re.compile(r'^weir_(socket_\w+_total)(?:\{by="(\w+)"\})? (\d+)$', re.M)
LINGER_NOT = b"\1\0\0\0\0\0\0\0"
REFUSED, BY_THEM, BY_US, ASTRAY = 5, 7, 6, 4
BUFFER, OFTEN = 8192, 3


@pytest.fixture
def pair():
    with Pair("metrics", addresses=True) as made:
        assert made.pings()
        yield made


@pytest.fixture
def lossy():
    with LossyPair(30, 20) as made:
        yield made


def told(daemon):
    """By name, or name and end."""
    return collections.Counter({(name, by) if by else name: int(value)
                                for name, by, value in ROW.findall(metrics(daemon))})


def nstat(namespace):
    """All counters of the kernel's, by nstat's names."""
    rows = (line.split() for line in namespace.run("nstat", "-asz").stdout.splitlines())
    return collections.Counter({row[0]: int(row[1]) for row in rows if row[0][0] != "#"})


def agree(daemon, kernel, what):
    """Waits until what is told and the kernel's own count are the same; gives it. What is told is
    of the look before, about a second ago."""
    seen = {}

    def are_equal():
        seen["kernel"], seen["weir"] = kernel(), what(told(daemon))
        return seen["kernel"] == seen["weir"] == kernel() and (seen["weir"],)
    with contextlib.suppress(AssertionError):
        return wait_for(are_equal, "they are equal", 30)[0]
    raise AssertionError({**seen, **current(daemon, "list", "--limit", "0")})


@pytest.mark.parametrize("family", FAMILIES)
def test_retransmits_and_disorder_are_what_the_kernel_counts(lossy, weir_daemon, family):
    """Of sockets that live, that ended, that ended while no daemon ran, and of handshakes in vain;
    and they never fall."""
    daemon = watching(weir_daemon, lossy.inside)
    know_silent(lossy, family)
    before = nstat(lossy.inside)

    def counted(name):
        return lambda: nstat(lossy.inside)[name] - before[name]

    def all_agree():
        again = agree(daemon, counted("TcpRetransSegs"),
                      lambda row: row["socket_retransmits_total"])
        return again, agree(daemon, counted("TcpExtTCPOFOQueue"),
                            lambda row: row["socket_out_of_order_total"])
    with descriptors(4000), contextlib.ExitStack() as stack:
        silent = stack.enter_context(lossy.inside.socket(FAMILIES[family], socket.SOCK_STREAM))
        silent.setblocking(False)
        asked = stack.enter_context(listener(lossy.inside, addresses(lossy, family)[0], OPEN + 1))
        # Or what is in vain is sent again for a minute, while sockets are read once a second or so.
        for sock, retries in ((silent, 4), (asked, 2)):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, retries)
        silent.connect_ex((SILENT[family], PORT))
        ask_and_leave(lossy, 20, family)
        with Ratchet(lambda: told(daemon)) as ratchet, contextlib.ExitStack() as passing:
            exchange(connections(lossy, 100, passing, family), 20000)
        assert not ratchet.fallen and ratchet.rounds > 10
        exchange(connections(lossy, 50, stack, family), 20000)
        again, overtaken = all_agree()
        assert again > 100 and overtaken > 50
        last = told(daemon)
        daemon.kill()
        with contextlib.ExitStack() as passing:
            exchange(connections(lossy, 50, passing, family), 20000)
        daemon.start()
        assert not last - told(daemon)
        assert all_agree() > (again, overtaken)


def bytes_again(namespace):
    """Of all its sockets, by ss."""
    return sum(map(int, re.findall(r" bytes_retrans:(\d+)", namespace.run(
        "ss", "-tiHOn").stdout)))


def test_bytes_sent_again_are_what_ss_adds_up(lossy, weir_daemon):
    daemon = watching(weir_daemon, lossy.inside)
    with descriptors(4000), contextlib.ExitStack() as stack:
        ends = [pair for family in FAMILIES for pair in connections(lossy, 50, stack, family)]
        exchange(ends, 20000)
        assert agree(daemon, lambda: bytes_again(lossy.inside),
                     lambda row: row["socket_retransmitted_bytes_total"]) > 50 * 1000


def test_what_a_socket_had_stays_when_its_end_was_missed(lossy, weir_daemon):
    """Its entry is there twice, once as of a socket that is no more: once more what it had; over a
    restart, too."""
    daemon = watching(weir_daemon, lossy.inside)
    with contextlib.ExitStack() as stack:
        ends = connections(lossy, 1, stack)
        exchange(ends, 1 << 20)
        again = agree(daemon, lambda: bytes_again(lossy.inside),
                      lambda row: row["socket_retransmitted_bytes_total"])
        assert again
        for inside, _ in ends:
            double(daemon.pin_dir / "maps" / "st_socks", cookie_of(inside))
        wait_for(lambda: daemon.ask("socket", "list")["end_missed"] == 2, "their ends are missed")
        twice = wait_for(lambda: (found := told(daemon)["socket_retransmitted_bytes_total"]) >
                         again and found, "they are told of")
        assert twice == 2 * again == 2 * bytes_again(lossy.inside)
        daemon.restart()
        assert told(daemon)["socket_retransmitted_bytes_total"] == twice


# --- resets, windows, connections in vain ---------------------------------------------------------


def watch_resets(namespace):
    """Those that arrive, by nftables."""
    namespace.run("nft", "-f", "-", input="""add table inet resets
add chain inet resets met { type filter hook input priority 0; }
add rule inet resets met tcp flags rst counter""")
    return lambda: int(re.search(r"packets (\d+)", namespace.run(
        "nft", "list", "table", "inet", "resets").stdout)[1])


def refuse(pair, family):
    for _ in range(REFUSED):
        with pair.inside.socket(FAMILIES[family], socket.SOCK_STREAM) as sock:
            sock.settimeout(20)
            with pytest.raises(ConnectionRefusedError):
                sock.connect((addresses(pair, family)[1], PORT + 1))


def reset(pair, family, stack):
    """Who lingers for no time resets."""
    ends = connections(pair, (BY_THEM + BY_US + 1) // 2, stack, family)[:BY_THEM + BY_US]
    for number, (ours, theirs) in enumerate(ends):
        who = theirs if number < BY_THEM else ours
        who.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        who.close()


@pytest.mark.outside           # before Linux 6.10 resets without a socket are not told of
@pytest.mark.parametrize("family", FAMILIES)
def test_resets_and_connects_in_vain_are_what_the_kernel_counts(pair, weir_daemon, family):
    daemon = watching(weir_daemon, pair.inside)
    arrived = watch_resets(pair.inside)
    know_silent(pair, family)
    before = nstat(pair.inside)
    refuse(pair, family)
    with contextlib.ExitStack() as stack:
        reset(pair, family, stack)
        ask_and_leave(pair, ASTRAY, family)
        assert agree(daemon, arrived, lambda row: row["socket_resets_total", "remote"]) == \
            REFUSED + BY_THEM
        assert agree(daemon, lambda: nstat(pair.inside)["TcpOutRsts"] - before["TcpOutRsts"],
                     lambda row: row["socket_resets_total", "local"] +
                     row["socket_resets_without_socket_total"]) == BY_US + ASTRAY
    assert told(daemon)["socket_resets_total", "local"] == BY_US
    assert agree(daemon, lambda: nstat(pair.inside)["TcpAttemptFails"] - before["TcpAttemptFails"],
                 lambda row: row["socket_connects_failed_total"]) == REFUSED


def narrow(pair, family, stack):
    """A connection whose ends have little room: (end inside, end outside)."""
    client = stack.enter_context(pair.inside.socket(FAMILIES[family], socket.SOCK_STREAM))
    server = stack.enter_context(listener(pair.outside, addresses(pair, family)[1], PORT))
    for sock in (client, server):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    client.connect((addresses(pair, family)[1], PORT))
    return client, stack.enter_context(server.accept()[0])


def close_window(sender, receiver, there):
    """Nobody reads until the kernel there counts a closed window; then all is read."""
    sent, before = 0, nstat(there)["TcpExtTCPToZeroWindowAdv"]

    def closed():
        nonlocal sent
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(b"x" * 65536)
        return nstat(there)["TcpExtTCPToZeroWindowAdv"] > before
    sender.setblocking(False)
    wait_for(closed, "the window closes")
    receiver.setblocking(True)
    while sent:
        sent -= len(receiver.recv(65536))


@pytest.mark.parametrize("family", FAMILIES)
def test_closed_windows_are_what_the_kernels_of_both_ends_count(pair, weir_daemon, family):
    daemon = watching(weir_daemon, pair.inside)
    before = {place: nstat(place)["TcpExtTCPToZeroWindowAdv"]
              for place in (pair.inside, pair.outside)}
    with contextlib.ExitStack() as stack:
        ours, theirs = narrow(pair, family, stack)
        for _ in range(OFTEN):
            close_window(theirs, ours, pair.inside)
        close_window(ours, theirs, pair.outside)
        for end, place in (("local", pair.inside), ("remote", pair.outside)):
            assert agree(daemon, lambda place=place: nstat(place)["TcpExtTCPToZeroWindowAdv"] -
                         before[place],
                         lambda row, end=end: row["socket_zero_windows_total", end]) >= 1
    assert told(daemon)["socket_zero_windows_total", "local"] >= OFTEN
