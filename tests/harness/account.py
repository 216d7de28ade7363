# SPDX-License-Identifier: Apache-2.0
"""What is counted of flows and of interfaces: by Weir, and by the kernel's own counters of its
devices."""
import collections
import re

from harness.wait import wait_for

Count = collections.namedtuple("Count", "packets bytes")
SAMPLE = re.compile(r'weir_account_(packets|bytes)_total\{interface="(\w+)",direction="(\w+)",'
                    r'as="(\w+)"\} (\S+)')
LINK_HEADER = 14


def plus(counts):
    counts = list(counts)
    return Count(sum(count.packets for count in counts), sum(count.bytes for count in counts))


def less(one, other):
    return Count(one.packets - other.packets, one.bytes - other.bytes)


def device_counts(namespace, devices):
    """(device, direction): Count, as /proc/net/dev has it."""
    counts = {}
    for line in namespace.run("cat", "/proc/net/dev").stdout.splitlines()[2:]:
        name, _, rest = line.partition(":")
        columns = [int(word) for word in rest.split()]
        if name.strip() in devices:
            counts[name.strip(), "ingress"] = Count(columns[1], columns[0])
            counts[name.strip(), "egress"] = Count(columns[9], columns[8])
    return counts


def metrics(daemon):
    """As text, by the daemon's socket."""
    return daemon.get("/metrics")[1]


def account(daemon):
    """(device, direction): {as what: Count}."""
    rows = collections.defaultdict(lambda: collections.defaultdict(dict))
    for unit, device, direction, name, value in SAMPLE.findall(metrics(daemon)):
        rows[device, direction][name][unit] = int(float(value))
    return {key: {name: Count(row["packets"], row["bytes"]) for name, row in names.items()}
            for key, names in rows.items()}


def flows_sum(daemon):
    answer = daemon.ask("flow", "count")
    return Count(answer["packets"], answer["bytes"])


def ended(daemon):
    row = daemon.status()["conntrack"]["account"]
    return Count(row["ended_packets"], row["ended_bytes"])


def live(daemon):
    """{as what: Count} of all interfaces, at this moment; metrics are as old as a second."""
    return {name: Count(row["packets"], row["bytes"])
            for name, row in daemon.status()["conntrack"]["account"].items()
            if isinstance(row, dict) and row["packets"]}


class Books:
    """Of devices of a namespace, from now on: what the kernel counts, and what Weir does. A veth
    that polls, as with GRO or XDP, counts what arrives without its link header."""

    def __init__(self, daemon, namespace, devices, polls):
        self.daemon, self.namespace, self.devices = daemon, namespace, devices
        self.link = {"ingress": LINK_HEADER if polls else 0, "egress": 0}
        self.first = wait_for(self.quiet, "nothing comes or goes")

    def quiet(self):
        """Both, at a time when nothing passes."""
        before, weir = device_counts(self.namespace, self.devices), account(self.daemon)
        total = {name: plus(counts[name] for counts in weir.values() if name in counts)
                 for name in set().union(*weir.values())}
        now = {name: count for name, count in total.items() if count.packets}
        if now == live(self.daemon) and before == device_counts(self.namespace, self.devices):
            return before, weir
        return None

    def renamed(self, name, other):
        """A device has another name from now on, and counts on."""
        self.devices = [other if device == name else device for device in self.devices]
        self.first = [{(other if device == name else device, direction): count
                       for (device, direction), count in counts.items()} for counts in self.first]

    def whole(self, direction, count):
        return Count(count.packets, count.bytes + count.packets * self.link[direction])

    def deltas(self):
        """(device, direction): (the kernel's Count, {as what: Count of Weir})."""
        kernel, weir = wait_for(self.quiet, "nothing comes or goes any more")
        zero = Count(0, 0)
        return {key: (self.whole(key[1], less(kernel[key], self.first[0][key])),
                      {name: less(count, self.first[1].get(key, {}).get(name, zero))
                       for name, count in weir.get(key, {}).items()})
                for key in kernel}

    def check(self):
        """Every packet that a device counts is counted by Weir, and nothing besides; of what would
        leave the device does not count what Weir dropped. Gives {as what: Count}, all together."""
        total = collections.defaultdict(list)
        for key, (kernel, weir) in self.deltas().items():
            for name, count in weir.items():
                total[name].append(count)
            left_out = ("dropped",) if key[1] == "egress" else ()
            assert plus(count for name, count in weir.items() if name not in left_out) == kernel, \
                (key, kernel, weir)
        return {name: plus(counts) for name, counts in total.items()}
