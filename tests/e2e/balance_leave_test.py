# SPDX-License-Identifier: Apache-2.0
"""Backends that are taken out while they serve: what lives goes on there until it ends, nothing new
comes, and then they are forgotten. Flows know backends by numbers, which outlive all of that."""
import contextlib
import itertools
import json
import time

import pytest

from harness.balanced import FAMILIES, HOOKS, config, leaving, names, policy, watched
from harness.cluster import (BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving)
from harness.daemon import Refused
from harness.wait import wait_for
from model import maglev

GONE, STAYS = BACKENDS[4][:2]
END = f"{GONE}:{BACKEND_PORT}"


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def clients_of(cluster, stack, count=30, family=4):
    return [stack.enter_context(Client(cluster, family)) for _ in range(count)]


def listed(daemon):
    return [row["address"] for row in daemon.ask("service", "backend", "list")["backends"]]


def all_echo(clients):
    return all(client.echoes(b"on and on") for client in clients)


def at_run_time(daemon, *, proto="tcp"):
    daemon.say("service", "add", "echo", "--address", SERVICE[4], "--port", PORT, "--proto", proto,
               "--backend", END, "--backend", f"{STAYS}:{BACKEND_PORT}")


@pytest.mark.parametrize("hook", HOOKS)
def test_who_is_deleted_serves_what_lives_and_then_is_forgotten(cluster, hook):
    with serving(cluster, 4), watched(cluster, policy([], hook=hook)) as daemon:
        at_run_time(daemon)
        with contextlib.ExitStack() as stack:
            clients = clients_of(cluster, stack)
            assert set(names(clients)) == {GONE, STAYS}
            daemon.say("service", "backend", "del", "echo", END)
            assert (listed(daemon), leaving(daemon)) == ([STAYS], [GONE])
            row, = daemon.ask("service", "backend", "list")["leaving"]
            assert row["weight"] == 0
            with contextlib.ExitStack() as more:
                assert set(names(clients_of(cluster, more))) == {STAYS}
            assert all_echo(clients)
            rows = daemon.ask("service", "stats")["backends"]
            assert [(row["address"], row.get("leaving", False)) for row in rows] \
                == [(STAYS, False), (GONE, True)]
            assert rows[1]["active"] == names(clients).count(GONE)
            assert daemon.ask("lb", "list-dnat")["total"] == 1
        wait_for(lambda: not leaving(daemon), "it is forgotten")
        assert json.loads((daemon.state / "balance.json").read_text())["backends"] \
            == [{"service": "echo", "address": STAYS, "port": BACKEND_PORT, "weight": 1,
                 "added": True}]
        assert len(daemon.ask("service", "stats")["backends"]) == 1
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_who_is_taken_out_of_the_file_does_likewise(cluster, hook, family):
    with serving(cluster, family), watched(cluster, config(family, (1, 1, None), hook=hook)) \
            as daemon:
        with contextlib.ExitStack() as stack:
            clients = clients_of(cluster, stack, family=family)
            assert set(names(clients)) == set(BACKENDS[family][:2])
            daemon.apply(config(family, (None, 1, 1), hook=hook))
            assert leaving(daemon) == [BACKENDS[family][0]]
            assert all_echo(clients)
            for again in (daemon.restart, lambda: (daemon.kill(), daemon.start())):
                again()
                assert leaving(daemon) == [BACKENDS[family][0]]
                assert all_echo(clients)
            with contextlib.ExitStack() as more:
                assert set(names(clients_of(cluster, more, family=family))) \
                    == set(BACKENDS[family][1:])
            # Back, and out again: the same connections.
            daemon.apply(config(family, (1, 1, 1), hook=hook))
            assert leaving(daemon) == []
            assert all_echo(clients)
            daemon.apply(config(family, (None, 1, 1), hook=hook))
            assert all_echo(clients) and leaving(daemon) == [BACKENDS[family][0]]
        wait_for(lambda: not leaving(daemon), "it is forgotten")
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("ends", ("stop", "kill"))
def test_who_is_taken_out_of_the_file_while_no_daemon_runs_does_likewise(cluster, ends):
    """As somebody does who edits it and restarts the service."""
    with serving(cluster, 4), watched(cluster, config(4, (1, 1, None))) as daemon:
        with contextlib.ExitStack() as stack:
            clients = clients_of(cluster, stack)
            assert set(names(clients)) == set(BACKENDS[4][:2])
            getattr(daemon, ends)()
            daemon.config.write_text(config(4, (None, 1, 1)))
            daemon.start()
            assert leaving(daemon) == [BACKENDS[4][0]]
            assert all_echo(clients)
            daemon.restart()
            assert leaving(daemon) == [BACKENDS[4][0]] and all_echo(clients)
            with contextlib.ExitStack() as more:
                assert set(names(clients_of(cluster, more))) == set(BACKENDS[4][1:])
        wait_for(lambda: not leaving(daemon), "it is forgotten")
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


