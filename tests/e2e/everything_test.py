# SPDX-License-Identifier: Apache-2.0
"""Every feature of the packet programs at once: the kernel takes them, old ones too, and a packet
gets through."""
import json

import pytest

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.kernel import hooks, release

HOOKS = hooks("tc", "xdp")


def service(name, port, family=4, **more):
    return {"name": name, "address": SERVICE[family], "port": port,
            "backends": [{"address": address} for address in BACKENDS[family]], **more}


def services():
    direct = [service(f"by-{way}", 90 + number, forward=way)
              for number, way in enumerate(("ipip", "gue", "l2"))]
    echo = [{"address": address, "port": BACKEND_PORT} for address in BACKENDS[4]]
    return [service("echo", PORT, affinity={"timeout": "1m"}, scheduler="least-connections",
                    backends=echo),
            service("six", PORT, 6, scheduler="source-hash"),
            service("hidden", 81, source="10.78.2.1"), service("range", "7000-7099"),
            service("every", "all", proto="udp"), *direct]


def config(hook):
    parts = {
        "api": {"listen": "off"},
        "interfaces": [{"name": name, "hook": hook, "egress": True} for name in ("lan", "wan")],
        "conntrack": {"enabled": True, "account": True},
        "sanity": {"level": "strict", "arp": "pass", "reverse-path": {"interfaces": ["lan"]}},
        "attack": {"enabled": True},
        "limit": {"sources": 4096, "limits": [{"name": "some", "packets": "100000/s"}]},
        "rules": {"rules": [{"name": "closed", "dport": 7, "proto": "tcp", "action": "reject"},
                            {"name": "web", "service": "echo, six", "action": "allow"}]},
        "synproxy": {"services": [{"ports": "9090"}]},
        "quality": {"enabled": True},
        "balance": {"services": services(), "shortcut": "xdp" if release() >= (6, 6) else "tc"},
    }
    return json.dumps(parts)


@pytest.mark.parametrize("hook", HOOKS)
def test_all_of_it_is_loaded_and_serves(hook):
    with Cluster() as cluster, serving(cluster, 4), \
            Daemon(cluster.gateway, config=config(hook)) as daemon:
        with Client(cluster, 4) as client:
            assert client.echoes(b"with everything on")
        daemon.restart()
        with Client(cluster, 4) as client:
            assert client.echoes(b"and again")
