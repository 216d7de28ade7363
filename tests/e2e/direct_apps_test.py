# SPDX-License-Identifier: Apache-2.0
"""Programs that everybody uses, served by backends that answer the client themselves: what was
asked for arrives to its last byte, and none of its packets is dropped."""
import contextlib
import hashlib
import json
import re

import pytest

from harness.balanced import DIRECT_LINES, FAMILIES, WAYS, direct_service, dropped, policy
from harness.cluster import SERVICE
from harness.daemon import Daemon
from harness.direct import COUNT, Direct
from harness.programs import (ADDRESS_OF, BIG_BYTES, DNS, IPERF, LONG_NAME, LONG_TEXT, WEB, Home,
                              running, url)
from harness.wait import SLOWNESS, wait_for

# iperf3 wants both its connections at one server.
SHARED = ((WEB, "tcp"), (DNS, "tcp"), (DNS, "udp"), (IPERF, "tcp"), (IPERF, "udp"))


def config(way):
    return policy([direct_service(family, way, f"{proto}-{port}-{family}", port, proto,
                                  weights=(1,) * (1 if port == IPERF else COUNT))
                   for family in FAMILIES for port, proto in SHARED], DIRECT_LINES)


@pytest.fixture(scope="module")
def home():
    with Home() as made:
        yield made


@pytest.fixture(scope="module")
def cluster(home):
    with Direct() as made, made.unwrapping(), contextlib.ExitStack() as stack:
        for member in made.members:
            stack.enter_context(home.serving(member, WEB, DNS))
        for address in SERVICE.values():        # or it answers datagrams from another
            stack.enter_context(running(made.members[0], "iperf3", "-s", "-B", address))
        wait_for(lambda: made.members[0].run("ss", "-Hltn").stdout.count(f":{IPERF} ") == 2,
                 "iperf3 listens")
        yield made


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
def balanced(request, cluster):
    with Daemon(cluster.gateway, config=config(request.param)) as daemon:
        yield daemon
        assert not dropped(daemon), daemon.say("events", "--json")


def dig(cluster, family, *words):
    return cluster.client.run("dig", f"@{SERVICE[family]}", "+tries=1", f"+time={5 * SLOWNESS:g}",
                              "+short", *words).stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_files_arrive_whole(cluster, balanced, home, family):
    body = cluster.client.run("curl", "-sSf", "-m", 40, url(SERVICE[family], "big"),
                              text=False).stdout
    assert len(body) == BIG_BYTES
    assert hashlib.sha256(body).hexdigest() == home.hashes["big"]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_uploaded_is_measured(cluster, balanced, family):
    """Towards backends, through the gateway: TCP by segments of full size, whose sender learns
    what fits, and datagrams, of which a busy machine's sockets may lose the better part."""
    for transport in (["-n", "8M"], ["-u", "-b", "40M", "-n", "1M"]):
        result = json.loads(cluster.client.run(
            "iperf3", "-J", "-c", SERVICE[family], "-p", IPERF, *transport).stdout)["end"]
        got = result.get("sum_received") or result["sum"]
        assert got["bytes"] >= 1 << 17 and got.get("lost_percent", 0) < 90, result
    cluster.client.run("ip", f"-{family}", "route", "flush", "cache")


@pytest.mark.parametrize("family", FAMILIES)
def test_names_are_resolved(cluster, balanced, family):
    for how in ("+notcp", "+tcp"):
        assert dig(cluster, family, how, "A", "www.test").split() == [ADDRESS_OF[4]], how
    answer = dig(cluster, family, "+notcp", "+ignore", "+bufsize=4096", "TXT", LONG_NAME)
    assert re.findall(r'"(.*?)"', answer) == LONG_TEXT
