# SPDX-License-Identifier: Apache-2.0
"""What docs/user/balancer.md has one write and type in five minutes, on real stacks."""
import collections
import contextlib
import pathlib
import re
import shlex

import pytest

from harness.cluster import BACKENDS, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs/user/balancer.md").read_text()
HERE = (("192.168.1.100", SERVICE[4]), *((f"10.0.0.{10 + i}", BACKENDS[4][i]) for i in range(3)),
        ("eth0", "lan"), ("eth1", "wan"))


def blocks(kind, section="NAT in five minutes"):
    """What stands fenced in the section, by the word behind the fence."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## )", PAGE, re.M | re.S)[1]
    for words, here in HERE:
        text = text.replace(words, here)
    return "".join(block for word, block in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
                   if word == kind)


def commands():
    """Those of `weir`, but for `apply`, which the harness does."""
    words = [shlex.split(line)[1:] for line in blocks("").splitlines()]
    return [each for each in words if each[0] != "apply"]


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made, serving(made, 4, which=range(2)), \
            serving(made, 4, "udp", which=[2], port=53):
        yield made


@pytest.fixture
def daemon(cluster):
    with Daemon(cluster.gateway, config="api: {listen: off}\n" + blocks("yaml")) as started:
        yield started


def test_the_page_has_commands_that_show_it(cluster, daemon):
    with Client(cluster, 4):
        said = {" ".join(words[:2]): daemon.say(*words) for words in commands()}
    assert {"service list", "flow list", "status"} <= set(said)
    assert BACKENDS[4][1] in said["service list"] and "dns" in said["service list"]
    assert SERVICE[4] in said["flow list"]


def test_web_servers_share_by_weight_and_see_the_client(cluster, daemon):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(cluster, 4)) for _ in range(150)]
        counts = collections.Counter(client.backend for client in clients)
        assert all(client.own == client.peer for client in clients)
    # 100 of 150 by weight; 75 or fewer by chance: one in 50,000.
    assert set(counts) == set(BACKENDS[4][:2]) and counts[BACKENDS[4][1]] > 75, counts


def test_commands_of_the_page_do_what_they_say_one_after_the_other(cluster):
    lines = blocks("", "By commands").splitlines()
    words = [shlex.split(line.split("   ")[0])[1:] for line in lines]
    assert {each[0] for each in words} == {"service", "lb"} and len(words) > 15
    with Daemon(cluster.gateway) as daemon:
        for each in words:
            daemon.say(*each)
        assert daemon.ask("service", "list") == {"services": [], "backends": []}


def test_dns_is_served_at_its_own_port(cluster, daemon):
    with Client(cluster, 4, "udp", port=53) as client:
        assert client.ask(b"a question") == b"a question"
        assert client.backend == BACKENDS[4][2] and client.peer == client.own
