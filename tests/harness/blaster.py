# SPDX-License-Identifier: Apache-2.0
"""Millions of packets: the other side of blaster.c."""
import struct
import subprocess

from harness.daemon import HELPERS

PLAIN, VLAN, QINQ, FRAGMENT, EXTENDED = DRESSES = range(5)


def question(packed, dress=PLAIN):
    """`packed`: 4 or 16 bytes of an address in network byte order."""
    return packed.ljust(16, b"\0") + bytes([len(packed) == 16, dress])


class Blaster:
    def __init__(self, sender, device, receiver, peer):
        self.process = subprocess.Popen(
            [HELPERS / "blaster", sender.path, device, receiver.path, peer],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, questions):
        """Gives one byte for each of many: 1 = it arrived."""
        rows = b"".join(questions)
        count = len(rows) // 18
        self.process.stdin.write(struct.pack("=I", count) + rows)
        self.process.stdin.flush()
        answer = self.process.stdout.read(count)
        assert len(answer) == count, "the blaster ended"
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
