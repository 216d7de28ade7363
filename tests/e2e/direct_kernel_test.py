# SPDX-License-Identifier: Apache-2.0
"""Backends made ready for direct server return by the very commands of docs/user/balancer.md. The
kernel's own tunnels take headers away; other tests have a program do so."""
import json
import os
import pathlib
import random
import re
import shlex

import pytest

from harness.balanced import FAMILIES, direct_config, dropped
from harness.cluster import SERVICE, Client
from harness.daemon import Daemon
from harness.direct import COUNT, Direct, serving, wider
from harness.kernel import has_module

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/user/balancer.md").read_text()
HERE = (("192.168.1.100", SERVICE[4]), ("2001:db8:1::100", SERVICE[6]), ("eth0", "front"))
MODULES = {(4, 4): "ipip", (4, 6): "ip6_tunnel", (6, 4): "sit", (6, 6): "ip6_tunnel"}
WAYS = (("l2", None), ("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6))
STRICT = "for each in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 1 >$each; done"


def commands(*headings):
    """What stands below a comment that begins so, up to the next empty line."""
    section = re.search(r"^## DSR: .*?(?=^## )", PAGE, re.M | re.S)[0]
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S))
    found = ""
    for heading in headings:
        match = re.search(rf"^# {heading}.*\n((?:.+\n)+)", blocks, re.M)
        assert match, f"the page has nothing for {heading}"
        found += match[1]
    for there, here in HERE:
        found = found.replace(there, here)
    return found


def needed(family, way):
    """The headings of the page that a backend goes by."""
    forward, outer = way
    wanted = ["an IPv4 service" if family == 4 else "an IPv6 service"]
    if outer:
        wanted.append(f"IPv{family} in IPv{outer}")
    return wanted + ([f"gue in IPv{outer}"] if forward == "gue" else [])


class AsThePageSays(Direct):
    """Backends strict about where packets come from, as distributions may be; no more is done than
    what is written."""
    text = ""

    def prepare(self, made):
        made.run("sh", "-c", STRICT)
        made.run("sh", "-exc", self.text)

    def renew(self, text):
        """Other backends, to which nothing was done before."""
        self.text = text
        for number, made in enumerate(self.members):
            self.gateway.run("ip", "link", "del", f"wan{number}")
            self.client.run("ip", "link", "del", f"back{number}")
            made.delete()
        self.members = [self.member(number) for number in range(COUNT)]


@pytest.fixture(scope="module")
def cluster():
    with AsThePageSays() as made:
        yield made


@pytest.fixture(scope="module")
def daemon(cluster):
    with Daemon(cluster.gateway, config=direct_config(4, ("l2", None))) as started:
        yield started


def lacking(family, way):
    forward, outer = way
    names = [MODULES[family, outer]] if outer else []
    names += ["fou"] if forward == "gue" else []
    return [name for name in names if not has_module(name)]


def both_services(family, way):
    """By TCP and by UDP."""
    text = direct_config(family, way)
    before, line, after = re.search(r"(.*^balance: )(.*?)\n(.*)", text, re.M | re.S).groups()
    section = json.loads(line)
    section["services"].append({**section["services"][0], "name": "words", "proto": "udp"})
    return f"{before}{json.dumps(section)}\n{after}"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1] or 'same'}")
def test_backends_made_ready_by_the_page_answer(cluster, daemon, family, way):
    if names := lacking(family, way):
        pytest.skip(f"the kernel {os.uname().release} has no module {', '.join(names)}")
    cluster.renew(commands(*needed(family, way)))
    daemon.apply(both_services(family, way))
    before = dropped(daemon)
    with serving(cluster, family), serving(cluster, family, "udp"):
        with wider(cluster):
            all_answer(cluster, family)
        with Client(cluster, family) as client:
            assert client.echoes(random.Random(1).randbytes(1 << 16)), "it learns what fits"
    assert dropped(daemon) == before


def all_answer(cluster, family):
    text, served = random.Random(family).randbytes(1 << 16), set()
    for _ in range(24):
        with Client(cluster, family) as client:
            assert client.own == client.peer
            assert client.backend in served or client.echoes(text)
            served.add(client.backend)
    assert served == set(range(COUNT))
    with Client(cluster, family, "udp") as client:
        for say in (b"first", text[:5000], b"last"):
            assert client.ask(say) == say and client.peer == client.own


def test_the_page_has_commands_for_each_way():
    lines = [line for family in FAMILIES for way in WAYS
             for line in commands(*needed(family, way)).splitlines()]
    programs = {shlex.split(part)[0] for line in lines for part in line.split(";")}
    assert programs == {"ip", "sysctl", "modprobe"}
