# SPDX-License-Identifier: Apache-2.0
"""A lane is a veth pair in a namespace of its own: frames leave by `out` and arrive at `in`, where
one filter stands. Whatever that lets through is counted and dropped by the policy of the mangle
table's first chain, the next one behind. (nft would read all its sets to tell one counter.)"""
import pathlib
import re
import subprocess
import time

from harness.daemon import Daemon
from harness.net import Namespace

XDP_FILTER_PINS = pathlib.Path("/sys/fs/bpf/xdp-filter")
CHANGE_LIMIT_S = 30         # nft may read a million intervals to add one
TABLE = """table inet bench {
 set addrs { type ipv%s_addr; %s }
 chain pre { type filter hook prerouting priority raw; ip%s saddr @addrs drop; }
}
"""


def timed(run):
    """Seconds by the wall."""
    start = time.monotonic()
    run()
    return time.monotonic() - start


def kernel_bytes():
    """Memory that sets in the kernel may lie in; other programs of the machine move it too."""
    text = pathlib.Path("/proc/meminfo").read_text()
    return sum(int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) * 1024
               for name in ("Slab", "VmallocUsed", "Percpu"))


class Lane:
    """Nothing at all: everything passes."""
    program = "-"

    def __init__(self, name, family, folder):
        self.name, self.family, self.folder = name, family, folder
        self.load_s = self.bytes = None         # of the list alone
        self.namespace = Namespace("bench")
        try:
            self.wire()
            self.load()
        except BaseException:
            self.close()
            raise

    def wire(self):
        run = self.namespace.run
        run("ip", "link", "add", "out", "address", "02:00:00:00:00:01", "type", "veth",
            "peer", "name", "in", "address", "02:00:00:00:00:02")
        # Without it veth receives no frames where there is no XDP program.
        run("ethtool", "-K", "in", "gro", "on")
        for name in ("out", "in"):
            run("ip", "link", "set", name, "up")
        run(self.iptables, "-t", "mangle", "-P", "PREROUTING", "DROP")

    def load(self):
        pass

    def change(self, address):
        """Adds one entry and takes it out again."""
        raise NotImplementedError

    @property
    def v4(self):
        return self.family == "4"

    @property
    def list(self):
        return self.folder / "list.txt"

    def target(self):
        program = self.program if self.program in ("-", "empty") else self.program + self.family
        return f"{self.name},{self.namespace.name},out,in,{program}"

    @property
    def iptables(self):
        return "iptables-legacy" if self.v4 else "ip6tables-legacy"

    def passed(self):
        said = self.namespace.run(self.iptables, "-t", "mangle", "-nvxL", "PREROUTING").stdout
        return int(re.search(r"policy \w+ (\d+) packets", said)[1])

    def close(self):
        self.namespace.delete()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Empty(Lane):
    program = "empty"


class Trie(Lane):
    """XDP with BPF_MAP_TYPE_LPM_TRIE; weir-bench fills it."""
    program = "trie"


class Weir(Lane):
    daemon = None

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text("api: {listen: off}\nmemory: 1GiB\n"
                                      "interfaces: [{name: in, hook: xdp}]\n")
        self.daemon.start()

        self.load_s = timed(lambda: self.daemon.say("block", "import", self.list, "--list", "bench",
                                                    "--replace"))
        self.bytes = self.daemon.status()["policy"]["bytes"]

    def change(self, address):
        self.daemon.say("block", "add", address)
        self.daemon.say("block", "del", address)

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class NftSet(Lane):
    flags = ""

    def load(self):
        version = "" if self.v4 else "6"
        self.namespace.run("nft", "-f", "-", input=TABLE % (self.family, self.flags, version))
        entries = self.list.read_text().replace("\n", ",")
        script = self.folder / f"{self.name}.nft"
        script.write_text(f"add element inet bench addrs {{ {entries} }}\n")
        before = kernel_bytes()
        self.load_s = timed(lambda: self.namespace.run("nft", "-f", script))
        self.bytes = kernel_bytes() - before

    def change(self, address):
        for verb in ("add", "delete"):
            self.namespace.run("nft", verb, "element", "inet", "bench", "addrs", f"{{ {address} }}",
                               timeout=CHANGE_LIMIT_S)


class NftHash(NftSet):
    """Single addresses only."""


class NftInterval(NftSet):
    flags = "flags interval; auto-merge;"


class Ipset(Lane):
    def load(self):
        run = self.namespace.run
        run("ipset", "create", "list", "hash:net", "family", "inet" if self.v4 else "inet6",
            "maxelem", 4000000)
        script = self.folder / "list.ipset"
        script.write_text("".join(f"add list {line}\n"
                                  for line in self.list.read_text().splitlines()))
        run(self.iptables, "-t", "raw", "-A", "PREROUTING", "-m", "set", "--match-set", "list",
            "src", "-j", "DROP")
        self.load_s = timed(lambda: run("ipset", "restore", "-file", script))
        said = run("ipset", "list", "-t", "list").stdout
        self.bytes = int(re.search(r"Size in memory: (\d+)", said)[1])

    def change(self, address):
        self.namespace.run("ipset", "add", "list", address)
        self.namespace.run("ipset", "del", "list", address)


class XdpFilter(Lane):
    """xdp-tools' own program and map; at most 10,000 IPv4 addresses, one instance a machine."""

    def load(self):
        run = self.namespace.run
        run("xdp-filter", "load", "-m", "native", "-f", "ipv4", "in")
        first = self.list.read_text().split("\n", 1)[0]
        run("xdp-filter", "ip", "-m", "src", first)
        subprocess.run([*FILL, XDP_FILTER_PINS / "filter_ipv4", self.folder / "list.bin"],
                       check=True)

    def close(self):
        self.namespace.run("xdp-filter", "unload", "in", check=False)
        super().close()


FILL = []       # the command that fills a pinned map; set by measure.py
