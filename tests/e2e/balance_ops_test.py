# SPDX-License-Identifier: Apache-2.0
"""Services and backends that come, change and go by commands: who is answered by whom then, what
lives on, what is kept, and what is refused."""
import contextlib
import json

import pytest

from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, ROUTER, SERVICE, Client, Cluster,
                             serving)
from harness.daemon import Daemon, Refused
from harness.lan import ARM, Lan
from harness.net import Namespace
from harness.wait import wait_for

BASE = ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
        "conntrack: {enabled: auto, capacity: 4096, half-open: 1024}\n")
FAMILIES = (4, 6)


def written(weights, name="echo", more=""):
    """A configuration with a service whose backends have these weights; None: not there."""
    backends = [{"address": BACKENDS[4][index], "port": BACKEND_PORT, "weight": weight}
                for index, weight in enumerate(weights) if weight is not None]
    service = {"name": name, "address": SERVICE[4], "port": PORT, "backends": backends}
    return BASE + f"balance: {json.dumps({'services': [service]})}\n" + more


def end(index, family=4):
    address = BACKENDS[family][index]
    return f"[{address}]:{BACKEND_PORT}" if family == 6 else f"{address}:{BACKEND_PORT}"


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made, serving(made, 4), serving(made, 6):
        yield made


@contextlib.contextmanager
def watched(cluster, text=BASE):
    with Daemon(cluster.gateway, config=text) as daemon:
        yield daemon


