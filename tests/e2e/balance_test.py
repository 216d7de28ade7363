# SPDX-License-Identifier: Apache-2.0
"""Services and their backends, on real stacks: who is answered by whom, and that what lives stays
where it is while backends come and go."""
import collections
import contextlib
import json
import random
import socket
import struct

import pytest

from harness.balanced import DENIED, FAMILIES, HOOKS, config, names, watched
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.older import OlderDaemon
from harness.wait import SLOWNESS, wait_for

@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("rules", (None, DENIED), ids=("open", "denied"))
def test_connections_are_shared_out_and_answered_by_the_service(cluster, hook, family, rules):
    with serving(cluster, family), \
            watched(cluster, config(family, hook=hook, rules=rules)) as daemon, \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(60)]
        counts = collections.Counter(names(clients))
        # A backend that gets fewer than 5 of 60 by chance: one in 10,000 for all three.
        assert set(counts) == set(BACKENDS[family]) and min(counts.values()) >= 5, counts
        assert all(client.own == client.peer for client in clients), "the client's own address"
        rows = daemon.ask("flow", "list", f"dport={PORT}")["flows"]
        assert {row["dst"] for row in rows} == {SERVICE[family]} and len(rows) == 60
        assert daemon.status()["balance"]["chosen"] == 60
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_what_is_sent_arrives_as_it_was(cluster, hook, family):
    text = random.Random(family).randbytes(8 << 20)
    with serving(cluster, family), watched(cluster, config(family, hook=hook)), \
            Client(cluster, family) as client:
        assert client.echoes(text)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_datagrams_and_their_fragments_are_served(cluster, hook, family):
    text = random.Random(family).randbytes(6000)
    with serving(cluster, family, "udp"), \
            watched(cluster, config(family, hook=hook, proto="udp")), \
            contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family, "udp")) for _ in range(40)]
        for client in clients:
            assert client.ask(b"first") == b"first" and client.peer == client.own
        before = names(clients)
        assert len(set(before)) == 3
        for client in clients:
            assert client.ask(text) == text
        assert names(clients) == before


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_what_lives_stays_while_backends_come_and_go(cluster, hook, family):
    def all_echo(clients):
        return all(client.echoes(b"on and on") for client in clients)

    with serving(cluster, family), contextlib.ExitStack() as stack, \
            watched(cluster, config(family, (1, 1, None), hook=hook)) as daemon:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(40)]
        assert set(names(clients)) == set(BACKENDS[family][:2])
        daemon.apply(config(family, (1, 1, 5), hook=hook))
        assert all_echo(clients)
        daemon.apply(config(family, (0, 1, None), hook=hook))    # drained
        assert all_echo(clients)
        with Client(cluster, family) as one, Client(cluster, family) as another:
            assert set(names((one, another))) == {BACKENDS[family][1]}
        daemon.config.write_text(config(family, (0, 1, 1), hook=hook, capacity=4000))
        daemon.ask("reload")
        assert all_echo(clients)
        daemon.restart()
        assert all_echo(clients)
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


@pytest.mark.parametrize("hook", HOOKS)
def test_drained_backend_gets_no_connection_between_the_same_ends_either(cluster, hook):
    def connected(port):
        sock = cluster.client.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.bind(("", port))
        sock.settimeout(10 * SLOWNESS)
        sock.connect((SERVICE[4], PORT))
        with sock:
            return json.loads(sock.recv(1000))[0]      # ends by a reset

    with serving(cluster, 4), watched(cluster, config(4, (1, 0, None), hook=hook)) as daemon:
        assert connected(20000) == BACKENDS[4][0]
        daemon.apply(config(4, (0, 1, None), hook=hook))
        assert connected(20000) == BACKENDS[4][1]


def test_killed_daemon_goes_on_balancing(cluster):
    with serving(cluster, 4), watched(cluster, config(4)) as daemon, Client(cluster, 4) as client:
        daemon.kill()
        assert client.echoes(b"on and on")
        seen = set()
        for _ in range(40):
            with Client(cluster, 4) as other:
                seen.add(other.backend)
        assert seen == set(BACKENDS[4])
        daemon.start()
        assert client.echoes(b"and on")


@pytest.mark.parametrize("family", FAMILIES)
def test_who_speaks_to_a_backend_itself_is_left_alone(cluster, family):
    address = BACKENDS[family][0]
    with serving(cluster, family), watched(cluster, config(family)) as daemon, \
            Client(cluster, family, address=address, port=BACKEND_PORT) as client:
        assert client.backend == address and client.echoes(b"directly")
        row, = daemon.ask("flow", "list", f"dport={BACKEND_PORT}")["flows"]
        assert row["dst"] == address and row["state"] == "established"
        assert daemon.status()["balance"]["to_clients"] == 0


def test_service_without_backends_drops_and_says_so(cluster):
    with watched(cluster, config(4, (0, None, None))) as daemon:
        with pytest.raises(OSError):
            Client(cluster, 4, seconds=1)
        assert daemon.reasons()["drop_no_backend"] >= 1
        assert daemon.status()["balance"]["no_backend"] >= 1


def test_packets_of_no_connection_are_refused_by_the_host(cluster):
    """As without Weir: its own stack answers what begins nothing and belongs to nothing."""
    with watched(cluster, config(4) .replace('"half-open"', '"pick-up": false, "half-open"')):
        said = cluster.client.run("hping3", "-A", "-p", PORT, "-c", 3, "-i", "u10000",
                                  SERVICE[4], check=False).stdout
        assert said.count("flags=R") == 3, said


def test_services_are_listed(cluster):
    with watched(cluster, config(4, (1, None, 2))) as daemon:
        listed = daemon.ask("service", "list")
        service, = listed["services"]
        assert (service["name"], service["address"], service["port"]) == ("echo", SERVICE[4], PORT)
        assert listed["backends"] == [
            {"service": "echo", "address": BACKENDS[4][index], "port": BACKEND_PORT,
             "weight": weight, "origin": "file"} for index, weight in ((0, 1), (2, 2))]
        said = daemon.say("service", "list")
        assert "echo" in said and BACKENDS[4][2] in said
        wait_for(lambda: daemon.status()["balance"]["services"] == 1, "status says so")


@pytest.mark.parametrize("hook, warns", (("xdp-generic", True), ("xdp", True), ("auto", False),
                                         ("tc", False)))
def test_check_says_where_no_program_stands_behind_xdp(cluster, hook, warns):
    text = config(4, hook=hook)
    with OlderDaemon(cluster.gateway, "6.1", config="api: {listen: off}\n") as daemon:
        said = daemon.offline("check", "-", input=text).stderr
        assert ("what arrives at XDP is not shared out" in said) == warns, said
