# SPDX-License-Identifier: Apache-2.0
"""Services of run time that are changed while they serve: what lives goes on, only what is given
changes, and it is kept."""
import contextlib
import json

import pytest

from e2e.health_given_test import EMPTY, LISTENING, add, given
from e2e.health_test import script
from harness.asked import health, wait_states
from harness.balanced import echo, policy
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon, Refused
from harness.rules import ask_http
from harness.wait import wait_for


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made, serving(made, 4):
        yield made


def met(cluster, count=24):
    """Whom so many new connections are served by, one behind the other."""
    seen = []
    for _ in range(count):
        with Client(cluster, 4) as client:
            seen.append(client.backend)
    return seen


def is_refused(cluster):
    try:
        Client(cluster, 4, seconds=0.2).close()
    except OSError:
        return True
    return False


def given_of(value):
    """Without what checks find meanwhile."""
    if isinstance(value, list):
        return [given_of(one) for one in value]
    return {name: given_of(one) for name, one in value.items() if name != "state"} \
        if isinstance(value, dict) else value


def shown(daemon):
    return given_of(daemon.ask("service", "show", "web"))


def listed(daemon):
    return given_of(daemon.ask("service", "list"))


def changed(daemon, *flags):
    """The members of `service show` that a change has made other: before and behind it."""
    before, revision = shown(daemon), daemon.status()["revision"]
    said = daemon.ask("service", "set", "web", *flags)
    assert (said["result"], said["service"]) == ("changed", "web")
    assert said["revision"] > revision, "one, and one more where a check has ended meanwhile"
    behind = shown(daemon)
    return {name: (before.get(name), behind.get(name)) for name in {*before, *behind}
            if before.get(name) != behind.get(name)}


def test_live_connections_stay_and_new_ones_go_by_what_is_said(cluster):
    with Daemon(cluster.gateway, config=EMPTY) as daemon, contextlib.ExitStack() as stack:
        add(daemon, [])
        clients = [stack.enter_context(Client(cluster, 4)) for _ in range(12)]
        assert changed(daemon, "--scheduler", "round-robin") == \
            {"scheduler": ("maglev", "round-robin")}
        seen = met(cluster, 12)
        assert seen[:9] == seen[3:12] and set(seen) == set(BACKENDS[4])
        assert changed(daemon, "--affinity", "10m") == {"affinity_s": (None, 600)}
        assert len(set(met(cluster))) == 1
        assert changed(daemon, "--affinity-prefix", "24") == {"affinity_prefix": (None, 24)}
        assert changed(daemon, "--affinity", "0s") == {"affinity_s": (600, None),
                                                       "affinity_prefix": (24, None)}
        assert set(met(cluster)) == set(BACKENDS[4])
        assert changed(daemon, "--scheduler", "source-hash", "--client-prefix", "24") == \
            {"scheduler": ("round-robin", "source-hash"), "client_prefix": (None, 24)}
        assert len(set(met(cluster))) == 1
        assert changed(daemon, "--scheduler", "least-connections") == \
            {"scheduler": ("source-hash", "least-connections"), "client_prefix": (24, None)}
        assert all(client.echoes(b"through all of it") for client in clients)
        assert not [name for name in daemon.reasons() if name.startswith("drop")]


@pytest.mark.parametrize("how", ("restart", "kill"))
def test_checks_come_change_and_go(cluster, how):
    """Also of a service that add-dnat has made; at the port above nobody listens."""
    vip = ("--vip", SERVICE[4], "--vport", PORT, "--rport", BACKEND_PORT)
    with Daemon(cluster.gateway, config=EMPTY) as daemon, Client(cluster, 4,
                                                                 address=BACKENDS[4][0],
                                                                 port=BACKEND_PORT):
        for address in BACKENDS[4]:
            name = daemon.ask("lb", "add-dnat", *vip, "--rip", address)["service"]
        with Client(cluster, 4) as client:
            def change(*flags):
                daemon.ask("service", "set", name, *flags)

            wait_states(daemon, [None] * 3)
            change(*given("tcp"))
            wait_states(daemon, ["up"] * 3)
            change(f"--health-port={BACKEND_PORT + 1}")
            wait_states(daemon, ["down"] * 3)
            wait_for(lambda: is_refused(cluster), "nobody gets anything new")
            change("--on-all-down", "keep-all")
            wait_for(lambda: not is_refused(cluster), "they are kept")
            assert client.echoes(b"on and on")
            before = daemon.ask("service", "show", name)
            assert before["on_all_down"] == "keep-all"
            if how == "restart":
                daemon.restart()
            else:
                daemon.kill()
                daemon.start()
            wait_states(daemon, ["down"] * 3)
            assert daemon.ask("service", "show", name) == before
            change("--health-port", "0")
            wait_states(daemon, ["up"] * 3)
            change("--health", "none", "--on-all-down=refuse")
            wait_states(daemon, [None] * 3)
            assert client.echoes(b"and on")
            assert set(met(cluster)) == set(BACKENDS[4])