def met(cluster, count=40, family=4):
    """The backends that answer new connections."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(count)]
        assert all(client.own == client.peer for client in clients)
        return {client.backend for client in clients}


def is_refused(cluster):
    """The host itself answers: there is no service."""
    with pytest.raises(ConnectionRefusedError):
        Client(cluster, 4, seconds=2)


def refusal(daemon, *words):
    """What is said, in one line; and nothing has changed by it."""
    before = daemon.ask("service", "list"), daemon.status()["revision"]
    with pytest.raises(Refused) as refused:
        daemon.say(*words)
    assert (daemon.ask("service", "list"), daemon.status()["revision"]) == before
    return " ".join(refused.value.said.split())


def services(daemon):
    return {row["name"]: row for row in daemon.ask("service", "list")["services"]}


def weights(daemon, service="echo"):
    rows = daemon.ask("service", "backend", "list", service)["backends"]
    return {row["address"]: row["weight"] for row in rows}


@pytest.mark.parametrize("family", FAMILIES)
def test_service_is_live_when_the_command_returns_and_gone_when_deleted(cluster, family):
    with watched(cluster) as daemon:
        said = daemon.say("service", "add", "echo", "--address", SERVICE[family], "--port", PORT,
                          "--backend", end(0, family), "--backend", end(1, family))
        assert "service echo" in said and "added" in said
        assert met(cluster, family=family) == set(BACKENDS[family][:2])
        daemon.say("service", "backend", "add", "echo", end(2, family), "--weight", "3")
        assert met(cluster, family=family) == set(BACKENDS[family])
        assert services(daemon)["echo"]["origin"] == "runtime"
        assert weights(daemon) == dict(zip(BACKENDS[family], (1, 1, 3)))
        daemon.say("service", "backend", "del", "echo", end(0, family))
        assert met(cluster, family=family) == set(BACKENDS[family][1:])
        daemon.say("service", "del", "echo")
        assert daemon.ask("service", "list") == {"services": [], "backends": []}
        if family == 4:
            is_refused(cluster)


def test_answer_says_how_many_backends_came_at_once(cluster):
    with watched(cluster) as daemon:
        said = daemon.say(*ADD, "two", *AT, "81", "--backend", "10.0.0.1", "--backend", "10.0.0.2")
        assert "service two with 2 backends added, revision" in said
        said = daemon.say(*ADD, "one", *AT, "82", "--backend", "10.0.0.1")
        assert "service one, backend 10.0.0.1:82 added, revision" in said
        assert "service none added, revision" in daemon.say(*ADD, "none", *AT, "83")


def test_drained_backend_keeps_what_lives_and_gets_nothing_new(cluster):
    with watched(cluster, written((1, 1, None))) as daemon, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, 4)) for _ in range(30)]
        assert {client.backend for client in clients} == set(BACKENDS[4][:2])
        daemon.say("service", "backend", "drain", "echo", end(0))
        assert met(cluster) == {BACKENDS[4][1]}
        assert all(client.echoes(b"on and on") for client in clients)
        row = daemon.ask("service", "backend", "list", "echo")["backends"][0]
        assert (row["drained"], row["weight"], row["origin"]) == (True, 1, "file")
        daemon.say("service", "backend", "undrain", "echo", end(0))
        assert met(cluster) == set(BACKENDS[4][:2])
        assert all(client.echoes(b"and on") for client in clients)
        assert not [reason for reason in daemon.reasons() if reason.startswith("drop")]


def test_weight_set_is_the_share_and_setting_it_back_leaves_nothing(cluster):
    with watched(cluster, written((1, 1, None))) as daemon:
        daemon.say("service", "backend", "set", "echo", end(0), "--weight", "0")
        assert met(cluster) == {BACKENDS[4][1]}
        row = daemon.ask("service", "show", "echo")["served_by"][0]
        assert (row["weight"], row["weight_in_file"]) == (0, 1)
        assert services(daemon)["echo"]["backends_changed"] == 1
        daemon.say("service", "backend", "set", "echo", end(0), "--weight", "1")
        assert met(cluster) == set(BACKENDS[4][:2])
        assert "backends_changed" not in services(daemon)["echo"]
        assert json.loads((daemon.state / "balance.json").read_text())["backends"] == []


@pytest.mark.parametrize("ends", ("restart", "kill"))
def test_all_of_run_time_is_there_again_after_a_restart(cluster, ends):
    with watched(cluster, written((1, 1, None))) as daemon:
        daemon.say("service", "add", "other", "--address", SERVICE[4], "--port", "81",
                   "--backend", end(2))
        daemon.say("service", "add", "dns", "--address", SERVICE[6], "--port", "53", "--proto",
                   "udp", "--backend", BACKENDS[6][0])
        daemon.say("service", "backend", "drain", "echo", end(1))
        daemon.say("service", "backend", "set", "echo", end(0), "--weight", "7")
        daemon.say("service", "disable", "dns")
        before = daemon.ask("service", "list")
        assert len(before["services"]) == 3 and len(before["backends"]) == 4
        with Client(cluster, 4, port=81) as client:
            assert client.backend == BACKENDS[4][2]
            if ends == "restart":
                daemon.restart()
            else:
                daemon.kill()
                daemon.start()
            assert client.echoes(b"on and on")
        assert daemon.ask("service", "list") == before
        assert met(cluster) == {BACKENDS[4][0]}
        with Client(cluster, 4, port=81) as client:
            assert client.backend == BACKENDS[4][2]


def test_disabled_service_is_as_if_it_were_not_there(cluster):
    with watched(cluster, written((1, None, None))) as daemon:
        assert met(cluster, 3) == {BACKENDS[4][0]}
        daemon.say("service", "disable", "echo")
        is_refused(cluster)
        assert services(daemon)["echo"]["enabled"] is False
        daemon.restart()
        is_refused(cluster)
        daemon.say("service", "enable", "echo")
        assert met(cluster, 3) == {BACKENDS[4][0]}


ABOUT_ONE = (("service", "stats"), ("service", "affinity", "list"),
             ("service", "affinity", "clear"))


@pytest.mark.parametrize("words", ABOUT_ONE, ids=" ".join)
def test_who_asks_about_a_disabled_service_hears_how_it_acts_again(cluster, words):
    with watched(cluster, written((1, None, None))) as daemon:
        daemon.ask(*words, "echo")
        daemon.say("service", "disable", "echo")
        assert "service: the service 'echo' does not act weir service enable echo" \
            in refusal(daemon, *words, "echo")
        daemon.say("service", "enable", "echo")
        daemon.ask(*words, "echo")
        daemon.say("lb", "disable")
        assert "does not act weir lb enable" in refusal(daemon, *words, "echo")


def test_whole_balancer_goes_off_and_on_and_stays_as_it_is_put(cluster):
    with watched(cluster, written((1, None, None))) as daemon:
        daemon.say("lb", "disable")
        is_refused(cluster)
        assert "DISABLED" in daemon.say("lb", "status")
        assert daemon.ask("lb", "list-dnat")["dnat"][0]["enabled"] is False
        daemon.restart()
        is_refused(cluster)
        daemon.say("lb", "enable")
        assert met(cluster, 3) == {BACKENDS[4][0]}
        assert "ENABLED" in daemon.say("lb", "status")


def test_what_is_written_down_later_goes_on_without_a_break(cluster):
    """Added by commands, then part of the configuration: nothing is cut, nothing left over."""
    with watched(cluster) as daemon:
        daemon.say("service", "add", "echo", "--address", SERVICE[4], "--port", PORT, "--backend",
                   f"{end(0)},{end(1)}")
        with Client(cluster, 4) as client:
            said = daemon.apply(written((1, 1, None)))
            assert "part of the configuration from now on" in str(said)
            assert client.echoes(b"on and on")
        assert services(daemon)["echo"]["origin"] == "file"
        kept = json.loads((daemon.state / "balance.json").read_text())
        assert (kept["services"], kept["backends"]) == ([], [])
        daemon.restart()
        assert met(cluster) == set(BACKENDS[4][:2])


def test_edits_of_what_is_no_longer_written_are_forgotten_and_told(cluster):
    with watched(cluster, written((1, 1, None))) as daemon:
        daemon.say("service", "backend", "drain", "echo", end(1))
        said = str(daemon.apply(written((1, None, None))))
        assert BACKENDS[4][1] in said and "is forgotten" in said
        assert "forgotten" not in str(daemon.apply(written((1, 1, None))))
        assert met(cluster) == set(BACKENDS[4][:2])


def test_configuration_that_clashes_with_run_time_is_refused(cluster):
    with watched(cluster) as daemon:
        daemon.say("service", "add", "mine", "--address", SERVICE[4], "--port", PORT, "--backend",
                   end(0))
        for text in (written((None, 1, None)),
                     written((None, 1, None), name="mine").replace(f'"port": {PORT},',
                                                                   '"port": 99,')):
            with pytest.raises(Refused) as refused:
                daemon.apply(text)
            assert "weir service del it" in refused.value.said
        assert met(cluster, 5) == {BACKENDS[4][0]}
        # Nobody is there to mend it at a start: the configuration acts, and it is told.
        daemon.stop()
        (daemon.state / "policy.json").unlink()
        daemon.config.write_text(written((None, 1, None)))
        daemon.start()
        assert met(cluster, 5) == {BACKENDS[4][1]}
        assert [row["name"] for row in daemon.ask("service", "list")["do_not_act"]] == ["mine"]
        daemon.say("service", "del", "mine")
        assert "do_not_act" not in daemon.ask("service", "list")


ADD = ("service", "add")
AT = ("--address", SERVICE[4], "--port")
DNAT = ("lb", "add-dnat", "--vip", SERVICE[4], "--vport")


@pytest.mark.parametrize("words, said", (
    ((*ADD, "other", *AT, PORT), "the service 'echo' has this address, port and protocol already"),
    ((*ADD, "echo", *AT, 81), "there is a service 'echo' already, in the configuration"),
    ((*ADD, "Other", *AT, 81), "'Other' is not a name write 1 to 31"),
    ((*ADD, "other", *AT, 0), "port: '0' is not within 1 to 65535"),
    ((*ADD, "other", *AT, 65536), "port: '65536' is not within 1 to 65535"),
    ((*ADD, "other", "--address", "here", "--port", 81), "'here' is not an address"),
    ((*ADD, "other", "--address", "127.0.0.1", "--port", 81), "not the address of one host"),
    ((*ADD, "other", *AT, 81, "--backend", "10.0.0.1:0"), "'0' is not a port"),
    ((*ADD, "other", *AT, 81, "--backend", "there:80"), "'there:80' is not an address"),
    ((*ADD, "other", *AT, 81, "--backend", "[fd00::1"), "'[fd00::1' is not an address"),
    ((*ADD, "other", *AT, 81, "--backend", "[fd00::1]:80"), "one is IPv4 and the other IPv6"),
    ((*ADD, "other", *AT, 81, "--backend", "10.0.0.1,10.0.0.1:81"), "it is there twice"),
    ((*ADD, "other", *AT, 81, "--backend", f"{SERVICE[4]}:81"), "the service itself has this"),
    ((*ADD, "other", *AT, 81, "--source", "fd00::1"), "cannot stand for the clients of"),
    ((*ADD, "other", *AT, 81, "--backend", end(0)),
     "its answers could not be told from those of the service 'echo'"),
    (("service", "del", "echo"), "part of the configuration weir service disable it"),
    (("service", "del", "none"), "there is no service 'none' see `weir service list`"),
    (("service", "show", "none"), "there is no service 'none'"),
    (("service", "stats", "none"), "there is no service 'none' see `weir service list`"),
    (("service", "affinity", "list", "none"), "there is no service 'none' see `weir service list`"),
    (("service", "disable", "none"), "there is no service 'none'"),
    (("service", "backend", "list", "none"), "there is no service 'none'"),
    (("service", "backend", "add", "echo", end(0)), "has this backend already"),
    (("service", "backend", "add", "echo", "10.0.0.1", "--weight", 65536),
     "65536 is not between 0 and 65535"),
    (("service", "backend", "add", "none", "10.0.0.1"), "there is no service 'none'"),
    (("service", "backend", "del", "echo", end(0)), "weir service backend drain it, or take it"),
    (("service", "backend", "del", "echo", "10.0.0.1"), "has no backend 10.0.0.1 port 80"),
    (("service", "backend", "drain", "echo", "10.0.0.1:8080"), "has no backend"),
    (("service", "backend", "drane", "echo", end(0)), "did you mean 'weir service backend drain'"),
    ((*DNAT, 0, "--rip", "10.0.0.1"), "vport: '0' is not within 1 to 65535"),
    ((*DNAT, 81, "--rip", "10.0.0.1", "--rport", 0), "rport: '0' is not a port"),
    ((*DNAT, 81, "--rip", "fd00::1"), "one is IPv4 and the other IPv6"),
    ((*DNAT, 81, "--rip", "10.0.0.1", "--protocol", "icmp"), "'icmp'"),
    ((*DNAT, PORT, "--rip", BACKENDS[4][0], "--rport", BACKEND_PORT), "has this backend already"),
    (("lb", "remove-dnat", "--vip", SERVICE[4], "--vport", 81), "there is no service at"),
    (("lb", "remove-dnat", "--vip", SERVICE[4], "--vport", PORT), "weir service disable it"),
    (("lb", "remove-dnat", "--vip", SERVICE[4], "--vport", PORT, "--rip", "10.0.0.1"),
     "no traffic is sent to 10.0.0.1 port 80 there"),
))
def test_what_cannot_be_is_refused_and_changes_nothing(refusing, words, said):
    assert said in refusal(refusing, *map(str, words))


@pytest.mark.parametrize("ports", ((0, 80), (80, 0), (80, 65536)))
def test_a_port_that_is_none_is_said_wrongly_whichever_it_is(refusing, ports):
    words = (*DNAT, ports[0], "--rip", "10.0.0.1", "--rport", ports[1])
    assert refusing.verb(*map(str, words)).returncode == 2


@pytest.fixture(scope="module")
def refusing():
    """Beside the others: nothing is asked of it but to refuse."""
    made = Namespace("refusing")
    try:
        with Daemon(made, config=written((1, 1, None))) as daemon:
            yield daemon
    finally:
        made.delete()


def test_what_cannot_be_kept_is_not_done(cluster):
    with watched(cluster) as daemon:
        (daemon.state / "balance.json").mkdir()
        said = refusal(daemon, *ADD, "echo", *AT, str(PORT), "--backend", end(0))
        assert "cannot write balance.json" in said
        is_refused(cluster)


def test_services_of_run_time_want_connections_tracked(cluster):
    with watched(cluster, "api: {listen: off}\nconntrack: {enabled: false}\n") as daemon:
        assert "conntrack: {enabled: auto}" in refusal(daemon, *ADD, "a", *AT, "80")


# What seeds of the balancer have one type, with `weir lb` for `firewall-lvs`.
VIP = ("--vip", SERVICE[4], "--vport", str(PORT))
DENYING = BASE + "rules: {policy: [{interface: lan, ingress: deny}]}\n"


def dnat(daemon):
    """What is printed, as lists of words."""
    return [line.split() for line in daemon.say("lb", "list-dnat").splitlines()]


def dropped(daemon, reason):
    return daemon.reasons().get(reason, 0)


def is_not_heard(cluster, daemon, reason):
    """Nobody answers the client, for that reason."""
    before = dropped(daemon, reason)
    with pytest.raises(TimeoutError):
        Client(cluster, 4, seconds=0.3)
    assert dropped(daemon, reason) > before


def whitelist(daemon, port, proto):
    """`firewall update --add-whitelist --ip-start … --ip-end … --port … --protocol …`"""
    daemon.say("rule", "add", f"clients-{proto}", "--action", "allow", "--dst", SERVICE[4],
               "--src", "10.78.1.0-10.78.1.255", "--dport", port, "--proto", proto)


def clients_are_let_in(cluster, daemon):
    """Ahead of any service: this host is to answer for its port, and does."""
    is_not_heard(cluster, daemon, "drop_policy")
    whitelist(daemon, PORT, "tcp")
    is_refused(cluster)


def client_is_blocked_and_unblocked(cluster, daemon):
    """Whitelisted or not, also what lives."""
    with Client(cluster, 4) as living:
        daemon.say("block", "add", CLIENT[4])
        is_not_heard(cluster, daemon, "drop_blocked")
        before = dropped(daemon, "drop_blocked")
        living.sock.sendall(b"once more")
        wait_for(lambda: dropped(daemon, "drop_blocked") > before, "it is stopped")
        daemon.say("block", "del", CLIENT[4])
        assert living.exactly(len(b"once more")) == b"once more", "sent again"
    assert met(cluster) == set(BACKENDS[4][:2])


def datagrams_are_let_in(cluster, daemon):
    with Client(cluster, 4, "udp", port=53, seconds=0.3) as client:
        with pytest.raises(TimeoutError):
            client.ask(b"a question")
        whitelist(daemon, 53, "udp")
        assert client.ask(b"a question") == b"a question"


def all_are_forgotten(daemon):
    daemon.say("lb", "cleanup", "--idle", "0s")
    return daemon.ask("lb", "status")["total"] == 0


def test_walk_through_with_the_forms_of_bgo(cluster):
    with watched(cluster, DENYING) as daemon, serving(cluster, 4, "udp", which=[2], port=53):
        daemon.say("lb", "enable")
        clients_are_let_in(cluster, daemon)
        for index in range(2):
            daemon.say("lb", "add-dnat", *VIP, "--rip", BACKENDS[4][index], "--rport",
                       str(BACKEND_PORT), "--protocol", "tcp")
        daemon.say("lb", "add-dnat", "--vip", SERVICE[4], "--vport", "53", "--rip",
                   BACKENDS[4][2], "--rport", "53", "--protocol", "udp")
        assert dnat(daemon) == [
            ["Index", "VIP", "VPort", "Protocol", "RIP", "RPort", "Enabled"],
            ["0", SERVICE[4], "80", "tcp", BACKENDS[4][0], "8080", "true"],
            ["1", SERVICE[4], "80", "tcp", BACKENDS[4][1], "8080", "true"],
            ["2", SERVICE[4], "53", "udp", BACKENDS[4][2], "53", "true"],
            [], ["Total", "rules:", "3"]]
        client_is_blocked_and_unblocked(cluster, daemon)
        datagrams_are_let_in(cluster, daemon)
        wait_for(lambda: all_are_forgotten(daemon), "nothing is left of it")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(cluster, 4)) for _ in range(40)]
            assert {client.backend for client in clients} == set(BACKENDS[4][:2])
            with Client(cluster, 4, "udp", port=53) as client:
                assert client.ask(b"a question") == b"a question"
                assert client.backend == BACKENDS[4][2]
            rows = daemon.ask("lb", "status")
            said = daemon.say("lb", "status")
        assert rows["state"] == "enabled" and rows["total"] == 41
        assert {(row["client_port"], row["target"], row["target_port"])
                for row in rows["connections"] if row["vport"] == PORT} \
            == {(client.own[1], client.backend, BACKEND_PORT) for client in clients}
        assert "Balancer: ENABLED" in said and "Total connections: 41, active: 41" in said
        assert rows["active"] == 41
        assert "Bytes are not counted: set conntrack: {account: true}" in said
        assert f"{clients[0].own[1]}" in said and BACKENDS[4][2] in said
        daemon.say("lb", "remove-dnat", *VIP, "--protocol", "tcp", "--rip", BACKENDS[4][0],
                   "--rport", str(BACKEND_PORT))
        assert met(cluster) == {BACKENDS[4][1]}
        daemon.say("lb", "remove-dnat", *VIP, "--protocol", "tcp")
        is_refused(cluster)
        assert [row[1:6] for row in dnat(daemon)[1:-2]] \
            == [[SERVICE[4], "53", "udp", BACKENDS[4][2], "53"]]
        daemon.say("lb", "remove-dnat", "--vip", SERVICE[4], "--vport", "53", "--protocol", "udp",
                   "--rip", BACKENDS[4][2])
        assert dnat(daemon) == [["Total", "rules:", "0"]]
        assert services(daemon) == {}


@pytest.fixture(scope="module")
def lan():
    with Lan() as made, serving(made, 4), serving(made, 6):
        yield made


ONE_ARM = BASE.replace(", {name: wan, hook: tc}", "")


@pytest.mark.parametrize("family", (4, 6))
def test_walk_through_where_all_are_on_one_network(lan, family):
    """As bgo's page has it, to the letter: client, VIP and servers are neighbours. Backends then
    must see an address of the gateway's, or they answer past it."""
    vip = ("--vip", SERVICE[family], "--vport", str(PORT))
    with Daemon(lan.gateway, config=ONE_ARM) as daemon:
        answers = [daemon.ask("lb", "add-dnat", *vip, "--rip", BACKENDS[family][index], "--rport",
                              str(BACKEND_PORT), "--protocol", "tcp") for index in range(2)]
        told = [row["what"] for row in answers[0]["warnings"]["problems"]]
        assert any(f"they see {ROUTER[family][0]} in the clients' place" in what for what in told)
        assert "has the source" in refusal(daemon, "lb", "add-dnat", *vip, "--rip",
                                           BACKENDS[family][2], "--source", SERVICE[family])
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(Client(lan, family)) for _ in range(40)]
            assert {client.backend for client in clients} == set(BACKENDS[family][:2])
            assert {client.peer[0] for client in clients} == {ROUTER[family][0]}
            assert daemon.ask("lb", "status")["total"] == 40
            daemon.restart()
            assert all(client.echoes(b"on and on") for client in clients)
        row, = daemon.ask("service", "list")["services"]
        assert row["source"] == ROUTER[family][0]


