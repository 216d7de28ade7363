# SPDX-License-Identifier: Apache-2.0
"""Rules that name services: which packets they meet, of every kind of service, and that they follow
when services come, go and change."""
import json

import pytest

from harness.balanced import FAMILIES, HOOKS, LINES, policy
from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, PORT, SERVICE, Client, Cluster,
                             serving)
from harness.daemon import Daemon
from harness.rules import hits, refusal, rules
from harness.wait import wait_for

OTHER_PORT = PORT + 1
each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)
NEIGHBOURS = {"name": "neighbours", "proto": "icmpv6", "icmp-type": "133-136, 143",
              "action": "allow"}


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def service(name, family, port=PORT, proto="tcp", own=BACKEND_PORT, which=0, **more):
    backend = {"address": BACKENDS[family][which], **({"port": own} if own else {})}
    return {"name": name, "address": SERVICE[family], "port": port, "proto": proto,
            "backends": [backend], **more}


def both(which=0, port=PORT, name="web", **more):
    """One name for each family: web, web6."""
    return [service(name + ("6" if family == 6 else ""), family, port, which=which, **more)
            for family in FAMILIES]


# Who is not named beside them is met by no rule for them.
WEBS = both() + both(1, OTHER_PORT, "other")


def config(made, hook="tc", services=WEBS, **section):
    return policy(services, hook=hook, rules={"rules": made, **section})


def is_served(cluster, family, port=PORT, proto="tcp"):
    try:
        with Client(cluster, family, proto, port=port, seconds=0.3) as client:
            return client.echoes(b"so be it") if proto == "tcp" else client.ask(b"a") == b"a"
    except OSError:
        return False


def served(cluster, port=PORT):
    return {family: is_served(cluster, family, port) for family in FAMILIES}


def explain(daemon, family, port, proto="tcp", src=None, **words):
    given = [part for key, value in words.items() for part in (f"--{key}", str(value))]
    return daemon.ask("explain", "--src", src or CLIENT[family], "--sport", "40000",
                      "--dst", SERVICE[family], "--dport", port, "--proto", proto,
                      "--interface", "lan", *given)


def rule_of(*arguments, **words):
    """The name of the rule that decides, or None."""
    return explain(*arguments, **words).get("rule", {}).get("name")


@pytest.fixture(scope="module", autouse=True)
def backends(cluster):
    with serving(cluster, 4), serving(cluster, 6), serving(cluster, 4, "udp"), \
            serving(cluster, 6, "udp"):
        yield


# --- which packets -------------------------------------------------------------------------------

@each_hook
def test_a_denied_service_is_cut_off_and_its_neighbour_is_not(cluster, hook):
    made = [{"name": "no-web", "service": "web, web6", "src": "10.78.1.0/24, fd78:1::/64",
             "action": "deny"}]
    with Daemon(cluster.gateway, config=config(made, hook)) as daemon:
        assert served(cluster) == {4: False, 6: False}
        assert served(cluster, OTHER_PORT) == {4: True, 6: True}
        wait_for(lambda: hits(daemon, "no-web")[0] >= 2, "it counts packets of both")
        assert [rule_of(daemon, family, port) for family in FAMILIES
                for port in (PORT, OTHER_PORT)] == ["no-web", None, "no-web", None]
        assert rule_of(daemon, 4, PORT, src="10.78.9.1") is None, "by the rule's source alone"
        assert rule_of(daemon, 4, PORT, "udp") is None, "by the service's protocol alone"
        row, = rules(daemon)
        assert row["service"] == "web, web6" and "dst" not in row
        assert row["conditions"] == "src 10.78.1.0/24, fd78:1::/64 service web, web6"
        daemon.apply(config([{**made[0], "service": "web6"}], hook))
        assert served(cluster) == {4: True, 6: False}


