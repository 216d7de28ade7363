# SPDX-License-Identifier: Apache-2.0
"""A service and all it stands on: by NAT, full NAT or DSR, in either family, at each hook."""
import contextlib
import json

import pytest

from harness.balanced import LINES, direct_service, echo, policy
from harness.cluster import BACKEND_PORT, PORT, ROUTER, SERVICE, Cluster
from harness.direct import Direct, front
from harness.kernel import BEHIND_XDP
from harness.lan import ARM, Lan

# Past the kernel: the hook, and what `balance` says of it.
SENT_ON = {"tc-sent-on": ("tc", {"shortcut": "tc"}), "xdp-sent-on": ("xdp", {"shortcut": "xdp"})}


def end(address, port):
    """As commands have it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Stand:
    """To be entered: `cluster` is there from then on. `backends` are those of the file, `spare` is
    one more, each as commands have it; `places` has a namespace and the ends to listen at each."""
    make, lines, timeouts, settings, is_direct = Cluster, LINES, {}, {}, False

    def __init__(self, family, hook):
        self.family, self.address = family, SERVICE[family]
        self.hook, self.shortcut = SENT_ON.get(hook, (hook, {}))
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.cluster = stack.enter_context(self.make())
            self.prepare(stack)
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def prepare(self, _):
        """A veth takes what XDP sends it while its other end has NAPI."""
        if self.hook == "xdp":
            for place, device in self.far_ends():
                place.run("ethtool", "-K", device, "gro", "on", "tx", "off")

    def far_ends(self):
        return [(self.cluster.client, "eth0"), (self.cluster.backends, "eth0")]

    def service(self):
        return echo(self.family)

    @property
    def backends(self):
        return [end(row["address"], row.get("port", PORT)) for row in self.service()["backends"]]

    @property
    def spare(self):
        return end(self.service()["backends"][0]["address"], BACKEND_PORT + 1)

    def places(self):
        return [(self.cluster.backends, [*self.backends, self.spare])]

    def text(self, capacity=300000, without=None, **more):
        """A weir.yaml, in which one of the backends may be left out."""
        service = {**self.service(), **more}
        service["backends"] = [row for number, row in enumerate(service["backends"])
                               if number != without]
        text = policy([service], self.lines, self.hook, capacity, **self.shortcut,
                      **self.settings)
        return text.replace('"half-open"', f'"timeouts": {json.dumps(self.timeouts)}, "half-open"')


class Hidden(Stand):
    """Full NAT: all are neighbours, so that backends would answer the client past the gateway."""
    make, lines = Lan, (ARM,)
    # A client of thousands a second would have all ports of all backends within two minutes, and
    # with lines for so many only no connection finds each of its eight taken.
    timeouts = {"time_wait": "2s"}
    settings = {"source-ports": 1 << 20}

    def service(self):
        return echo(self.family, source=ROUTER[self.family][0])


class Three(Direct):
    count = 3


class Aside(Stand):
    """DSR, by one of harness.balanced.WAYS. Two are in the file, and the third is the spare one."""
    make, lines = Three, ("lan", *(f"wan{number}" for number in range(Three.count)))
    timeouts = {"fin_wait": "3s"}       # nobody hears the backend close, so flows end by that
    is_direct = True

    def __init__(self, family, hook, way):
        super().__init__(family, hook)
        self.way = way

    def prepare(self, stack):
        super().prepare(stack)
        stack.enter_context(self.cluster.unwrapping())

    def far_ends(self):
        return [(self.cluster.client, "eth0"),
                *((member, "front") for member in self.cluster.members)]

    def service(self):
        return direct_service(self.family, self.way)

    @property
    def spare(self):
        return end(front(Three.count - 1, self.way[1] or self.family), PORT)

    def places(self):
        return [(member, [end(self.address, PORT)]) for member in self.cluster.members]


def stand(way, family, hook):
    """By a word: nat, source, or as l2, ipip4, gue6, of which the number is the outer family."""
    if way in ("nat", "source"):
        return {"nat": Stand, "source": Hidden}[way](family, hook)
    outer = int(way[-1]) if way[-1] in "46" else None
    return Aside(family, hook, (way.rstrip("46"), outer))


def by_rows(names, *rows):
    """Parameters, of which the first three are those of stand()."""
    return pytest.mark.parametrize(names, [
        pytest.param(*row, marks=BEHIND_XDP if row[2].startswith("xdp") else ()) for row in rows])
