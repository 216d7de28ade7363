# SPDX-License-Identifier: Apache-2.0
"""Links that lose frames and let later ones overtake them, or take their time: the other side of
lossy.c and slow.c."""
import contextlib
import subprocess

from harness.chain import STATIONS, Chain
from harness.daemon import HELPERS
from harness.net import Namespace, Pair, veth


def begun(stack, words, middle, *does):
    """A program that does something to frames between devices `one` and `two`."""
    process = subprocess.Popen(
        [*words, middle.path, "one", "two", *map(str, does)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    stack.callback(process.wait, 10)
    stack.callback(process.stdin.close)
    assert process.stdout.readline() == "ready\n"
    return process


def lose(stack, middle, lost, held):
    """Until the devices go."""
    middle.run("ip", "link", "add", "both", "type", "bridge", "mcast_snooping", 0)
    for device in ("one", "two"):
        middle.run("ip", "link", "set", device, "master", "both")
    middle.run("ip", "link", "set", "both", "up")
    return begun(stack, [HELPERS / "lossy", HELPERS / "lossy.bpf.o"], middle, lost, held)


def delay(stack, middle, milliseconds):
    """Until the stack ends."""
    return begun(stack, [HELPERS / "slow"], middle, milliseconds)


def keep_in_order(namespace):
    """What arrives is taken by one processor, as it was sent by two: none but the link has frames
    overtake others."""
    subprocess.run(["ip", "netns", "exec", namespace.name, "sh", "-c",
                    "for queue in /sys/class/net/*/queues/rx-*/rps_cpus; do echo 1 >$queue; done"],
                   check=True)


class MiddleChain(Chain):
    """A chain whose first link has somebody in its middle."""

    def join(self, link, devices, mtu):
        if link > 1:
            super().join(link, devices, mtu)
            return
        middle = self.middle = Namespace("lossy")     # whose device `two` meets the gateway
        self.stack.callback(middle.delete)
        super().join(link, devices, mtu, middle)
        self.process = self.begin(middle)


class LossyChain(MiddleChain):
    """A chain whose first link loses one of `lost` frames each way, and has one of `held`
    overtaken; 0: none."""

    def __init__(self, lost, held):
        self.does = lost, held
        super().__init__()
        for name in (*STATIONS, "middle"):
            keep_in_order(getattr(self, name))

    def begin(self, middle):
        return lose(self.stack, middle, *self.does)

    def losses(self):
        """Gives how many frames it has lost so far, and held back."""
        self.process.stdin.close()
        return tuple(map(int, self.process.stdout.read().split()))


class SlowChain(MiddleChain):
    """A chain whose first link takes so many milliseconds each way."""

    def __init__(self, milliseconds):
        self.milliseconds = milliseconds
        super().__init__()

    def begin(self, middle):
        return delay(self.stack, middle, self.milliseconds)


class LossyPair(Pair):
    """A pair with such a link as LossyChain's between its two."""

    def __init__(self, lost, held):
        self.stack = contextlib.ExitStack()
        self.inside = self.outside = None
        try:
            self.inside, self.outside = Namespace("quality"), Namespace("quality")
            middle = Namespace("lossy")
            self.stack.callback(middle.delete)
            veth(self.inside, self.wire, middle, "one")
            veth(middle, "two", self.outside, self.far)
            self.give_addresses()
            lose(self.stack, middle, lost, held)
        except BaseException:
            self.close()
            raise

    def close(self):
        self.stack.close()
        super().close()