@each_hook
def test_an_allowed_service_is_let_in_where_all_else_is_denied_both_ways(cluster, hook):
    """What goes on to a backend is to the service still; what comes back, of the connection."""
    made = [NEIGHBOURS, {"name": "web", "service": "web, web6", "action": "allow"}]
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in LINES]
    text = config(made, hook, policy=[{"interface": "*", "ingress": "deny", "egress": "deny"}])
    text = text.replace(next(line for line in text.splitlines()
                             if line.startswith("interfaces:")),
                        f"interfaces: {json.dumps(interfaces)}")
    with Daemon(cluster.gateway, config=text) as daemon:
        assert served(cluster) == {4: True, 6: True}, daemon.reasons()
        assert served(cluster, OTHER_PORT) == {4: False, 6: False}
        # At the way in and at the way out, once each a connection and family.
        wait_for(lambda: hits(daemon, "web")[0] == 4, "both ends of the way counted")
        for way in ("ingress", "egress"):
            daemon.apply(text.replace('"service": "web, web6"',
                                      f'"service": "web, web6", "direction": "{way}"'))
            assert served(cluster) == {4: False, 6: False}, "each way asks for itself"


@each_family
def test_a_range_and_every_port_are_what_no_other_service_has(cluster, family):
    services = [{"name": name, "address": SERVICE[family], "port": port, "proto": proto,
                 "backends": []}
                for name, port, proto in (("one", 80, "tcp"), ("range", "8000-8099", "tcp"),
                                          ("inner", 8050, "tcp"), ("every", "all", "tcp"),
                                          ("dns", 53, "udp"), ("sig", 2905, "sctp"))]
    made = [{"name": f"to-{row['name']}", "service": row["name"], "action": "deny"}
            for row in services]
    met = [(1, "tcp", "every"), (79, "tcp", "every"), (80, "tcp", "one"), (81, "tcp", "every"),
           (7999, "tcp", "every"), (8000, "tcp", "range"), (8049, "tcp", "range"),
           (8050, "tcp", "inner"), (8051, "tcp", "range"), (8099, "tcp", "range"),
           (8100, "tcp", "every"), (65535, "tcp", "every"), (53, "tcp", "every"),
           (53, "udp", "dns"), (54, "udp", None), (2905, "sctp", "sig"), (2906, "sctp", None)]
    with Daemon(cluster.gateway, config=config(made, services=services)) as daemon:
        assert [(port, proto, rule_of(daemon, family, port, proto))
                for port, proto, _ in met] == [(port, proto, name and f"to-{name}")
                                               for port, proto, name in met]
        # They are judged before any is translated, and by the service that gets them.
        assert explain(daemon, family, 8050)["service"] == "inner"
        assert explain(daemon, family, 8051)["service"] == "range"
        # Of one that is disabled the port is still its own, and whose packets there are by then.
        for name, port, first in (("one", 80, "one"), ("inner", 8050, "range")):
            daemon.say("service", "disable", name)
            assert rule_of(daemon, family, port) == f"to-{first}", "the first of the two"


@each_family
def test_pieces_of_a_datagram_are_its_services(cluster, family):
    made = [{"name": "no-dns", "service": "dns", "action": "deny"}]
    services = [service("dns", family, 53, "udp"), service("open", family, 54, "udp", which=1)]
    large = bytes(range(256)) * 16
    with Daemon(cluster.gateway, config=config(made, services=services)) as daemon:
        for port, lets in ((54, True), (53, False)):
            with Client(cluster, family, "udp", port=port, seconds=0.5 if not lets else 10) as one:
                if lets:
                    assert one.ask(large) == large
                    continue
                with pytest.raises(OSError):
                    one.ask(large)
        wait_for(lambda: hits(daemon, "no-dns")[0] >= 3, "all pieces of it are the rule's")


def test_an_error_about_a_service_is_of_no_rule_with_ports(cluster):
    made = [{"name": "no-web", "service": "web, web6", "action": "deny"}]
    with Daemon(cluster.gateway, config=config(made)) as daemon:
        assert "rule" not in daemon.ask("explain", "--src", CLIENT[4], "--dst", SERVICE[4],
                                        "--proto", "icmp", "--icmp-type", "3", "--icmp-code", "3")


def test_a_limit_counts_connections_to_all_its_services_together(cluster):
    made = [{"name": "few", "service": "web, web6", "action": "limit", "rate": "1/h",
             "burst": "2", "direction": "ingress"}]
    with Daemon(cluster.gateway, config=config(made)) as daemon:
        assert [is_served(cluster, family) for family in (4, 6)] == [True, True]
        assert [is_served(cluster, family) for family in (4, 6)] == [False, False]
        assert served(cluster, OTHER_PORT) == {4: True, 6: True}
        assert [row["name"] for row in daemon.ask("limit", "show")["rules"]] == ["few"]
        wait_for(lambda: rules(daemon)[0]["over"] >= 2, "what is over is counted")


