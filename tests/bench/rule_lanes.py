# SPDX-License-Identifier: Apache-2.0
"""Lanes whose filters hold a rule set (lanes.py holds those of lists)."""
from bench import rulesets
from bench.lanes import Lane, timed
from harness.daemon import Daemon

HEAD = "api: {listen: off}\ninterfaces: [{name: in, hook: xdp}]\n"


class RuleLane(Lane):
    slow_packets = 0        # a walk gets fewer: see weir-bench frames

    def target(self):
        return super().target() + (f",{self.slow_packets}" if self.slow_packets else "")


class Weir(RuleLane):
    daemon = None

    def load(self):
        self.daemon = Daemon(self.namespace, label="bench", interfaces=())
        self.daemon.config.write_text(HEAD)
        self.daemon.start()
        text = HEAD + (self.folder / "weir.yaml").read_text()
        self.load_s = timed(lambda: self.daemon.say("apply", "-", text=text))
        self.bytes = self.daemon.status()["policy"]["bytes"]

    def close(self):
        if self.daemon:
            self.daemon.close()
        super().close()


class Walk(RuleLane):
    """The linear XDP program of the benchmark; weir-bench fills its array."""
    program = "linear"


class Nft(RuleLane):
    text = staticmethod(rulesets.nft_linear)

    def load(self):
        script = self.folder / "rules.nft"
        script.write_text(self.text(rulesets.read(self.folder), self.family))
        self.load_s = timed(lambda: self.namespace.run("nft", "-f", script))


class NftPorts(Nft):
    text = staticmethod(rulesets.nft_ports)


class NftPipapo(Nft):
    text = staticmethod(rulesets.nft_pipapo)


class Iptables(RuleLane):
    def load(self):
        script = self.folder / "rules.iptables"
        script.write_text(rulesets.iptables(rulesets.read(self.folder), self.family))
        restore = self.iptables + "-restore"
        self.load_s = timed(lambda: self.namespace.run(restore, "--noflush", script))