@contextlib.contextmanager
def the_vip_alone(gateway, family):
    """Of its addresses in that network; the first of IPv4 would take the others with it."""
    router, vip = ROUTER[family][0], SERVICE[family]
    gateway.run("sysctl", "-qw", f"net.ipv4.conf.{ARM}.promote_secondaries=1")
    gateway.run("ip", "addr", "del", f"{router}/16", "dev", ARM)
    try:
        yield
    finally:
        gateway.run("ip", "addr", "del", f"{vip}/16", "dev", ARM)
        for address in (router, vip):
            Lan.give(gateway, ARM, address, 16)


@pytest.mark.parametrize("family", (4, 6))
def test_where_the_vip_is_the_only_address_it_is_what_backends_see(lan, family):
    vip = ("--vip", SERVICE[family], "--vport", str(PORT))
    with the_vip_alone(lan.gateway, family), \
            Daemon(lan.gateway, config=ONE_ARM) as daemon:
        told = daemon.ask("lb", "add-dnat", *vip, "--rip", BACKENDS[family][0], "--rport",
                          str(BACKEND_PORT))["warnings"]["problems"]
        assert any(f"they see {SERVICE[family]} in the clients' place" in row["what"]
                   for row in told)
        with Client(lan, family) as client:
            assert client.backend == BACKENDS[family][0] and client.peer[0] == SERVICE[family]
            assert client.echoes(b"on and on")


