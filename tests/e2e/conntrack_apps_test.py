# SPDX-License-Identifier: Apache-2.0
"""Programs that everybody uses, through a gateway and on a host whose default policies deny: what
was asked for works to its last packet, and none of its packets is dropped."""
import hashlib
import json
import re

import pytest

from harness.chain import FAMILIES
from harness.guarded import chain, home, serving, site        # noqa: F401 (fixtures)
from harness.programs import ADDRESS_OF, IPERF, LONG_NAME, LONG_TEXT, url
from harness.wait import SLOWNESS

HOPS = {"client": ["10.77.1.2", "10.77.2.2", "10.77.3.2", "10.77.4.2"],
        "server": ["10.77.4.1", "10.77.3.1", "10.77.2.1", "10.77.1.1"]}
HOPS_V6 = {"client": ["fd77:1::2", "fd77:2::2", "fd77:3::2", "fd77:4::2"],
           "server": ["fd77:4::1", "fd77:3::1", "fd77:2::1", "fd77:1::1"]}

each_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(autouse=True)
def nothing_dropped(site):
    """Holds for each test here: all that is sent belongs to what was asked for."""
    before = site.dropped()
    yield
    assert site.dropped() == before, site.daemon.say("events", "--json")


@each_family
def test_large_file_arrives_whole(site, serving, family):
    body = site.asker.run("curl", "-sSf", "-m", 40, url(site.target(family), "big"),
                          text=False).stdout
    assert hashlib.sha256(body).hexdigest() == serving.hashes["big"]


@each_family
@pytest.mark.parametrize("way", [[], ["-R"]], ids=["up", "down"])
@pytest.mark.parametrize("transport", [["-n", "20M"], ["-u", "-b", "40M", "-n", "2M"]],
                         ids=["tcp", "udp"])
def test_iperf3_measures(site, family, way, transport):
    result = json.loads(site.asks("iperf3", "-J", "-c", site.target(family), "-p", IPERF,
                                  *transport, *way))["end"]
    got = result.get("sum_received") or result["sum"]
    # What is under way at the end, or more than a busy receiver can hold, is not in its count.
    assert got["bytes"] >= 1 << 20 and got.get("lost_percent", 0) < 50, result


@each_family
def test_ssh_runs_a_command_and_carries_files_both_ways(site, serving, family):
    address = site.target(family)
    assert site.asks(*serving.ssh(address, "echo", "hello; echo $SSH_CONNECTION")).split()[:2] == [
        "hello", site.source(family)]
    content = (serving.path / "www" / "big").read_bytes()[:5_000_000]
    up, down = serving.path / "up", serving.path / "down"
    up.write_bytes(content)
    host = f"[{address}]" if family == 6 else address
    site.asks(*serving.ssh(address, "-q", up, f"{host}:{serving.path}/carried", program="scp"))
    site.asks(*serving.ssh(address, "-q", f"{host}:{serving.path}/carried", down, program="scp"))
    assert (serving.path / "carried").read_bytes() == content == down.read_bytes()


def dig(site, family, *words):
    return site.asks("dig", f"@{site.target(family)}", "+tries=1", "+time=5", "+short", *words)


@each_family
def test_names_are_resolved_over_udp_and_tcp(site, family):
    for how in ("+notcp", "+tcp"):
        for kind, address in (("A", ADDRESS_OF[4]), ("AAAA", ADDRESS_OF[6])):
            assert dig(site, family, how, kind, "www.test").split() == [address], how


def reassembled(namespace, family):
    name = "IpReasmOKs" if family == 4 else "Ip6ReasmOKs"
    rows = namespace.run("nstat", "-asz", name).stdout.splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith(name))


@each_family
def test_long_answer_over_udp_comes_in_fragments(site, family):
    before = reassembled(site.asker, family)
    answer = dig(site, family, "+notcp", "+ignore", "+bufsize=4096", "TXT", LONG_NAME)
    assert re.findall(r'"(.*?)"', answer) == LONG_TEXT
    assert reassembled(site.asker, family) == before + 1


@each_family
@pytest.mark.parametrize("size", [56, 3000, 60000])
def test_echoes_of_all_sizes_come_back(site, family, size):
    text = site.asks("ping", "-c3", "-i0.05", "-W3", "-s", size, site.target(family))
    assert " 3 received" in text, text


@each_family
def test_traceroute_sees_every_hop(site, family):
    hops = (HOPS if family == 4 else HOPS_V6)[site.place.asker]
    # By echo requests, and by datagrams, whose ports are closed on a host that serves others.
    for method in (["-I"], []) if site.place.asker == "client" else (["-I"],):
        text = site.asks("traceroute", "-n", "-q1", "-N1", "-w", 2 * SLOWNESS, *method,
                         site.target(family))
        assert [row.split()[1] for row in text.splitlines()[1:]] == hops, text
