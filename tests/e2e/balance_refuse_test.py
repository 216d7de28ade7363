# SPDX-License-Identifier: Apache-2.0
"""A service with nobody to send to: what its clients' own kernels hear, and how often they do."""
import errno
import time

import pytest

from harness.balanced import (FAMILIES, HOOKS, WAYS, config, direct_service, dropped, echo, policy,
                              watched)
from harness.cluster import PORT, SERVICE, Client, Cluster, serving
from harness.wait import SLOWNESS, wait_for

REJECTS_AT_ONCE, REJECTS_PER_SECOND = 100, 1000     # docs/user/reject.md, each processor
SILENT = {"on-all-down": "drop"}
DRAINED, NONE = (0, 0, 0), (None, None, None)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def fails_as(cluster, family, proto="tcp", seconds=0.5):
    """The number of the error that a client gets; None: he waited in vain."""
    try:
        with Client(cluster, family, proto, seconds=seconds) as client:
            if proto == "udp":
                client.ask(b"is there anybody")
    except TimeoutError:
        return None
    except OSError as error:
        return error.errno
    raise AssertionError("somebody answered")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("proto", ("tcp", "udp"))
@pytest.mark.parametrize("weights", (DRAINED, NONE), ids=("drained", "none"))
def test_client_is_refused_at_once(cluster, hook, family, proto, weights):
    with watched(cluster, config(family, weights, proto, hook)) as daemon:
        for _ in range(3):
            assert fails_as(cluster, family, proto, seconds=10) == errno.ECONNREFUSED
        assert dropped(daemon) == {"drop_no_backend": 3}
        assert daemon.status()["balance"]["no_backend"] == 3
        assert daemon.ask("flow", "list")["flows"] == []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("proto", ("tcp", "udp"))
def test_service_may_be_silent(cluster, hook, family, proto):
    """Beside one that is not, so that the programs can answer."""
    text = policy([echo(family, DRAINED, proto, **SILENT),
                   {**echo(family, NONE, proto), "name": "other", "port": PORT + 1}], hook=hook)
    with watched(cluster, text) as daemon:
        assert fails_as(cluster, family, proto) is None
        assert dropped(daemon)["drop_no_backend"] >= 1


@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
@pytest.mark.parametrize("hook", HOOKS)
def test_service_whose_backends_answer_themselves_refuses_too(cluster, hook, way):
    text = policy([direct_service(4, way, weights=(0, 0))], hook=hook)
    with watched(cluster, text) as daemon:
        assert fails_as(cluster, 4, seconds=10) == errno.ECONNREFUSED
        assert dropped(daemon) == {"drop_no_backend": 1}


def test_what_it_does_is_changed_while_it_serves(cluster):
    """Of one of run time; who lives when all are drained goes on."""
    with serving(cluster, 4), watched(cluster, policy([])) as daemon:
        daemon.say("service", "add", "web", "--address", SERVICE[4], "--port", PORT,
                   "--on-all-down", "drop", "--backend", "10.78.2.10:8080")
        with Client(cluster, 4) as client:
            daemon.say("service", "backend", "drain", "web", "10.78.2.10:8080")
            assert fails_as(cluster, 4) is None
            for what, error in (("refuse", errno.ECONNREFUSED), ("drop", None),
                                ("keep-all", errno.ECONNREFUSED)):
                daemon.say("service", "set", "web", "--on-all-down", what)
                assert fails_as(cluster, 4, seconds=0.5 if error is None else 10) == error
            assert client.echoes(b"on and on")


@pytest.mark.parametrize("hook", HOOKS)
def test_refusals_are_capped(cluster, hook):
    """As those of rules are; what is over it is counted, and of the service all is."""
    count = 4000
    with watched(cluster, config(4, NONE, hook=hook)) as daemon:
        began = time.monotonic()
        cluster.client.run("hping3", "-q", "-S", "-p", PORT, "-c", count, "-i", "u50", SERVICE[4],
                           check=False)
        wait_for(lambda: sum(dropped(daemon).values()) >= count, "all have come")
        took = time.monotonic() - began
        found = dropped(daemon)
        assert sum(found.values()) == daemon.status()["balance"]["no_backend"] == count
        assert 0 < found["drop_no_backend"] <= 2 * (REJECTS_AT_ONCE + took * REJECTS_PER_SECOND)
        if took < SLOWNESS:     # at 4,000 a second and more
            assert found["drop_reject_capped"] > 0
