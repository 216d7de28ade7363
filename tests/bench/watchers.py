# SPDX-License-Identifier: Apache-2.0
"""Lanes on which somebody counts what goes by: Weir, and the programs that people run for it. All
see the same packets of the same flows, which end in the mangle table behind."""
import json
import re
import signal
import subprocess

from bench.flow_lanes import FlowLane
from bench.served_tcp import thread_ns
from harness.account import account
from harness.daemon import Daemon
from harness.wait import wait_for

CONFIG = """api: {listen: off}
memory: 1GiB
interfaces: [{name: in, hook: tc}]
conntrack: {enabled: true, account: true, capacity: %d}
"""
PMACCT = """daemonize: false
pcap_interface: in
plugins: memory
aggregate: src_host, dst_host, src_port, dst_port, proto
imt_path: %(folder)s/pmacct.pipe
imt_mem_pools_number: 0
imt_mem_pools_size: 1048576
imt_buckets: 131071
plugin_buffer_size: 102400
plugin_pipe_size: 104857600
"""


class Watched(FlowLane):
    """Nobody counts: what the packets cost without."""
    process = None
    flows = 100000

    def load(self):
        pass

    def begin(self, *words, **options):
        self.process = subprocess.Popen(
            self.namespace.command(*words), stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})

    def pids(self):
        """Of what works in user space."""
        if not self.process:
            return []
        below = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True,
                               text=True, check=False).stdout.split()
        return [self.process.pid, *map(int, below)]

    def cpu_ns(self):
        return sum(map(thread_ns, self.pids()))

    def seen(self):
        """Packets, of all that came so far; None: it does not say."""

    def close(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        super().close()


class Weir(Watched):
    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text(CONFIG % self.flows)
        self.daemon.start()
        self.process = self.daemon.process

    def seen(self):
        return account(self.daemon)["in", "ingress"]["flow"].packets

    def close(self):
        self.process = None
        if hasattr(self, "daemon"):
            self.daemon.close()
        super().close()


class Softflowd(Watched):
    """Its table is as large as there are flows; it exports to nobody."""

    def load(self):
        self.control = self.folder / f"{self.name}.ctl"
        self.begin("softflowd", "-d", "-i", "in", "-m", str(self.flows * 2), "-c", self.control,
                   "-p", self.folder / f"{self.name}.pid", "-t", "maxlife=600")
        wait_for(self.control.exists, "softflowd listens", 10)

    def seen(self):
        said = self.namespace.run("softflowctl", "-c", self.control, "statistics").stdout
        return int(re.search(r"Packets processed: (\d+)", said)[1])


class Pmacct(Watched):
    def load(self):
        config = self.folder / "pmacct.conf"
        config.write_text(PMACCT % {"folder": self.folder})
        self.begin("pmacctd", "-f", config)
        wait_for((self.folder / "pmacct.pipe").exists, "pmacctd listens", 10)

    def seen(self):
        said = self.namespace.run("pmacct", "-s", "-O", "json", "-p",
                                  self.folder / "pmacct.pipe").stdout
        return sum(json.loads(line)["packets"] for line in said.splitlines()
                   if line.startswith("{"))


class Tcpdump(Watched):
    """It writes the packets nowhere, and counts no flow."""

    def load(self):
        self.begin("tcpdump", "-n", "-i", "in", "-w", "/dev/null", stderr=subprocess.PIPE)
        while b"listening on" not in self.process.stderr.readline():
            pass

    def seen(self):
        """On request it says how many it has taken."""
        self.process.send_signal(signal.SIGUSR1)
        said = self.process.stderr.readline().decode()
        return int(re.search(r"(\d+) packets? captured", said)[1])


class Nethogs(Watched):
    """By process, of which there is none here; it does not say what it has seen."""

    def load(self):
        self.begin("nethogs", "-t", "-d", "1", "in")


KINDS = {"nobody": Watched, "weir": Weir, "softflowd": Softflowd, "pmacct": Pmacct,
         "tcpdump": Tcpdump, "nethogs": Nethogs}