def test_whom_a_trial_had_added_keeps_what_lives_when_it_ran_out_while_no_daemon_ran(cluster):
    with serving(cluster, 4), watched(cluster, config(4, (1, None, None))) as daemon, \
            contextlib.ExitStack() as stack:
        daemon.apply(config(4, (None, 1, None)), "--confirm", "5s")
        clients = clients_of(cluster, stack)
        assert set(names(clients)) == {BACKENDS[4][1]}
        daemon.kill()
        over = time.monotonic() + 6
        wait_for(lambda: time.monotonic() > over, "the trial is over")
        daemon.start()
        assert listed(daemon) == [BACKENDS[4][0]] and leaving(daemon) == [BACKENDS[4][1]]
        assert all_echo(clients)


def test_who_is_added_again_meanwhile_has_its_connections_and_new_ones(cluster):
    with serving(cluster, 4), watched(cluster, policy([])) as daemon, \
            contextlib.ExitStack() as stack:
        at_run_time(daemon)
        clients = clients_of(cluster, stack)
        daemon.say("service", "backend", "del", "echo", END)
        for words in (("set", "echo", END, "--weight", "3"), ("drain", "echo", END),
                      ("del", "echo", END)):
            with pytest.raises(Refused) as refused:
                daemon.say("service", "backend", *words)
            assert "weir service backend add brings it back" in refused.value.said
        daemon.say("service", "backend", "add", "echo", END, "--weight", "5")
        assert (set(listed(daemon)), leaving(daemon)) == ({GONE, STAYS}, [])
        assert GONE in names(clients_of(cluster, stack)) and all_echo(clients)


@pytest.mark.parametrize("proto", ("tcp", "udp"))
def test_now_cuts_what_lives(cluster, proto):
    """A stream is reset by the other, which knows nothing of it; datagrams go on there."""
    def met(client):
        return client.ask(b"x") == b"x" and client.backend

    with serving(cluster, 4, proto), watched(cluster, policy([])) as daemon, \
            contextlib.ExitStack() as stack:
        at_run_time(daemon, proto=proto)
        clients = [stack.enter_context(Client(cluster, 4, proto)) for _ in range(30)]
        one = next(client for client in clients
                   if (met(client) if proto == "udp" else client.backend) == GONE)
        daemon.say("service", "backend", "del", "echo", END)
        if proto == "udp":
            assert met(one) == GONE
        daemon.say("service", "backend", "del", "echo", END, "--now")
        assert leaving(daemon) == []
        if proto == "udp":
            assert met(one) == STAYS and met(one) == STAYS
        else:
            with pytest.raises(ConnectionResetError):
                one.echoes(b"on and on")


