# SPDX-License-Identifier: Apache-2.0
"""What goes by the flow cache (flow_cache_test.py) is in its flow, and held to limits, packet by
packet."""
import struct

import pytest
from scapy.layers.inet import TCP

from e2e.balance_bytes_test import CLIENT, OWN, PORT, SERVICE, passed, segment
from e2e.direct_bytes_test import Sent
from e2e.flow_cache_test import (CLOSE, answer, config, datagram, gateway, hits,  # noqa: F401
                                 to_backend, warm)
from harness import kernel
from harness.account import flows_sum, less, live
from harness.balanced import FAMILIES
from harness.daemon import Daemon
from harness.kernel import BEHIND_XDP
from harness.wait import wait_for

pytestmark = BEHIND_XDP
STRANGER_CLIENT = {4: "198.18.0.77", 6: "2001:db8:a::77"}


def accounted(family, way="nat"):
    return config(family, way).replace("half-open: 1000}", "half-open: 1000, account: true}")


def carried(daemon):
    row, = daemon.ask("flow", "list", f"port={PORT}")["flows"]
    return [row[key] for key in ("orig_packets", "orig_bytes", "reply_packets", "reply_bytes")]


@pytest.mark.parametrize("family", FAMILIES)
def test_flows_have_what_went_by_it(gateway, family):
    there, back = (bytes(datagram(family, bytes(100))), bytes(answer(family, bytes(300))))
    with Daemon(gateway.inside, config=accounted(family)) as gateway.daemon:
        warm(gateway, family)
        known, before, in_flows = hits(gateway), carried(gateway.daemon), live(gateway.daemon)
        sent = [("left", there)] * 50 + [("right", back)] * 30 + [("left", there)] * 7
        gateway.pass_through(sent)
        assert hits(gateway) - known > len(sent) - 5
        more = [after - now for after, now in zip(carried(gateway.daemon), before)]
        assert more == [57, 57 * (14 + len(there)), 30, 30 * (14 + len(back))]
        now = live(gateway.daemon)
        closed = 2 * 3          # runs, each by a packet on either side
        assert less(now["flow"], in_flows["flow"]) == (87 + closed,
                                                       more[1] + more[3] + closed * CLOSE)
        assert now["flow"] == flows_sum(gateway.daemon)
        assert "no_place" not in now


@pytest.mark.parametrize("way", [(4, "ipip-4"), (6, "l2")], ids=lambda way: way[1])
def test_connections_to_who_answers_himself_have_what_went_by_it(gateway, way):
    family, name = way
    with Daemon(gateway.inside, config=accounted(family, name)) as gateway.daemon:
        sent = Sent(gateway, family, name)
        data = bytes(sent.packet(segment(7005, 7002)(OWN, PORT, False)))
        begins = bytes(sent.packet(TCP(sport=OWN, dport=PORT, flags="S", seq=7000)))
        gateway.pass_through([("left", begins)] + [("left", data)] * 4)
        known, before = hits(gateway), carried(gateway.daemon)
        gateway.pass_through([("left", data)] * 40)
        assert hits(gateway) - known > 36
        more = [after - now for after, now in zip(carried(gateway.daemon), before)]
        assert more == [40, 40 * (14 + len(data)), 0, 0]


def place_goes_to_another(daemon):
    """Sums of the live flow's place get another turn, as when another flow claims it."""
    path = daemon.pin_dir / "maps" / "st_flow_sum"
    for key, value in kernel.dump(path):
        words = struct.unpack("<4Q", bytes(int(byte, 16) for byte in value[:32]))
        if any(words):
            turned = struct.pack("<4Q", *(word ^ 1 << 57 for word in words))
            kernel.bpftool("map", "update", "pinned", path, "key", *key,
                           "value", *map(hex, turned), *value[32:])


def test_packets_of_a_flow_that_lost_its_place_are_unaccounted(gateway):
    with Daemon(gateway.inside, config=accounted(4)) as gateway.daemon:
        warm(gateway, 4)
        place_goes_to_another(gateway.daemon)
        known, before, there = hits(gateway), live(gateway.daemon), bytes(datagram(4))
        gateway.pass_through([("left", there)] * 20)
        by_cache = hits(gateway) - known
        assert by_cache > 15
        assert live(gateway.daemon)["no_place"] == (20 + 2, 20 * (14 + len(there)) + 2 * CLOSE)
        assert live(gateway.daemon)["flow"] == before["flow"]


def limited(family, limit, way="nat"):
    text = f"limit: {{sources: 4096, limits: [{{name: few, {limit}}}]}}\n"
    return accounted(family, way) + text


def few(daemon):
    row, = daemon.ask("limit", "show")["limits"]
    return row["passed"], row["over"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("per", ("source", "destination", "service"))
def test_limits_hold_what_goes_by_it(gateway, family, per):
    """30 at once. Of them some go before the flow is remembered; ahead of it each is held."""
    limit = f'proto: udp, dport: {PORT}, per: {per}, packets: 2/h, burst: 30'
    there = datagram(family)
    with Daemon(gateway.inside, config=limited(family, limit)) as gateway.daemon:
        warm(gateway, family)
        known, (before, over) = hits(gateway), few(gateway.daemon)
        assert before < 30 and not over
        left = passed(gateway, *[("left", there)] * 50)
        assert left == [to_backend(family, there)] * (30 - before)
        assert few(gateway.daemon) == (30, 20 + before)
        assert gateway.daemon.reasons()["drop_limit"] == 20 + before
        assert live(gateway.daemon)["dropped"].packets == 20 + before
        assert hits(gateway) - known >= 30 - before - 3
        # Somebody else has his own, but where all share one.
        other = datagram(family, client={family: STRANGER_CLIENT[family]})
        assert bool(passed(gateway, ("left", other))) == (per == "source")


def test_who_is_dropped_by_a_limit_is_told_of_as_ever(gateway):
    limit = f"proto: udp, dport: {PORT}, packets: 1/h, burst: 8"
    with Daemon(gateway.inside, config=limited(4, limit)) as gateway.daemon:
        warm(gateway, 4)
        gateway.pass_through([("left", bytes(datagram(4)))] * 12)
        events = wait_for(lambda: [row for row in gateway.daemon.ask("events")["events"]
                                   if row.get("reason") == "drop_limit"], "it is told of")
        row = events[-1]
        assert (row["src"], row["sport"], row["dst"], row["dport"], row["proto"]) == (
            CLIENT[4], OWN, SERVICE[4], PORT, 17)
        assert row["interface"] == "left"


def test_what_is_limited_where_it_leaves_is_not_remembered(gateway):
    limit = "direction: egress, proto: udp, packets: 100000/s"
    with Daemon(gateway.inside, config=limited(4, limit)) as gateway.daemon:
        for _ in range(6):
            gateway.pass_through([("left", bytes(datagram(4))), ("right", bytes(answer(4)))])
        assert gateway.daemon.status()["balance"]["to_backends"] >= 6
        assert hits(gateway) == 0
        assert few(gateway.daemon)[0] >= 12