# --- services that come, go and change -----------------------------------------------------------

def add(daemon, name, family, port, which=2):
    own = f"{BACKENDS[family][which]}:{BACKEND_PORT}" if family == 4 else \
        f"[{BACKENDS[family][which]}]:{BACKEND_PORT}"
    return daemon.ask("service", "add", name, "--address", SERVICE[family], "--port", port,
                      "--backend", own)


def test_a_rule_of_run_time_follows_the_service_that_it_names(cluster):
    missing = "there is no service 'late'"
    with Daemon(cluster.gateway, config=config([])) as daemon:
        said = refusal(daemon, "rule", "add", "no-late", "--service", "late", "--action", "deny")
        assert f"rule no-late.service: {missing}" in said and "weir service add" in said
        add(daemon, "late", 4, 82)
        assert is_served(cluster, 4, 82)
        daemon.ask("rule", "add", "no-late", "--service", "late", "--action", "deny")
        assert not is_served(cluster, 4, 82) and is_served(cluster, 4)
        daemon.ask("service", "set", "late", "--scheduler", "round-robin")
        assert rule_of(daemon, 4, 82) == "no-late"
        revision = daemon.status()["revision"]
        said = refusal(daemon, "service", "del", "late")
        assert f"rule no-late.service: {missing}" in said
        assert daemon.status()["revision"] == revision and rule_of(daemon, 4, 82) == "no-late"
        # One that does not act names nothing; and comes back to where the service is by then.
        daemon.ask("rule", "disable", "no-late")
        daemon.ask("service", "del", "late")
        assert missing in refusal(daemon, "rule", "enable", "no-late")
        add(daemon, "late", 6, 83)
        daemon.ask("rule", "enable", "no-late")
        assert rule_of(daemon, 4, 82) is None and rule_of(daemon, 6, 83) == "no-late"
        assert not is_served(cluster, 6, 83)
        daemon.restart()
        assert rule_of(daemon, 6, 83) == "no-late"
        assert [row["service"] for row in rules(daemon)] == ["late"]


def test_ports_change_hands_in_the_revision_in_which_services_do(cluster):
    made = [{"name": "no-rest", "service": "every", "action": "deny"}]
    services = [service("every", 4, "all", own=None)]      # another backend than `add`'s
    with Daemon(cluster.gateway, config=config(made, services=services)) as daemon:
        assert rule_of(daemon, 4, PORT) == "no-rest" and not is_served(cluster, 4)
        revision = daemon.status()["revision"]
        assert add(daemon, "web", 4, PORT)["revision"] == revision + 1
        assert is_served(cluster, 4) and rule_of(daemon, 4, PORT) is None
        assert rule_of(daemon, 4, OTHER_PORT) == "no-rest"
        assert daemon.ask("service", "disable", "web")["revision"] == revision + 2
        assert rule_of(daemon, 4, PORT) == "no-rest" and not is_served(cluster, 4)
        daemon.ask("service", "enable", "web")
        assert is_served(cluster, 4)
        daemon.ask("service", "del", "web")
        assert rule_of(daemon, 4, PORT) == "no-rest"
        name = daemon.ask("lb", "add-dnat", "--vip", SERVICE[4], "--vport", PORT, "--rip",
                          BACKENDS[4][1], "--rport", BACKEND_PORT)["service"]
        assert is_served(cluster, 4)
        daemon.ask("rule", "add", "no-dnat", "--service", name, "--action", "deny")
        assert rule_of(daemon, 4, PORT) == "no-dnat" and not is_served(cluster, 4)
        said = refusal(daemon, "lb", "remove-dnat", "--vip", SERVICE[4], "--vport", PORT, "--now")
        assert f"there is no service '{name}'" in said and rule_of(daemon, 4, PORT) == "no-dnat"