def test_who_leaves_gives_way_to_another_service(cluster):
    """Whose answers are from one address and port could not be told apart."""
    with serving(cluster, 4), watched(cluster, policy([])) as daemon, \
            contextlib.ExitStack() as stack:
        at_run_time(daemon)
        clients_of(cluster, stack)
        daemon.say("service", "backend", "del", "echo", END)
        daemon.say("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                   "--backend", END)
        assert leaving(daemon) == []
        with Client(cluster, 4, port=81) as client:
            assert client.backend == GONE and client.echoes(b"on")


def test_two_who_leave_give_way_in_one_command_and_who_stays_keeps_its_connections(cluster):
    with serving(cluster, 4), watched(cluster, policy([])) as daemon, \
            contextlib.ExitStack() as stack:
        third = f"{BACKENDS[4][2]}:{BACKEND_PORT}"
        at_run_time(daemon)
        daemon.say("service", "backend", "add", "echo", third)
        clients = clients_of(cluster, stack)
        for end in (END, f"{STAYS}:{BACKEND_PORT}"):
            daemon.say("service", "backend", "del", "echo", end)
        with pytest.raises(Refused, match="it is there twice"):
            daemon.say("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                       "--backend", END, "--backend", END)
        assert leaving(daemon) == [GONE, STAYS] and all_echo(clients)
        daemon.say("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                   "--backend", END, "--backend", f"{STAYS}:{BACKEND_PORT}")
        assert leaving(daemon) == []
        assert listed(daemon) == [BACKENDS[4][2], GONE, STAYS]
        assert all_echo(client for client in clients if client.backend == BACKENDS[4][2])
        wait_for(lambda: "leaving" not in (daemon.state / "balance.json").read_text(),
                 "no row is left behind")


def test_now_for_who_leaves_spares_the_service_of_who_stays(cluster):
    with serving(cluster, 4), watched(cluster, policy([])) as daemon, \
            contextlib.ExitStack() as stack:
        vip = ("--vip", SERVICE[4], "--vport", PORT, "--protocol", "tcp")
        for address in (GONE, STAYS):
            daemon.say("lb", "add-dnat", *vip, "--rip", address, "--rport", BACKEND_PORT,
                       "--source", "none")
        clients = clients_of(cluster, stack)
        for now in ((), ("--now",)):
            daemon.say("lb", "remove-dnat", *vip, "--rip", GONE, "--rport", BACKEND_PORT, *now)
            assert listed(daemon) == [STAYS]
        assert all_echo(client for client in clients if client.backend == STAYS)


def test_a_disabled_service_has_nobody_who_leaves(cluster):
    with watched(cluster, policy([])) as daemon:
        at_run_time(daemon)
        daemon.say("service", "disable", "echo")
        daemon.say("service", "backend", "del", "echo", END)
        assert leaving(daemon) == []


def rivals():
    """Ports at two backends that ask for the same number in their service."""
    def number(address, port):
        return maglev.hash_bytes(maglev.end(address, port, 6), maglev.NUMBER) % maglev.NUMBERS

    for ports in itertools.count(9000, 500):
        known = {number(GONE, port): port for port in range(9000, ports)}
        for port in range(9000, ports):
            if number(STAYS, port) in known:
                return known[number(STAYS, port)], port


def test_flows_stay_whoever_comes_or_goes_that_asks_for_the_same_number(cluster):
    first, second = rivals()
    with serving(cluster, 4, which=[0], port=first), serving(cluster, 4, which=[1], port=second), \
            watched(cluster, policy([])) as daemon, contextlib.ExitStack() as stack:
        daemon.say("service", "add", "echo", "--address", SERVICE[4], "--port", PORT,
                   "--backend", f"{STAYS}:{second}")
        clients = clients_of(cluster, stack)
        # The lesser bytes, so in a fresh list the number would be its.
        daemon.say("service", "backend", "add", "echo", f"{GONE}:{first}")
        assert all_echo(clients)
        both = clients_of(cluster, stack)
        assert set(names(both)) == {GONE, STAYS}
        daemon.restart()
        assert all_echo(clients + both)
        rows = daemon.ask("lb", "status")["connections"]
        assert {(row["client_port"], row["target"]) for row in rows} \
            == {(client.own[1], client.backend) for client in clients + both}
        daemon.say("service", "backend", "del", "echo", f"{STAYS}:{second}", "--now")
        assert all_echo(client for client in both if client.backend == GONE)
