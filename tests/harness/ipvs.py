# SPDX-License-Identifier: Apache-2.0
"""IPVS, the load balancer of the kernel, where there is one: whom a test holds Weir against."""
import functools
import os
import shutil

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE
from harness.kernel import has_module

FLAGS = {"tcp": "-t", "udp": "-u"}


@functools.cache
def lacking(*modules):
    """Why IPVS cannot be had here, or modules that one asks for; None where all is there."""
    if not shutil.which("ipvsadm"):
        return "there is no ipvsadm: tools/install-deps kernels"
    for name in ("ip_vs", *modules):
        if not has_module(name):
            return f"the kernel {os.uname().release} has no module {name}"
    return None


def end(address, port):
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Ipvs:
    """One service at a time, in a namespace. `weights`: of backends; those without one are not
    there. `forward`: -m is NAT, -i a tunnel, -g direct routing."""

    def __init__(self, place):
        self.place = place

    def say(self, *words):
        self.place.run("ipvsadm", *words)

    def serve(self, family, weights, proto="tcp", scheduler="rr", forward="-m", backends=None,
              port=BACKEND_PORT):
        """Instead of what there was."""
        self.say("-C")
        self.service = (FLAGS[proto], end(SERVICE[family], PORT))
        self.named = [(*self.service, "-r", end(address, port))
                      for address in backends or BACKENDS[family]]
        self.forward, self.weights = forward, (None,) * len(self.named)
        self.say("-A", *self.service, "-s", *scheduler.split())
        self.weigh(weights)

    def weigh(self, weights):
        """What there is becomes this, by a command for each that changes."""
        for named, old, new in zip(self.named, self.weights, weights):
            if new is None and old is not None:
                self.say("-d", *named)
            elif old != new:
                self.say("-a" if old is None else "-e", *named, self.forward, "-w", new)
        self.weights = weights