def test_an_apply_that_takes_a_service_from_a_rule_is_refused_whole(cluster):
    made = [{"name": "no-web", "service": "web", "action": "deny"}]
    with Daemon(cluster.gateway, config=config(made)) as daemon:
        without = config(made, services=WEBS[1:])
        said = refusal(daemon, "apply", "-", text=without)
        assert "rules.rules[0].service: there is no service 'web'" in said
        assert "define it under balance.services" in said
        assert rule_of(daemon, 4, PORT) == "no-web"
        # It may come with another address: the rule is about that from then on.
        moved = [{**WEBS[0], "address": "10.78.1.101"}, *WEBS[1:]]
        daemon.apply(config(made, services=moved))
        assert rule_of(daemon, 4, PORT) is None
        assert daemon.ask("explain", "--src", CLIENT[4], "--dst", "10.78.1.101", "--dport", PORT,
                          "--proto", "tcp")["rule"]["name"] == "no-web"
        daemon.apply(config([], services=WEBS[1:]))
        assert rules(daemon) == []


def test_a_start_goes_on_without_a_service_that_is_gone(cluster):
    with Daemon(cluster.gateway, config=config([])) as daemon:
        add(daemon, "late", 4, 82)
        daemon.ask("rule", "add", "no-late", "--service", "late", "--action", "deny")
        daemon.ask("rule", "add", "no-web", "--service", "web", "--action", "deny")
        daemon.stop()
        (daemon.state / "balance.json").unlink()
        daemon.start()
        assert "there is no service 'late' here: it matches nothing" in daemon.log()
        assert rule_of(daemon, 4, PORT) == "no-web" and rule_of(daemon, 4, 82) is None
        # What was missing already stands in the way of no other change.
        daemon.ask("rule", "add", "more", "--src", "192.0.2.1", "--action", "deny")
        add(daemon, "late", 4, 82)
        assert rule_of(daemon, 4, 82) == "no-late"


# --- a look without a daemon ----------------------------------------------------------------------

def test_expectations_and_check_know_the_services_of_the_file(cluster, tmp_path):
    made = [{"name": "no-web", "service": "web, web6", "action": "deny"},
            {"name": "never", "dst": SERVICE[4], "proto": "tcp", "dport": PORT,
             "action": "allow"}]
    file = tmp_path / "weir.yaml"
    file.write_text(config(made))
    (tmp_path / "met").write_text(
        f"tcp {CLIENT[4]}:5 > {SERVICE[4]}:{PORT} is denied by no-web\n"
        f"tcp [{CLIENT[6]}]:5 > [{SERVICE[6]}]:{PORT} is denied by no-web\n"
        f"tcp {CLIENT[4]}:5 > {SERVICE[4]}:{OTHER_PORT} is allowed\n")
    with Daemon(cluster.gateway, config=config([])) as daemon:
        assert daemon.verb("rule", "test", tmp_path / "met", "--config", file).returncode == 0
        said = daemon.verb("check", file).stderr
        assert "rules.rules[1]: never acts: rules.rules[0] (no-web, line" in said
        daemon.apply(file.read_text())
        assert daemon.verb("rule", "test", tmp_path / "met").returncode == 0


# --- what it survives ----------------------------------------------------------------------------

def test_a_killed_daemon_leaves_the_rule_and_finds_it_again(cluster):
    """One of run time, about a service of run time: nothing of it is in the configuration."""
    with Daemon(cluster.gateway, config=config([])) as daemon:
        add(daemon, "late", 4, 82)
        daemon.ask("rule", "add", "no-late", "--service", "late", "--action", "deny")
        daemon.kill()
        assert not is_served(cluster, 4, 82) and is_served(cluster, 4)
        daemon.start()
        assert rule_of(daemon, 4, 82) == "no-late"
        assert not is_served(cluster, 4, 82) and is_served(cluster, 4)
        daemon.ask("rule", "del", "no-late")
        assert is_served(cluster, 4, 82)


@each_hook
def test_an_interface_that_goes_and_comes_again_has_the_rule(hook):
    made = [{"name": "no-web", "service": "web, web6", "action": "deny"}]
    with Cluster() as own, serving(own, 4), serving(own, 6), \
            Daemon(own.gateway, config=config(made, hook)) as daemon:
        assert served(own, OTHER_PORT) == {4: True, 6: True}
        own.unplug("lan")
        wait_for(lambda: {row["name"]: row["attached"]
                          for row in daemon.status()["interfaces"]}["lan"] is False, "it is gone")
        own.plug("lan")
        wait_for(lambda: served(own, OTHER_PORT) == {4: True, 6: True}, "it is back")
        assert served(own) == {4: False, 6: False}
        assert hits(daemon, "no-web")[0] >= 2
