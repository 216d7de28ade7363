# SPDX-License-Identifier: Apache-2.0
"""Configurations of a gateway that balances (harness/cluster.py), and what tests of it go over."""
import json

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE
from harness.daemon import Daemon
from harness.direct import COUNT, front
from harness.kernel import hooks

HOOKS = hooks("tc", "xdp-generic")
FAMILIES = (4, 6)
# How, and the family of the backends' addresses; None: the service's.
WAYS = (("l2", None), ("ipip", 4), ("ipip", 6), ("gue", 4), ("gue", 6))
DENIED = {"policy": [{"interface": "*", "ingress": "deny", "egress": "deny"}],
          "rules": [{"name": "served", "dport": str(PORT), "state": "new", "action": "allow"},
                    {"name": "neighbours", "proto": "icmpv6", "icmp-type": "133-136, 143",
                     "action": "allow"}]}


LINES = ("lan", "wan")
DIRECT_LINES = ("lan", *(f"wan{number}" for number in range(COUNT)))


def policy(services, interfaces=LINES, hook="tc", capacity=1000, rules=None, **balance):
    """The text of a weir.yaml."""
    interfaces = [{"name": name, "hook": hook} for name in interfaces]
    tracking = {"enabled": "auto", "capacity": capacity, "half-open": 1000}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"conntrack: {json.dumps(tracking)}\n"
            f"balance: {json.dumps({'services': services, **balance})}\n"
            + (f"rules: {json.dumps(rules)}\n" if rules else ""))


def echo(family, weights=(1, 1, 1), proto="tcp", **more):
    """The service of harness.cluster; backends without a weight are not there."""
    backends = [{"address": BACKENDS[family][index], "port": BACKEND_PORT, "weight": weight}
                for index, weight in enumerate(weights) if weight is not None]
    return {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": proto,
            "backends": backends, **more}


def config(family, weights=(1, 1, 1), proto="tcp", hook="tc", rules=None, capacity=1000, more=()):
    return policy([echo(family, weights, proto), *more], hook=hook, capacity=capacity, rules=rules)


def direct_service(family, way, name="echo", port=PORT, proto="tcp", weights=(1,) * COUNT):
    """Of harness.direct; backends without a weight are not there."""
    forward, outer = way
    backends = [{"address": front(number, outer or family), "weight": weight}
                for number, weight in enumerate(weights) if weight is not None]
    return {"name": name, "address": SERVICE[family], "port": port, "proto": proto,
            "forward": forward, "backends": backends}


def direct_config(family, way, proto="tcp", hook="tc", weights=(1,) * COUNT, rules=None, more=""):
    return policy([direct_service(family, way, proto=proto, weights=weights)], DIRECT_LINES, hook,
                  rules=rules) + more


def dropped(daemon):
    return {name: count for name, count in daemon.reasons().items() if name.startswith("drop")}


def watched(cluster, text):
    """A daemon at the gateway, to be entered."""
    return Daemon(cluster.gateway, config=text)


def leaving(daemon):
    """Addresses of backends that are there for what lives alone."""
    return [row["address"] for row in daemon.ask("service", "backend", "list").get("leaving", [])]


def names(clients):
    return [client.backend for client in clients]
