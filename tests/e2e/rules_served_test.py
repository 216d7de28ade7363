# SPDX-License-Identifier: Apache-2.0
"""What rules see of packets to a service where they leave for a backend, whose address they bear
there: the service, by address as by port."""
import pytest

from harness.balanced import FAMILIES, HOOKS, LINES, config
from harness.cluster import BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon

each_hook = pytest.mark.parametrize("hook", HOOKS)
each_family = pytest.mark.parametrize("family", FAMILIES)
NEIGHBOURS = {"name": "neighbours", "proto": "icmpv6", "icmp-type": "133-136, 143",
              "action": "allow"}


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made, serving(made, 4), serving(made, 6):
        yield made


def denied(dst, *before, direction="egress"):
    """All that leaves is denied, but to `dst`."""
    rule = {"name": "served", "dst": dst, "proto": "tcp", "dport": PORT, "direction": direction,
            "action": "allow"}
    return {"policy": [{"interface": "*", "ingress": "allow", "egress": "deny"}],
            "rules": [NEIGHBOURS, *before, rule]}


def watched(family, hook, rules):
    text = config(family, (1, 1, 1), hook=hook, rules=rules)
    for name in LINES:
        text = text.replace(f'{{"name": "{name}", ', f'{{"name": "{name}", "egress": true, ')
    return text


def is_served(cluster, family):
    try:
        Client(cluster, family, seconds=0.3).close()
    except OSError:
        return False
    return True


@each_family
@each_hook
def test_what_leaves_for_a_backend_is_to_the_service(cluster, hook, family):
    with Daemon(cluster.gateway, config=watched(family, hook, denied(SERVICE[family]))) as daemon:
        assert is_served(cluster, family)
        daemon.apply(watched(family, hook, denied(", ".join(BACKENDS[family]))))
        assert not is_served(cluster, family)


@each_family
@each_hook
def test_a_connection_is_judged_anew_as_one_to_the_service(cluster, hook, family):
    """With each policy that is another."""
    marks = [{"name": f"mark-{number}", "src": f"192.0.2.{number}", "action": "count"}
             for number in (1, 2)]
    cut = {"name": "cut", "dst": SERVICE[family], "proto": "tcp", "dport": PORT,
           "direction": "egress", "action": "deny"}
    rules = denied(SERVICE[family])
    with Daemon(cluster.gateway, config=watched(family, hook, rules)) as daemon, \
            Client(cluster, family, seconds=1) as client:
        for mark in marks:
            daemon.apply(watched(family, hook, denied(SERVICE[family], mark)))
            assert client.echoes(b"on it goes")
        daemon.apply(watched(family, hook, denied(SERVICE[family], cut)))
        with pytest.raises(OSError):
            client.echoes(b"no more")