def test_only_what_is_given_changes(cluster):
    with Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, given("http", path="/ok", host="a.test", status="200", jitter=3))
        assert changed(daemon, "--health-body", "fine", "--health-rise=5") == \
            {"health_body": (None, "fine"), "health_rise": (2, 5)}
        assert changed(daemon, "--health-body=", "--health-path=") == \
            {"health_body": ("fine", None), "health_path": ("/ok", None)}
        assert changed(daemon, "--health", "https", "--health-verify") == \
            {"health": ("http", "https"), "health_verify": (None, True)}
        assert changed(daemon, "--health-verify=false") == {"health_verify": (True, None)}
        # What a check by tls has no use for goes.
        assert changed(daemon, "--health", "tls") == \
            {"health": ("https", "tls"), "health_status": ("200", None)}
        assert changed(daemon, "--announce") == {"announce": (None, True)}
        assert "service web changed, revision" in daemon.say("service", "set", "web",
                                                             "--announce=false")


def refusal(daemon, *words):
    before = listed(daemon)
    with pytest.raises(Refused) as refused:
        daemon.say("service", "set", *words)
    assert listed(daemon) == before
    return " ".join(refused.value.said.split())


def test_what_cannot_be_changed_says_why_and_how(cluster):
    text = policy([echo(4, name="file")], capacity=10000)
    with Daemon(cluster.gateway, config=text) as daemon:
        daemon.ask("service", "add", "web", "--address", SERVICE[4], "--port", PORT + 1,
                   "--backend", f"{BACKENDS[4][0]}:{BACKEND_PORT + 1}", *given("tcp"))
        said = refusal(daemon, "file", "--scheduler", "round-robin")
        assert "name: the service 'file' is part of the configuration" in said
        assert "change it in weir.yaml, then weir apply" in said
        assert "there is no service 'other'" in refusal(daemon, "other", "--health", "tcp")
        said = refusal(daemon, "web")
        assert "what is to be changed of the service 'web' is not said" in said
        assert "give --scheduler, --affinity, --health or another" in said
        assert "health-path: says nothing about a check of type tcp" in \
            refusal(daemon, "web", "--health-path", "/ok")
        assert "health-timeout: a check may not take longer" in \
            refusal(daemon, "web", "--health-timeout", "10s")
        assert "client-prefix: with `scheduler: maglev` nobody asks" in \
            refusal(daemon, "web", "--client-prefix", "24")
        assert "unknown flag --forward" in refusal(daemon, "web", "--forward", "l2")


def test_operator_changes_a_service_and_not_what_is_run(cluster):
    """The times of an administrator's command are the service's, its words the host's."""
    with script("exit 0") as path, Daemon(cluster.gateway, config=LISTENING) as daemon:
        def post(role, **more):
            status, text = ask_http(daemon, "POST", "/api/v1/service/set", role,
                                    {"name": "web", **more})
            return status, json.loads(text)

        add(daemon, given("command", command=[str(path)]), (0,))
        assert post("operator", **{"health-command": ["/bin/false"]})[0] == 403
        assert post("viewer", **{"health-rise": 1})[0] == 403
        assert shown(daemon)["health_command"] == [str(path)]
        assert post("operator", **{"health-rise": 1})[0] == 200
        assert (shown(daemon)["health_rise"], shown(daemon)["health_command"]) == (1, [str(path)])
        wait_states(daemon, ["up", None, None])
        assert post("admin", **{"health-command": ["/bin/false"]})[0] == 200
        wait_states(daemon, ["down", None, None])
        assert health(daemon)[BACKENDS[4][0]]["reason"] == "ended with 1"
