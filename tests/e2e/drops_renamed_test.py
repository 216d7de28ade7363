# SPDX-License-Identifier: Apache-2.0
"""Drops of devices that get another name, and of those that are gone: all rows of a device have its
last name, and no series of metrics ever falls or tells anything twice."""
import contextlib
import pathlib
import re

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from harness.account import metrics
from harness.net import Namespace
from harness.wait import wait_for
from harness.wire import packet_socket

CONFIG = "api: {listen: off}\ndrops: {enabled: true}\n"
ADDRESS, SENDER, CLOSED = "10.79.9.1", "10.79.9.9", 4111


@pytest.fixture
def inside():
    made = Namespace("named")
    yield made
    made.delete()


@pytest.fixture
def watched(inside, weir_daemon):
    daemon = weir_daemon(inside, config=CONFIG)
    wait_for(lambda: daemon.ask("drops")["watched"], "drops are watched")
    return daemon


def made(inside, name):
    inside.run("ip", "link", "add", name, "type", "veth", "peer", "name", "there")
    inside.run("ip", "addr", "add", f"{ADDRESS}/24", "dev", name)
    for device in (name, "there"):
        inside.run("ip", "link", "set", device, "up")


def lose(inside, name, count):
    """Of so many datagrams to a closed port the kernel says NO_SOCKET."""
    link = inside.run("ip", "-o", "link", "show", "dev", name).stdout
    frame = Ether(dst=link.split("link/ether ")[1].split()[0]) / IP(src=SENDER, dst=ADDRESS) / UDP(
        sport=1, dport=CLOSED)
    with packet_socket(inside, "there", 0) as sock:
        for _ in range(count):
            sock.send(bytes(frame))


def series(daemon):
    """{interface: packets} of the reason, as metrics have it."""
    rows = re.findall(r'^weir_kernel_drops_total\{reason="NO_SOCKET",interface="([^"]*)",'
                      r'by="kernel"\} (\S+)$', metrics(daemon), re.M)
    assert len(rows) == len(dict(rows)), "each series once"
    return {name: int(float(value)) for name, value in rows}


def listed(daemon):
    counts = {}
    for row in daemon.ask("drops", "--limit", "1000", "reason=NO_SOCKET")["drops"]:
        counts[row["interface"]] = counts.get(row["interface"], 0) + row["packets"]
    return counts


def comes_to(daemon, expected):
    """Gives all pages until then."""
    pages = []
    with contextlib.suppress(AssertionError):
        wait_for(lambda: pages.append(series(daemon)) or pages[-1] == expected, "it comes to that")
    assert pages[-1] == expected
    return pages


def test_rows_have_the_last_name_and_series_never_fall(inside, watched):
    made(inside, "old")
    lose(inside, "old", 20)
    pages = comes_to(watched, {"old": 20})
    inside.run("ip", "link", "del", "old")
    made(inside, "new")
    lose(inside, "new", 3)
    pages += comes_to(watched, {"old": 20, "new": 3})
    inside.run("ip", "link", "set", "new", "name", "old")       # as one that is gone was called
    wait_for(lambda: listed(watched) == {"old": 23}, "rows have the new name")
    lose(inside, "old", 4)
    pages += comes_to(watched, {"old": 24, "new": 3})
    inside.run("ip", "link", "set", "old", "name", "last")
    wait_for(lambda: listed(watched) == {"old": 20, "last": 7}, "rows have the new name")
    lose(inside, "last", 5)
    pages += comes_to(watched, {"old": 24, "new": 3, "last": 5})
    inside.run("ip", "link", "del", "last")
    assert comes_to(watched, pages[-1])
    assert listed(watched) == {"old": 20, "last": 12}, "it keeps the name it had last"
    for before, after in zip(pages, pages[1:]):
        assert all(after.get(name, 0) >= count for name, count in before.items())
    assert sum(pages[-1].values()) == sum(listed(watched).values())


def ended(daemon, how):
    if how == "stopped":
        daemon.stop()
    else:
        daemon.kill()


@pytest.mark.parametrize("how", ("stopped", "killed"))
def test_behind_a_restart_no_series_falls_and_none_leaps(inside, watched, how):
    made(inside, "old")
    lose(inside, "old", 20)
    comes_to(watched, {"old": 20})
    inside.run("ip", "link", "set", "old", "name", "new")
    lose(inside, "new", 3)
    comes_to(watched, {"old": 20, "new": 3})
    ended(watched, how)
    watched.start()
    wait_for(lambda: series(watched), "drops are told")
    assert series(watched) == {"old": 20, "new": 3}
    ended(watched, how)
    inside.run("ip", "link", "set", "new", "name", "last")      # and while nobody looks
    lose(inside, "last", 4)
    watched.start()
    pages = comes_to(watched, {"old": 20, "new": 3, "last": 4})
    assert all(page.get("last", 4) == 4 for page in pages)
    assert sum(listed(watched).values()) == 27


def test_what_is_kept_and_damaged_is_said_and_not_read(inside, watched):
    made(inside, "old")
    lose(inside, "old", 20)
    comes_to(watched, {"old": 20})
    inside.run("ip", "link", "set", "old", "name", "new")
    lose(inside, "new", 3)
    comes_to(watched, {"old": 20, "new": 3})
    watched.stop()
    path = pathlib.Path(watched.run_dir) / "drops-told"
    whole = path.read_bytes()
    # One packet more of a series than of its rows, or less: 32 bytes stand before the first
    # series, and 24 in it before its count.
    for damaged in (whole[:-1], whole[:56] + bytes([whole[56] ^ 1]) + whole[57:]):
        path.write_bytes(damaged)
        watched.start()
        comes_to(watched, {"new": 23})
        assert "drops-told is damaged (it is not whole, or of another version)" in watched.log()
        watched.stop()


def test_switched_off_it_keeps_nothing(inside, watched):
    made(inside, "old")
    lose(inside, "old", 20)
    comes_to(watched, {"old": 20})
    path = pathlib.Path(watched.run_dir) / "drops-told"
    assert path.exists()
    watched.apply(CONFIG.replace("true", "false"))
    wait_for(lambda: not path.exists(), "what was told is forgotten")
    watched.apply(CONFIG)
    lose(inside, "old", 2)
    comes_to(watched, {"old": 2})
