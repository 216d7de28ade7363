# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and the wires between them, named after this process, so that runs side by
side never meet."""
import contextlib
import itertools
import os
import re
import resource
import socket
import subprocess

from harness.links import NETNS, entered, netns_add, netns_delete, offloads_off, sysctl, up

numbers = itertools.count()
# No router solicitations and no duplicate address detection: they would be counted.
QUIET = {"router_solicitations": 0, "accept_dad": 0, "addr_gen_mode": 1}


def unique(label):
    """A name nobody else has: for namespaces, directories and pins."""
    return f"weir-{label}-{os.getpid()}-{next(numbers)}"


class Namespace:
    def __init__(self, label):
        self.name = unique(label)
        self.path = NETNS / self.name
        netns_add(self.name)
        with self.entered():
            for key, value in QUIET.items():
                sysctl(f"net/ipv6/conf/default/{key}", value)
            up("lo")

    def command(self, *words):
        """To be started from anywhere: nsenter and not `ip netns exec`, which hides bpffs."""
        return ["nsenter", f"--net={self.path}", *map(str, words)]

    def run(self, *words, check=True, **options):
        options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "text": True, **options}
        if "input" in options:
            del options["stdin"]
        with self.entered():
            done = subprocess.run(list(map(str, words)), **options)
        assert not check or done.returncode == 0, f"{words}: {done.stderr}"
        return done

    def entered(self):
        return entered(self.path)

    def socket(self, *args):
        with self.entered():
            return socket.socket(*args)

    def ifindex(self, name):
        with self.entered():
            return socket.if_nametoindex(name)

    def delete(self):
        netns_delete(self.name)


def veth(one, name, other, peer, mtu=1500):
    """A wire between two namespaces, both ends up, without addresses of any kind."""
    one.run("ip", "link", "add", name, "mtu", mtu, "type", "veth",
            "peer", "name", peer, "mtu", mtu, "netns", other.name)
    for namespace, device in ((one, name), (other, peer)):
        with namespace.entered():
            offloads_off(device)
            up(device)


@contextlib.contextmanager
def descriptors(count):
    """At least so many may be open in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(count, before[0]), max(count, before[1])))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Pair:
    """`inside` (where Weir is, on `wire`) and `outside` (device `far`), joined by a veth."""
    wire, far = "wire", "far"
    inside_v4, outside_v4 = "10.77.1.1", "10.77.1.2"
    inside_v6, outside_v6 = "fd77::1", "fd77::2"

    def __init__(self, label="pair", mtu=1500, addresses=False):
        self.inside = self.outside = None
        try:
            self.inside, self.outside = Namespace(label), Namespace(label)
            veth(self.inside, self.wire, self.outside, self.far, mtu)
            if addresses:
                self.give_addresses()
        except BaseException:
            self.close()
            raise

    def give_addresses(self):
        for namespace, device, v4, v6 in (
                (self.inside, self.wire, self.inside_v4, self.inside_v6),
                (self.outside, self.far, self.outside_v4, self.outside_v6)):
            namespace.run("ip", "addr", "add", f"{v4}/24", "dev", device)
            namespace.run("ip", "-6", "addr", "add", f"{v6}/64", "dev", device, "nodad")

    def pings(self, address=None):
        """Whether one echo from outside, sent from `address`, is answered."""
        target = self.inside_v6 if address and ":" in address else self.inside_v4
        source = ["-I", address] if address else []
        return self.outside.run("ping", "-c1", "-W1", *source, target, check=False).returncode == 0

    def ring_drops(self):
        """Frames that found the wire's ring full, by the driver's count: they have never met Weir.
        None where the machine is quiet, many where the processor is emulated."""
        text = self.outside.run("ethtool", "-S", self.far).stdout
        counts = re.findall(r"tx_queue_\d+_xdp_xmit_errors: (\d+)", text)
        assert counts, text
        return sum(map(int, counts))

    def close(self):
        for namespace in (self.inside, self.outside):
            if namespace:
                namespace.delete()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