def test_an_address_that_is_to_go_is_not_what_backends_see(lan):
    """Of IPv4 the first one is the interface's, of IPv6 the last one."""
    lan.gateway.run("ip", "addr", "add", "fd78:1::77/16", "dev", ARM, "nodad", "preferred_lft",
                    "0")
    try:
        with Daemon(lan.gateway, config=ONE_ARM) as daemon:
            daemon.say("lb", "add-dnat", "--vip", SERVICE[6], "--vport", str(PORT), "--rip",
                       BACKENDS[6][0], "--rport", str(BACKEND_PORT))
            row, = daemon.ask("service", "list")["services"]
            assert row["source"] == ROUTER[6][0]
    finally:
        lan.gateway.run("ip", "addr", "del", "fd78:1::77/16", "dev", ARM)


def test_neighbours_that_are_said_to_have_no_source_have_none(lan):
    with Daemon(lan.gateway, config=ONE_ARM) as daemon:
        daemon.say("lb", "add-dnat", *VIP, "--rip", BACKENDS[4][0], "--rport", str(BACKEND_PORT),
                   "--source", "none")
        with pytest.raises(OSError):    # the answer comes from whom the client did not ask
            Client(lan, 4)
        row, = daemon.ask("service", "list")["services"]
        assert not row.get("source")


