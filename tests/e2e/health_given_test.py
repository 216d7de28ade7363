# SPDX-License-Identifier: Apache-2.0
"""Services of run time have of health what those of the file have: each type by a server that dies
and comes back; what is kept; and who may give what."""
import json
import pathlib

import pytest

from e2e.health_test import (FALL, INTERVAL, RISE, TIMEOUT, key, name_server, processes, script,
                             span, tls_server)  # noqa: F401
from harness.asked import backends, health, wait_states
from harness.balanced import policy
from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Cluster, serving
from harness.daemon import Daemon, Refused
from harness.rules import PORT as API_PORT
from harness.rules import ask_http
from harness.wait import wait_for

EMPTY = policy([], capacity=10000)
LISTENING = EMPTY.replace("listen: off", f"listen: '127.0.0.1:{API_PORT}'")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def ends(which):
    return [f"{BACKENDS[4][index]}:{BACKEND_PORT}" for index in which]


def given(kind, **more):
    """Flags of `service add`; a list is given once a word."""
    said = {"health": kind, "health-interval": span(INTERVAL), "health-timeout": span(TIMEOUT),
            "health-rise": RISE, "health-fall": FALL,
            **{f"health-{name.replace('_', '-')}": value for name, value in more.items()}}
    return [f"--{name}={value}" for name, values in said.items()
            for value in (values if isinstance(values, list) else [values])]


def add(daemon, flags, which=range(3), proto="tcp"):
    return daemon.ask("service", "add", "web", "--address", SERVICE[4], "--port", PORT, "--proto",
                      proto, "--backend", ",".join(ends(which)), *flags)


def reason(daemon, index):
    return health(daemon)[BACKENDS[4][index]]["reason"]


def test_page_is_judged_by_status_host_and_body(cluster):
    with backends(cluster) as made, Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, given("http", path="/health", host="www.test", status="200-299",
                          body="fine and"))
        wait_states(daemon, ["up"] * 3)
        made[1].sick(True)
        wait_states(daemon, ["up", "down", "up"])
        assert reason(daemon, 1) == "status 503, wanted 200-299"
        made[1].sick(False)
        wait_states(daemon, ["up"] * 3)
        shown = daemon.ask("service", "show", "web")
        assert (shown["health_host"], shown["health_status"], shown["health_body"]) == \
            ("www.test", "200-299", "fine and")
        assert "fine and" in daemon.say("service", "show", "web")


def test_certificate_is_for_the_name_and_by_whom_the_file_says(cluster, key):
    """It is its own authority."""
    own = str(key / "cert")
    with tls_server(cluster, key, 0, "-www"), Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, given("https", host="www.test", verify="true", ca=own), (0,))
        wait_states(daemon, ["up", None, None])
        assert daemon.ask("service", "show", "web")["health_ca"] == own
        daemon.ask("service", "del", "web")
        add(daemon, given("https", host="other.test", verify="true", ca=own), (0,))
        wait_states(daemon, ["down", None, None])
        assert reason(daemon, 0) == "TLS: certificate is for another name"
        daemon.ask("service", "del", "web")
        add(daemon, given("tls", host="www.test", verify="true"), (0,))
        wait_states(daemon, ["down", None, None])
        assert reason(daemon, 0).startswith("TLS: "), "the system trusts nobody of the kind"


def test_datagram_is_sent_and_what_comes_back_is_judged(cluster):
    with serving(cluster, 4, "udp", which=(0,)), \
            Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, given("udp", send="hex:00ff01", expect="hex: ff 01"), (0,), "udp")
        wait_states(daemon, ["up", None, None])
        assert reason(daemon, 0) == "answered"
        daemon.ask("service", "del", "web")
        add(daemon, given("udp", send="x", expect="hex:00"), (0,), "udp")
        wait_states(daemon, ["down", None, None])
        assert reason(daemon, 0) == "an answer without what is expected"


