# SPDX-License-Identifier: Apache-2.0
"""Programs that everybody uses, behind NAT and full NAT: what was asked for arrives to its last
byte, both ways, and none of its packets is dropped.

Both ways are tried at both hooks, and each shortcut with one of them; both families always."""
import contextlib
import hashlib
import json
import re
import subprocess

import pytest

from harness.balanced import FAMILIES, dropped, policy
from harness.cluster import BACKENDS, CLIENT, ROUTER, SERVICE
from harness.daemon import Daemon
from harness.kernel import BEHIND_XDP
from harness.programs import (ADDRESS_OF, BIG_BYTES, DNS, IPERF, LONG_NAME, LONG_TEXT, WEB, Home,
                              listens, running, url)
from harness.stand import stand
from harness.wait import SLOWNESS, wait_for

TLS, TLS_BACKEND = 443, 4433
# Port -> the backends' port; iperf3 wants all its connections at one server.
TCP, UDP = {WEB: WEB, DNS: DNS, IPERF: IPERF, TLS: TLS_BACKEND}, {DNS: DNS, IPERF: IPERF}
# What iperf3's sockets still hold at the end, up to 10 MB, is not counted.
SENT, LEAST_BYTES = "16M", 4 << 20
LEAST_OF_DATAGRAMS = 1 << 17        # of a megabyte


@pytest.fixture(scope="module")
def home():
    with Home() as made:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", made.path / "key", "-out",
                        made.path / "cert", "-days", "1", "-subj", "/CN=www.test"], check=True,
                       stderr=subprocess.DEVNULL)
        yield made


@contextlib.contextmanager
def served(place, home):
    """All backends are one namespace, and each server listens at all of their addresses."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(home.serving(place, WEB, DNS))
        stack.enter_context(running(
            place, "openssl", "s_server", "-quiet", "-WWW", "-accept", TLS_BACKEND, "-cert",
            home.path / "cert", "-key", home.path / "key", cwd=home.path / "www"))
        for family in FAMILIES:         # or it answers datagrams from another address
            stack.enter_context(running(place, "iperf3", "-s", "-B", BACKENDS[family][0]))
        wait_for(lambda: listens(place, TLS_BACKEND), "s_server listens")
        wait_for(lambda: place.run("ss", "-Hltn").stdout.count(f":{IPERF} ") == 2, "iperf3 listens")
        yield


def service(way, family, proto, port, to):
    addresses = BACKENDS[family][:1 if port == IPERF else None]
    hides = {"source": ROUTER[family][0]} if way == "source" else {}
    return {"name": f"{proto}-{port}-{family}", "address": SERVICE[family], "port": port,
            "proto": proto, "backends": [{"address": end, "port": to} for end in addresses],
            **hides}


def config(way, at):
    services = [service(way, family, proto, port, to) for family in FAMILIES
                for proto, ports in (("tcp", TCP), ("udp", UDP)) for port, to in ports.items()]
    return policy(services, at.lines, at.hook, **at.shortcut)


PLACES = [pytest.param(row, id="-".join(row), marks=BEHIND_XDP if row[1].startswith("xdp") else ())
          for row in (("nat", "tc"), ("nat", "xdp-generic"), ("nat", "xdp-sent-on"),
                      ("source", "tc"), ("source", "xdp-generic"), ("source", "tc-sent-on"))]


@pytest.fixture(scope="module", params=PLACES)
def balanced(request, home):
    """A daemon, with the cluster that it stands in."""
    way, hook = request.param
    with stand(way, 4, hook) as at, served(at.cluster.backends, home), \
            Daemon(at.cluster.gateway, config=config(way, at)) as daemon:
        daemon.client = at.cluster.client
        yield daemon
        assert not dropped(daemon), daemon.say("events", "--json")


def measured(balanced, family, *words):
    """What iperf3 counts at the end that hears."""
    done = balanced.client.run("iperf3", "-J", "-c", SERVICE[family], "-p", IPERF, *words)
    result = json.loads(done.stdout)["end"]
    return result.get("sum_received") or result["sum"]


@pytest.mark.parametrize("family", FAMILIES)
def test_files_arrive_whole(balanced, home, family):
    body = balanced.client.run("curl", "-sSf", "-m", 40 * SLOWNESS, url(SERVICE[family], "big"),
                               text=False).stdout
    assert len(body) == BIG_BYTES
    assert hashlib.sha256(body).hexdigest() == home.hashes["big"]


@pytest.mark.parametrize("family", FAMILIES)
def test_streams_are_measured_both_ways(balanced, family):
    for way in ((), ("-R",)):
        assert measured(balanced, family, "-n", SENT, *way)["bytes"] >= LEAST_BYTES


@pytest.mark.parametrize("family", FAMILIES)
def test_datagrams_are_measured_both_ways(balanced, family):
    """A busy machine's sockets may lose the better part; the balancer must not, as `balanced` has
    it of what it dropped."""
    for way in ((), ("-R",)):
        got = measured(balanced, family, "-u", "-b", "40M", "-n", "1M", *way)
        assert got["bytes"] >= LEAST_OF_DATAGRAMS and got["lost_percent"] < 90, got


def dig(balanced, family, *words):
    return balanced.client.run("dig", f"@{SERVICE[family]}", "+tries=1", f"+time={5 * SLOWNESS:g}",
                               "+short", *words).stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_names_are_resolved(balanced, family):
    """The long one by a datagram in pieces."""
    for how in ("+notcp", "+tcp"):
        assert dig(balanced, family, how, "A", "www.test").split() == [ADDRESS_OF[4]], how
    answer = dig(balanced, family, "+notcp", "+ignore", "+bufsize=4096", "TXT", LONG_NAME)
    assert re.findall(r'"(.*?)"', answer) == LONG_TEXT


@pytest.mark.parametrize("family", FAMILIES)
def test_pages_behind_tls_arrive_whole(balanced, home, family):
    address = f"[{SERVICE[6]}]" if family == 6 else SERVICE[4]
    body = balanced.client.run(
        "curl", "-sSf", "-m", 40 * SLOWNESS, "--cacert", home.path / "cert", "--resolve",
        f"www.test:{TLS}:{address}", f"https://www.test:{TLS}/big", text=False).stdout
    assert hashlib.sha256(body).hexdigest() == home.hashes["big"]
    rows = balanced.ask("flow", "list", f"src={CLIENT[family]} and dport={TLS}")["flows"]
    assert [row["dst"] for row in rows] == [SERVICE[family]]
