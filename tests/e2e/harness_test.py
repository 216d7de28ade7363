# SPDX-License-Identifier: Apache-2.0
"""The harness itself: what it calls arrived did arrive; what the kernel drops it does not see."""
import collections
import itertools
import types

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.packet import Raw

from harness.cluster import BACKENDS, Cluster
from harness.counted import kernels
from harness.frames import dressed, ether, udp
from harness.thinned import thinned
from harness.wait import wait_for
from harness.wire import Wire
from harness.wireshark import judged
from harness.wrk import Wrk, pages


@pytest.mark.parametrize("way", [Wire.inward, Wire.outward])
@pytest.mark.parametrize("remote", ["192.0.2.1", "2001:db8::1"])
def test_every_frame_arrives_where_nothing_filters(pair, way, remote):
    with way(pair) as wire:
        rows = dressed(remote)
        verdicts = dict(zip(rows, wire.verdicts(rows.values())))
    assert all(verdicts.values()), verdicts


def test_frame_dropped_by_another_filter_is_not_seen(pair, wire):
    pair.inside.run("nft", "add table netdev t; add chain netdev t c { type filter hook ingress "
                    f"device {pair.wire} priority 0; }}; "
                    "add rule netdev t c ip saddr 192.0.2.0/24 drop")
    assert wire.verdicts([udp("192.0.2.9"), udp("192.0.3.9"), udp("192.0.2.255")]) == [
        False, True, False]


def test_daemon_blocks_and_lets_pass(wire, daemon):
    daemon.say("block", "add", "192.0.2.0/24")
    assert not wire.passes(udp("192.0.2.7"))
    assert wire.passes(udp("192.0.3.7"))


def datagram(header, inner=None, port=9, **more):
    ends = {"src": "192.0.2.1", "dst": "192.0.2.2"} if header is IP else {
        "src": "2001:db8::1", "dst": "2001:db8::2"}
    return header(**ends) / UDP(sport=50000, dport=port, **more) / (inner or Raw(b"datagram"))


def test_datagram_without_a_checksum_over_ipv6_is_right_for_gue_alone():
    right = (datagram(IPv6), datagram(IP, chksum=0),
             datagram(IPv6, datagram(IPv6), 6080, chksum=0),
             datagram(IPv6, datagram(IP), 6080, chksum=0))
    wrong = (datagram(IPv6, chksum=0), datagram(IPv6, datagram(IPv6, chksum=0), 6080, chksum=0),
             datagram(IP, datagram(IPv6, chksum=0), 6080, chksum=0))
    verdicts = judged(*([bytes(ether() / packet)] for packet in (*right, *wrong)))
    assert [bool(verdict.complaints) for verdict in verdicts] == [False] * 4 + [True] * 3, verdicts


@pytest.mark.parametrize("lost", ("", "tcp flags & syn == 0"), ids=("syn", "request"))
def test_request_that_hangs_is_a_failure_to_wrk(lost):
    """All ports come round; from some of them nothing gets on."""
    end, ports = BACKENDS[4][0], range(30000, 30010)
    with Cluster() as cluster, pages([(cluster.backends, [f"{end}:80"])]):
        cluster.client.run("sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 30999",
                           "net.ipv4.tcp_tw_reuse=1")
        with Wrk(cluster, end) as wrk:
            wait_for(lambda: kernels(cluster.client)["TcpActiveOpens"] > 1000, "requests")
        assert wrk.answered() > 500
        cluster.gateway.run("nft", "-f", "-", input=(
            "table ip lossy { chain met { type filter hook prerouting priority 0; "
            f"tcp sport {ports[0]}-{ports[-1]} {lost} drop; }}; }}"))
        with Wrk(cluster, end, patience_s=1) as wrk:
            wait_for(wrk.silent, "one is not answered")
        assert "Socket errors" not in wrk.said and wrk.waits() == len(wrk.left) > 0
        assert all(any(f":{port} " in row for port in ports) for row in wrk.left)
        with pytest.raises(AssertionError):
            wrk.answered()


class Item(types.SimpleNamespace):
    """As pytest has them."""
    __hash__ = object.__hash__


def kept(met=None, **rows):
    """Of a test for every combination of `rows`."""
    marks = [types.SimpleNamespace(args=(name, values)) for name, values in rows.items()]
    items = [Item(iter_markers=lambda name: marks,
                  callspec=types.SimpleNamespace(params=dict(zip(rows, given)), funcargs={}))
             for given in itertools.product(*rows.values())]
    chosen = thinned(items, collections.Counter() if met is None else met)
    return [tuple(item.callspec.params.values()) for item in chosen]


def test_of_two_things_each_value_is_kept():
    found = kept(hook="abc", family=[4, 6])
    assert len(found) == 3 and {hook for hook, _ in found} == {*"abc"}
    assert {family for _, family in found} == {4, 6}


def test_of_three_things_each_value_is_kept_and_in_time_each_pair():
    met, things = collections.Counter(), {"hook": "abc", "family": [4, 6], "proto": ["tcp", "udp"]}
    found = kept(met, **things)
    assert len(found) == 3 and [len({*values}) for values in zip(*found)] == [3, 2, 2]
    for _ in range(3):
        found += kept(met, **things)
    for at, pairs in (((0, 1), 6), ((0, 2), 6), ((1, 2), 4)):
        assert len({tuple(row[place] for place in at) for row in found}) == pairs


def test_the_next_test_of_a_file_keeps_other_pairs():
    met = collections.Counter()
    found = [*kept(met, hook="abc", family=[4, 6]), *kept(met, hook="abc", family=[4, 6])]
    assert len(set(found)) == len(found) == 6


def test_rows_that_somebody_wrote_are_kept():
    assert len(kept(hook="abc")) == 3