def test_dnat_of_ipv6_and_into_a_service_that_is_there(cluster):
    with watched(cluster, written((1, None, None))) as daemon:
        daemon.say("lb", "add-dnat", "--vip", SERVICE[6], "--vport", str(PORT), "--rip",
                   BACKENDS[6][0], "--rport", str(BACKEND_PORT))
        assert met(cluster, 3, family=6) == {BACKENDS[6][0]}
        daemon.say("lb", "add-dnat", *VIP, "--rip", BACKENDS[4][1], "--rport", str(BACKEND_PORT))
        assert met(cluster) == set(BACKENDS[4][:2])
        assert services(daemon)["echo"]["backends"] == 2 and len(services(daemon)) == 2


def test_cleanup_forgets_what_is_over_or_idle_and_leaves_the_rest(cluster):
    def tracked(what=""):
        return daemon.ask("flow", "count", f"dport={PORT}{what}")["total"]

    with watched(cluster, written((1, None, None))) as daemon, \
            Client(cluster, 4) as idle, Client(cluster, 4, address=BACKENDS[4][0],
                                               port=BACKEND_PORT) as direct:
        with Client(cluster, 4):
            pass
        wait_for(lambda: tracked(" and state=time_wait") == 1, "one is over")
        rows = daemon.ask("lb", "status")
        assert (rows["total"], rows["active"]) == (2, 1)
        assert daemon.ask("lb", "cleanup") == {"forgotten": 1}
        assert tracked() == 1 and idle.echoes(b"goes on")
        assert daemon.ask("lb", "cleanup", "--idle", "1h") == {"forgotten": 0}
        assert "write 1s at the least" in refusal(daemon, "lb", "cleanup", "--idle", "900ms")
        assert tracked() == 1
        # A late acknowledgement would begin the flow anew.
        wait_for(lambda: "unacked" not in cluster.backends.run(
            "ss", "-tinH", "state", "established").stdout, "all is acknowledged")
        assert "1 connection forgotten" in daemon.say("lb", "cleanup", "--idle", "0s")
        assert tracked() == 0 and direct.echoes(b"is none of its own")
