# SPDX-License-Identifier: Apache-2.0
"""Links that lose frames, let later ones overtake them, and take their time: the other side of
lossy.c."""
import contextlib
import subprocess

from harness.chain import Chain
from harness.daemon import HELPERS
from harness.net import Namespace, Pair, veth


def hand_on(stack, middle, lost, held, delay_ms):
    """Joins devices `one` and `two` of this namespace, until the stack ends."""
    process = subprocess.Popen(
        [HELPERS / "lossy", middle.path, "one", "two", str(lost), str(held), str(delay_ms)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait, 10)
    stack.callback(process.stdin.close)
    assert process.stdout.readline() == "ready\n"
    return process


class LossyChain(Chain):
    """A chain whose first link loses one of `lost` frames each way, and has one of `held`
    overtaken; 0: none. It takes `delay_ms` each way."""

    def __init__(self, lost, held, delay_ms=0):
        self.does = lost, held, delay_ms
        super().__init__()

    def join(self, link, devices, mtu):
        if link > 1:
            super().join(link, devices, mtu)
            return
        middle = self.middle = Namespace("lossy")     # whose device `two` meets the gateway
        self.stack.callback(middle.delete)
        super().join(link, devices, mtu, middle)
        self.process = hand_on(self.stack, middle, *self.does)

    def losses(self):
        """Ends it; gives how many frames it has lost, and held back."""
        self.process.stdin.close()
        return tuple(map(int, self.process.stdout.read().split()))


class LossyPair(Pair):
    """A pair with such a link between its two."""

    def __init__(self, lost, held, delay_ms=0):
        self.stack = contextlib.ExitStack()
        self.inside = self.outside = None
        try:
            self.inside, self.outside = Namespace("quality"), Namespace("quality")
            middle = Namespace("lossy")
            self.stack.callback(middle.delete)
            veth(self.inside, self.wire, middle, "one")
            veth(middle, "two", self.outside, self.far)
            self.give_addresses()
            hand_on(self.stack, middle, lost, held, delay_ms)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.stack.close()
        super().close()
