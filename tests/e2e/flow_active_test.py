# SPDX-License-Identifier: Apache-2.0
"""Flows that live longer than the active timeout: records while they do, which add up with that of
the end to what this test sent; and totals in which nothing is twice."""
from harness.account import Count, ended, flows_sum, live, plus
from harness.totals import HOSTS, config, talking
from harness.wait import wait_for

ACTIVE = ", active-timeout: 1s"
LEFT, RIGHT = HOSTS[4][0][0], HOSTS[4][1][0]
# As IPFIX counts them: https://www.iana.org/assignments/ipfix, flowEndReason.
ACTIVE_TIMEOUT, FORCED_END = 2, 4


def records(daemon, *words):
    return daemon.ask("flow", "ended", "--limit", "1000000", *words)["flows"]


def carried(rows):
    return [sum(row[key] for row in rows)
            for key in ("orig_packets", "reply_packets", "orig_bytes", "reply_bytes")]


def sent(flows):
    return [sum(flow.packets[0] for flow in flows), sum(flow.packets[1] for flow in flows),
            sum(flow.bytes[0] for flow in flows), sum(flow.bytes[1] for flow in flows)]


def told_of(daemon, talk, number):
    """Its records, once they have all that was sent until now."""
    port = talk.flows[number].sport

    def all_of_it():
        rows = records(daemon, f"sport={port}")
        return rows if carried(rows) == sent([flow for flow in talk.flows if flow.sport == port]) \
            else None
    return wait_for(all_of_it, "records have all of it", 20)


def more(talk, sizes):
    """Of the flow that was begun last."""
    talk.port -= 1
    talk.flow(4, LEFT, RIGHT, 443, sizes)


def totals(daemon, group="src"):
    answer = daemon.ask("flow", "top", "--ended", "--group", group, "--limit", "10000")
    both = Count(answer["total"]["packets"] + answer["unknown"]["packets"],
                 answer["total"]["bytes"] + answer["unknown"]["bytes"])
    assert both == live(daemon)["flow"]
    return answer


def row_of(daemon, name):
    return next(row["bytes"] for row in totals(daemon)["rows"] if row["name"] == name)


def test_a_flow_that_goes_on_is_told_of_each_time_with_what_came_since():
    with talking(ACTIVE) as (daemon, talk):
        talk.flow(4, LEFT, RIGHT, 443, [100, 200, 300])
        for count in range(1, 4):
            rows = told_of(daemon, talk, 0)
            assert len(rows) == count
            assert {(row["reason"], row["flow_end_reason"]) for row in rows} \
                == {("active", ACTIVE_TIMEOUT)}
            assert row_of(daemon, LEFT) == sum(sum(flow.bytes) for flow in talk.flows)
            assert "; active: the flow goes on\n" in daemon.say("flow", "ended")
            more(talk, [400] * count)
        daemon.ask("flow", "flush", "proto=udp")
        rows = told_of(daemon, talk, 0)
        assert [row["reason"] for row in rows][-1] == "flushed"
        assert rows[-1]["flow_end_reason"] == FORCED_END
        assert row_of(daemon, LEFT) == sum(sum(flow.bytes) for flow in talk.flows)
        answer = totals(daemon, "sport")
        assert [row["flows"] for row in answer["rows"]
                if row["name"] == f"{talk.port}/udp"] == [1]
        assert daemon.ask("flow", "list", "bytes>0")["total"] == 1      # the harness's own


def test_what_lives_has_all_it_carried_in_lists():
    with talking(ACTIVE) as (daemon, talk):
        talk.flow(4, LEFT, RIGHT, 443, [1000] * 5)
        told_of(daemon, talk, 0)
        row = daemon.ask("flow", "list", "proto=udp")["flows"][0]
        assert row["bytes"] == sum(talk.flows[0].bytes)


def test_kills_restarts_and_reloads_tell_of_nothing_twice():
    with talking(ACTIVE) as (daemon, talk):
        talk.flow(4, LEFT, RIGHT, 443, [500] * 4)
        told_of(daemon, talk, 0)
        before = [0, 0, 0, 0]
        for what in ("kill", "restart", "reload", "bigger", "kill"):
            if what in ("kill", "restart"):
                daemon.kill() if what == "kill" else daemon.stop()
                before = sent(talk.flows)           # records end with their run
                more(talk, [100, 200])
                daemon.start()
            else:
                size = 4096 if what == "reload" else 9000
                daemon.apply(config(ACTIVE + ", timeouts: {answered: 1m}").replace("4096",
                                                                                  str(size)))
                more(talk, [300])
            port = talk.flows[0].sport
            wanted = [all - past for all, past in zip(sent(talk.flows), before)]
            wait_for(lambda: carried(records(daemon, f"sport={port}")) == wanted,
                     f"told of what came since: {what}", 20)
            wait_for(lambda: totals(daemon)["unknown"]["packets"] == 0, "totals have it")
            assert row_of(daemon, LEFT) == sum(sum(flow.bytes) for flow in talk.flows)


def test_all_records_and_what_lives_are_what_the_devices_count():
    """Many flows, some of which packets end."""
    with talking(ACTIVE) as (daemon, talk):
        daemon.apply(config(ACTIVE).replace("half-open: 4096", "half-open: 40"), "--drop-oldest")
        talk.some(60)
        wait_for(lambda: any(row["reason"] == "active" for row in records(daemon)), "some", 20)
        talk.some(60)
        wait_for(lambda: totals(daemon)["unknown"]["packets"] == 0, "all is told of", 20)
        daemon.ask("flow", "flush", "--all")

        def same():
            rows = records(daemon)
            return Count(sum(row["packets"] for row in rows),
                         sum(row["bytes"] for row in rows)) == ended(daemon)
        wait_for(same, "records are what ended")
        assert plus((ended(daemon), flows_sum(daemon))) == live(daemon)["flow"]
        assert {row["reason"] for row in records(daemon)} >= {"active", "flushed", "displaced"}


def test_without_it_flows_are_told_of_when_they_end():
    with talking() as (daemon, talk):
        talk.flow(4, LEFT, RIGHT, 443, [100])
        assert not (daemon.run_dir / "flow-told").exists()
        daemon.apply(config(ACTIVE))
        told_of(daemon, talk, 0)
        assert (daemon.run_dir / "flow-told").exists()
        daemon.apply(config())
        more(talk, [700])
        daemon.ask("flow", "flush", "proto=udp")
        assert [row["reason"] for row in told_of(daemon, talk, 0)] == ["active", "flushed"]
