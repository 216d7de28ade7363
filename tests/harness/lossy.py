# SPDX-License-Identifier: Apache-2.0
"""A chain whose first link loses frames, and lets later ones overtake them: the other side of
lossy.c."""
import subprocess

from harness.chain import Chain
from harness.daemon import HELPERS
from harness.net import Namespace


class LossyChain(Chain):
    """One of `lost` frames each way is lost, one of `held` overtaken; 0: none."""

    def __init__(self, lost, held):
        self.lost, self.held = lost, held
        super().__init__()

    def join(self, link, devices, mtu):
        if link > 1:
            super().join(link, devices, mtu)
            return
        middle = self.middle = Namespace("lossy")     # whose device `two` meets the gateway
        self.stack.callback(middle.delete)
        super().join(link, devices, mtu, middle)
        process = subprocess.Popen(
            [HELPERS / "lossy", middle.path, "one", "two", str(self.lost), str(self.held)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.wait, 10)
        self.stack.callback(process.stdin.close)
        assert process.stdout.readline() == "ready\n"
        self.process = process

    def losses(self):
        """Ends it; gives how many frames it has lost, and held back."""
        self.process.stdin.close()
        return tuple(map(int, self.process.stdout.read().split()))
