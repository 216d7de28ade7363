# SPDX-License-Identifier: Apache-2.0
"""What measures connections stays where the daemon dies, goes on with the next, and leaves with
what it was asked for."""
import contextlib

import pytest

from harness.chain import Chain, server_address
from harness.daemon import WEIR, Daemon
from harness.streams import both_ways, connecting, listening
from harness.wait import wait_for

OFF = ("api: {listen: off}\n"
       "interfaces: [{name: lan, hook: tc, egress: true}, {name: wan, hook: tc, egress: true}]\n"
       "conntrack: {enabled: true, account: true}\n")
ON = OFF + "quality: {enabled: true}\n"
PORT, TEXT = 7001, b"x" * 100000


@pytest.fixture
def chain():
    with Chain() as made:
        yield made


@pytest.fixture
def daemon(chain):
    with Daemon(chain.gateway, config=ON) as made:
        measures(made, 2)
        yield made


@pytest.fixture
def talk(chain):
    """Sends TEXT both ways by one connection through the gateway."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(listening(chain.server, 4, PORT))
        client = stack.enter_context(connecting(chain.client, server_address(4), PORT))
        accepted = stack.enter_context(server.accept()[0])
        yield lambda: both_ways(client, accepted, TEXT)


def measures(daemon, places):
    wait_for(lambda: daemon.ask("quality")["interfaces"] == places, f"{places} places", 20)


def places(daemon):
    return sorted(path.name for path in (daemon.pin_dir / "links").glob("*-quality"))


def segments(chain):
    """Of IPv4 TCP, as the gateway's kernel counts what it forwards: it has none of its own."""
    rows = [line.split() for line in chain.gateway.run("cat", "/proc/net/snmp").stdout.splitlines()
            if line.startswith("Ip:")]
    return int(dict(zip(*rows))["ForwDatagrams"])


def measured(daemon):
    row, = daemon.ask("quality")["connections"]
    return row["src_side"]["segments"] + row["dst_side"]["segments"]


def test_what_passes_while_no_daemon_runs_is_measured(chain, daemon, talk):
    talk()
    wait_for(lambda: daemon.ask("quality")["connections"], "it is told of")
    passed, before = segments(chain), measured(daemon)
    talk()
    daemon.kill()
    assert len(places(daemon)) == 2
    talk()
    daemon.start()
    talk()
    daemon.restart()
    talk()
    wait_for(lambda: measured(daemon) - before == segments(chain) - passed,
             "all that was forwarded is measured", 20)


def test_it_measures_from_the_first_answer_on(chain):
    """Not a second or two later, when somebody looks: at the start, and when it is asked for."""
    with Daemon(chain.gateway, config=ON) as daemon:
        assert daemon.ask("quality")["interfaces"] == len(places(daemon)) == 2
        daemon.apply(OFF)
        assert not places(daemon)
        daemon.apply(ON)
        assert daemon.ask("quality")["interfaces"] == len(places(daemon)) == 2
        daemon.apply(ON.replace(", {name: wan, hook: tc, egress: true}", ""))
        assert daemon.ask("quality")["interfaces"] == len(places(daemon)) == 1


def test_it_leaves_with_the_section_and_comes_back(daemon, talk):
    talk()
    daemon.apply(OFF)
    wait_for(lambda: not places(daemon), "it is off")
    assert not list((daemon.pin_dir / "maps").glob("*quality*"))
    daemon.apply(ON)
    measures(daemon, 2)
    assert len(places(daemon)) == 2


def test_interfaces_that_go_and_come_are_followed(chain, daemon):
    gone = places(daemon)[0]
    chain.gateway.run("ip", "link", "del", "lan")
    measures(daemon, 1)
    assert gone not in places(daemon)
    chain.gateway.run("ip", "link", "add", "lan", "type", "veth", "peer", "name", "far")
    chain.gateway.run("ip", "link", "set", "lan", "up")
    measures(daemon, 2)
    assert len(places(daemon)) == 2


def test_cleanup_takes_it_away(chain, daemon):
    daemon.kill()
    done = chain.gateway.run(WEIR, "cleanup", "--force", "--pin-dir", daemon.pin_dir, "--run-dir",
                             daemon.run_dir)
    assert "quality of lan" in done.stdout and "quality of wan" in done.stdout
    assert not daemon.pin_dir.exists()
    daemon.start()


def test_an_interface_that_is_added_while_it_runs_is_measured_at_once(chain, talk):
    """Seen by the pins: who asks makes the daemon look."""
    alone = ON.replace(", {name: wan, hook: tc, egress: true}", "")
    with Daemon(chain.gateway, config=alone) as daemon:
        assert len(places(daemon)) == 1
        daemon.say("monitor", "wan", "start")
        assert len(places(daemon)) == 2
        passed = segments(chain)
        talk()
        wait_for(lambda: daemon.ask("quality")["connections"], "it is told of")
        assert measured(daemon) == segments(chain) - passed
        daemon.say("monitor", "wan", "stop")
        assert len(places(daemon)) == 1


def test_a_connection_that_was_let_go_is_met_anew(daemon, talk):
    """What went by meanwhile is neither lost nor sent again: it was not looked at."""
    talk()
    wait_for(lambda: daemon.ask("quality")["connections"], "it is told of")
    few = ON.replace("{enabled: true}", "{enabled: true, sample: 65536}")
    daemon.apply(few)
    wait_for(lambda: daemon.ask("quality")["let_go"] == 1, "it is let go")
    assert not daemon.ask("quality")["connections"]
    passed = daemon.ask("quality")["not_sampled"]
    talk()
    wait_for(lambda: daemon.ask("quality")["not_sampled"] > passed + 100, "it passes unmeasured")
    daemon.apply(ON)
    wait_for(lambda: daemon.ask("quality")["sample"] == 1, "all are measured again")
    talk()
    row = wait_for(lambda: daemon.ask("quality")["connections"], "it is told of again")[0]
    for side in (row["src_side"], row["dst_side"]):
        assert side["bytes"] and not side["bytes_unseen"] and not side["retransmits"]
    assert not row["whole"] and row["sample"] == 1