def test_name_server_is_asked_what_it_must_know(cluster):
    with name_server(cluster, 0, "www.test"), name_server(cluster, 1), \
            name_server(cluster, 2, "www.test") as process, \
            Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, given("dns", query="80.2.0.192.in-addr.arpa", record="ptr"), proto="udp")
        wait_states(daemon, ["up", "down", "up"])
        assert (reason(daemon, 0), reason(daemon, 1)) == ("NOERROR", "REFUSED")
        shown = daemon.ask("service", "show", "web")
        assert (shown["health_query"], shown["health_record"]) == \
            ("80.2.0.192.in-addr.arpa", "ptr")
        process.kill()
        wait_states(daemon, ["up", "down", "down"])
        with name_server(cluster, 2, "www.test"):
            wait_states(daemon, ["up", "down", "up"])


# It is up while there is no file of its address; and says how it was called.
LOOKS = ('test ! -e "$0.$WEIR_ADDRESS" && test "$1" = "a, b" && test "$#" = 2 && '
         'test "$WEIR_SERVICE:$WEIR_PORT" = web:8080')


@pytest.mark.parametrize("how", ("restart", "kill"))
def test_command_goes_on_over_a_restart(cluster, how):
    with script(LOOKS) as path, Daemon(cluster.gateway, config=EMPTY) as daemon:
        flags = given("command", command=[str(path), "a, b", "--quick"], jitter=0,
                      damping_downs=3, damping_within="1h", damping_hold="30s",
                      damping_hold_most="30m")
        add(daemon, flags)
        wait_states(daemon, ["up"] * 3)
        before = daemon.ask("service", "show", "web")
        assert before["health_command"] == [str(path), "a, b", "--quick"]
        assert (before["health_jitter"], before["health_damping_downs"],
                before["health_damping_within"], before["health_damping_hold"],
                before["health_damping_hold_most"]) == (0, 3, "1h", "30s", "30m")
        if how == "restart":
            daemon.restart()
        else:
            daemon.kill()
            daemon.start()
        wait_states(daemon, ["up"] * 3)
        assert daemon.ask("service", "show", "web") == before
        pathlib.Path(f"{path}.{BACKENDS[4][1]}").touch()
        wait_states(daemon, ["up", "down", "up"])
        assert reason(daemon, 1) == "ended with 1"
        daemon.ask("service", "del", "web")
        wait_for(lambda: not processes(path), "none of it runs")


def body(**more):
    return {"name": "web", "address": SERVICE[4], "port": PORT, "backend": ends((0,))[0],
            "health-interval": span(INTERVAL), "health-timeout": span(TIMEOUT), **more}


@pytest.mark.parametrize("more, named", (
    ({"health": "command", "health-command": ["/bin/true"]}, "health-command"),
    ({"health": "tls", "health-host": "a.test", "health-verify": True,
      "health-ca": "/etc/ssl/ca.pem"}, "health-ca")))
def test_what_is_the_hosts_is_an_administrators(cluster, more, named):
    with Daemon(cluster.gateway, config=LISTENING) as daemon:
        status, text = ask_http(daemon, "POST", "/api/v1/service/add", "operator", body(**more))
        problem, = json.loads(text)["problems"]
        assert status == 403 and problem["key"] == named
        assert "needs the role admin; this caller is operator" in problem["what"]
        assert problem["mend"] == "have an administrator give it, or write it in weir.yaml"
        assert daemon.ask("service", "list")["services"] == []
        status, text = ask_http(daemon, "POST", "/api/v1/service/add", "admin", body(**more))
        assert status == 200, text


def test_command_of_the_api_is_a_list_and_is_shown_to_operators(cluster):
    with script(LOOKS) as path, Daemon(cluster.gateway, config=LISTENING) as daemon:
        def post(command):
            return ask_http(daemon, "POST", "/api/v1/service/add", "admin",
                            body(**{"health": "command", "health-command": command}))

        for wrong, what in ((str(path), "is one text"), ([str(path), 1], "an array of texts"),
                            ([], "needs a program"), (["check"], "by its whole path"),
                            ([str(path), ""], "is empty")):
            status, text = post(wrong)
            problem, = json.loads(text)["problems"]
            assert status == 400 and problem["key"] == "health-command", (wrong, text)
            assert what in problem["what"] and problem["mend"], (wrong, text)
        words = [str(path), "a, b", "$(touch /tmp/no)"]
        assert post(words)[0] == 200
        wait_states(daemon, ["up", None, None])
        for role, seen in (("viewer", None), ("operator", words), ("admin", words)):
            status, text = ask_http(daemon, "GET", "/api/v1/service/show?name=web", role)
            assert status == 200 and json.loads(text).get("health_command") == seen, role


