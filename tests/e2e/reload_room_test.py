# SPDX-License-Identifier: Apache-2.0
"""Tables that shrink below what they hold: refused, or those that were not seen for the longest
time are forgotten, as far as can be told: whatever the timeouts are and were."""
import collections
import json
import time

import pytest

from harness.daemon import Refused
from harness.fill import fill, fill_connections, open_halves
from harness.net import Pair
from harness.site import capacities, configured, flows, reload, wait_until_settled
from harness.wait import SLOWNESS, wait_for


@pytest.fixture
def pair():
    with Pair(addresses=True) as made:
        yield made


@pytest.mark.outside
def test_shrinking_below_what_is_stored_is_refused_with_both_numbers(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    fill(pair, 300)
    revision = daemon.status()["revision"]
    with pytest.raises(Refused) as refused:
        reload(daemon, configured(capacity=200, is_open=True))
    assert "300" in refused.value.said and "200" in refused.value.said
    assert "conntrack.capacity" in refused.value.said and "--drop-oldest" in refused.value.said
    assert daemon.status()["revision"] == revision and capacities(daemon) == (1000, 1000)
    assert len(flows(daemon)) == 300
    reload(daemon, configured(capacity=300, is_open=True))
    assert len(flows(daemon)) == 300


@pytest.mark.outside
def test_shrinking_half_open_below_what_is_stored_is_refused_with_both_numbers(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, timeouts={"one_way": "10m"}))
    open_halves(pair, 200)
    stored = daemon.ask("flow", "count")["half_open"]
    assert 190 <= stored <= 200, "a set that is full makes room"
    with pytest.raises(Refused) as refused:
        reload(daemon, configured(half_open=100, is_open=True, timeouts={"one_way": "10m"}))
    assert f"{stored} half-open flows" in refused.value.said and " 100 " in refused.value.said
    assert "conntrack.half-open" in refused.value.said and "--drop-oldest" in refused.value.said
    assert capacities(daemon) == (1000, 1000)
    assert daemon.ask("flow", "count")["half_open"] == stored


@pytest.mark.outside
def test_table_that_is_fuller_than_it_is_for_grows(weir_daemon, pair):
    """A quarter more places are there than flows a table is for, and connections take those too."""
    daemon = weir_daemon(pair.inside, config=configured(capacity=100, is_open=True))
    fill_connections(pair, 250, 1000)
    stored = daemon.ask("flow", "count")["proven"]
    assert 110 < stored <= 128
    assert reload(daemon, configured(capacity=110, is_open=True))["state"] == {
        "moved": stored, "dropped": 0, "forgotten": 0, "adopted": 0}
    assert daemon.ask("flow", "count")["proven"] == stored


# A flow has the time at which it expires: one that has been idle for just as long as its timeout
# has been made shorter looks as if it were seen now. On no machine are these as idle as that.
FIRST = {"stream": "30m"}


@pytest.mark.outside
def test_drop_oldest_keeps_those_seen_last(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True))
    fill(pair, 300, first_port=1000)
    wait_for(lambda: min(row["idle_s"] for row in flows(daemon).values()) >= 3, "they are idle", 20)
    fill(pair, 150, first_port=2000)
    answer = reload(daemon, configured(capacity=150, is_open=True), "--drop-oldest")
    warnings = json.dumps(answer["warnings"])
    assert "450" in warnings and "150" in warnings and "300" in warnings
    assert answer["state"]["dropped"] == 300
    assert {row["sport"] for row in flows(daemon).values()} == {2000}
    assert len(flows(daemon)) == 150


@pytest.mark.outside
@pytest.mark.parametrize("stream", ["1m", "1h"])
@pytest.mark.parametrize("established", ["1m", "10d"])
def test_drop_oldest_goes_by_when_a_flow_was_seen_whatever_its_timeouts(
        weir_daemon, pair, established, stream):
    """A connection lasts days, datagrams minutes, and the same reload makes that longer or
    shorter: who was seen last stays all the same."""
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, timeouts=FIRST))
    for port in (1000, 2000):
        if port == 2000:
            wait_for(lambda: min(row["idle_s"] for row in flows(daemon).values()) >= 3,
                     "they are idle", 20)
        fill(pair, 60, port)
        fill_connections(pair, 40, port)
    answer = reload(daemon, configured(capacity=100, is_open=True, timeouts={
        "established": established, "stream": stream}), "--drop-oldest")
    assert answer["state"]["dropped"] == 100
    rows = flows(daemon)
    assert {row["sport"] for row in rows.values()} == {2000}
    assert collections.Counter(row["proto"] for row in rows.values()) == {"udp": 60, "tcp": 40}


@pytest.mark.outside
@pytest.mark.parametrize("then", ["10m", "4h"])
def test_idle_is_right_after_another_timeout(weir_daemon, pair, then):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, timeouts={"stream": "2h"}))
    fill(pair, 5)
    began = time.monotonic()
    wait_for(lambda: min(row["idle_s"] for row in flows(daemon).values()) >= 3, "they are idle", 20)
    for change in range(2):
        if change:      # what the run before knew is known
            daemon.stop()
            daemon.start()
        else:
            reload(daemon, configured(is_open=True, timeouts={"stream": then}))
        for row in flows(daemon).values():
            assert 3 <= row["idle_s"] <= time.monotonic() - began + 2
    assert daemon.ask("flow", "flush", "idle>5m")["flushed"] == 0
    fill(pair, 5)
    assert max(row["idle_s"] for row in flows(daemon).values()) <= 2 * SLOWNESS


@pytest.mark.outside
@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.parametrize("stream", ["2m", "1m", "1h"])
def test_start_that_must_drop_keeps_those_seen_last(weir_daemon, pair, how, stream):
    daemon = weir_daemon(pair.inside, config=configured(is_open=True, timeouts=FIRST))
    fill(pair, 300, first_port=1000)
    wait_for(lambda: min(row["idle_s"] for row in flows(daemon).values()) >= 3, "they are idle", 20)
    fill(pair, 150, first_port=2000)
    daemon.stop() if how == "stopped" else daemon.kill()
    daemon.config.write_text(configured(capacity=150, is_open=True, timeouts={"stream": stream}))
    daemon.start()
    wait_until_settled(daemon)
    assert collections.Counter(row["sport"] for row in flows(daemon).values()) == {2000: 150}