def states(daemon):
    """Of the service and of its backends, as the list of services has them."""
    listed = daemon.ask("service", "list")
    return listed["services"][0].get("state"), [row.get("state") for row in listed["backends"]]


def test_list_of_services_says_who_is_up(cluster):
    with backends(cluster, range(2)) as made, Daemon(cluster.gateway, config=EMPTY) as daemon:
        add(daemon, [], (0, 1))
        assert states(daemon) == (None, [None, None])
        daemon.say("service", "set", "web", *given("tcp", fall=9))
        wait_for(lambda: states(daemon) == ("up", ["up", "up"]), "both are up")
        daemon.say("service", "set", "web", f"--health-fall={FALL}")
        made[1].kill()
        wait_for(lambda: states(daemon) == ("degraded", ["up", "down"]), "one is down")
        daemon.say("service", "backend", "drain", "web", ends((0,))[0])
        assert states(daemon) == ("down", ["drained", "down"])
        daemon.say("service", "backend", "drain", "web", ends((1,))[0])
        assert states(daemon) == ("drained", ["drained", "drained"])
        rows = daemon.ask("service", "backend", "list", "web")["backends"]
        assert [row["state"] for row in rows] == ["drained", "drained"]
        assert daemon.ask("service", "show", "web")["state"] == "drained"
        daemon.say("service", "backend", "undrain", "web", ends((0,))[0])
        assert states(daemon) == ("up", ["up", "drained"])
        daemon.say("service", "disable", "web")
        assert states(daemon) == ("disabled", ["disabled", "disabled"])
        told = daemon.status()["balance"]
        assert (told["services"], told["services_idle"]) == (0, 1)
        daemon.say("service", "enable", "web")
        daemon.say("lb", "disable")
        assert states(daemon) == ("disabled", ["disabled", "disabled"])


def test_dnat_gives_the_service_it_makes_its_checks(cluster):
    def dnat(index, *flags):
        return daemon.ask("lb", "add-dnat", "--vip", SERVICE[4], "--vport", PORT, "--rip",
                          BACKENDS[4][index], "--rport", BACKEND_PORT, *flags)

    page = given("http", path="/health", body="fine and")
    with backends(cluster, range(2)) as made, Daemon(cluster.gateway, config=EMPTY) as daemon:
        made[1].sick(True)
        with pytest.raises(Refused, match="health-path: without --health"):
            dnat(0, "--health-path=/health")
        dnat(0, *page, "--on-all-down=keep-all")
        dnat(1, *page, "--on-all-down=keep-all")
        wait_states(daemon, ["up", "down", None])
        for flags in (given("tcp"), [*page, "--health-port=81"], ["--on-all-down=refuse"],
                      ["--health=none"]):
            with pytest.raises(Refused, match="is there already, and is checked otherwise"):
                dnat(2, *flags)
        dnat(2)
        wait_states(daemon, ["up", "down", "down"])
        name = daemon.ask("service", "list")["services"][0]["name"]
        shown = daemon.ask("service", "show", name)
        assert (shown["health"], shown["health_path"], shown["on_all_down"]) == \
            ("http", "/health", "keep-all")
        daemon.restart()
        wait_states(daemon, ["up", "down", "down"])


def test_what_is_wrong_is_said_at_its_flag(cluster):
    with Daemon(cluster.gateway, config=EMPTY) as daemon:
        for flags, said in (
                (given("tcp", host="a.test"), "health-host: says nothing about a check of type"),
                (given("https", verify="true"), "give --health-host www.example.org"),
                (given("command"), "health-command: a check of type command needs a program"),
                (given("tcp", through="tunnel"), "health-through: with `forward: nat`"),
                (["--health-jitter=3"], "health-jitter: without --health")):
            with pytest.raises(Refused) as refused:
                add(daemon, flags)
            assert said in " ".join(refused.value.said.split()), (flags, refused.value.said)
        assert daemon.ask("service", "list")["services"] == []
