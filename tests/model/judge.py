# SPDX-License-Identifier: Apache-2.0
"""The real programs on many frames: the other side of judge.c."""
import collections
import json
import struct
import subprocess

from harness.daemon import HELPERS

IN_XDP, IN_TC, OUT_TC = PROGRAMS = range(3)
TOLD = struct.Struct("=16sIII")
FOLLOWED = struct.Struct("=16s16sI")
STATES = ("untracked", "new", "established", "related", "invalid")
Told = collections.namedtuple("Told", "reason rule mark dropped")

Followed = collections.namedtuple("Followed", "reason flow state")


def as_yaml(config):
    """JSON is YAML. {"rules": …, "block": …}"""
    return "memory: 1GiB\n" + "".join(
        f"{key}: {json.dumps(value)}\n"
        for key, value in {"conntrack": {"enabled": False}, **config}.items())


def question(program, interface, frame):
    return struct.pack("=BBH", program, interface, len(frame)) + frame


def key(ends, proto, family, requester=0):
    """struct conntrack_key. ends: [(address, as four or sixteen bytes, port)]"""
    mapped = bytes(10) + b"\xff\xff" if family == 4 else b""
    return b"".join(mapped + address for address, _ in ends) + struct.pack(
        "!HHBB", *(port for _, port in ends), proto, family) + struct.pack("=H", requester)


class Judge:
    """In a namespace with these interfaces."""

    def __init__(self, namespace, interfaces):
        self.process = subprocess.Popen(namespace.command(HELPERS / "judge", *interfaces),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, kind, number, rest=b""):
        self.process.stdin.write(struct.pack("=II", ord(kind), number) + rest)
        self.process.stdin.flush()

    def read(self, size):
        got = self.process.stdout.read(size)
        assert len(got) == size, "the judge ended"
        return got

    def take(self, config):
        """Gives the refusal, or "" when it is live; counters begin at zero."""
        text = as_yaml(config).encode()
        self.ask("c", len(text), text)
        return self.read(struct.unpack("=I", self.read(4))[0]).decode()

    def judge(self, questions, piece=256):
        """Told of each; in pieces, since both ends of a pipe must not be full."""
        for start in range(0, len(questions), piece):
            some = questions[start:start + piece]
            self.ask("p", len(some), b"".join(some))
            for row in TOLD.iter_unpack(self.read(TOLD.size * len(some))):
                yield Told(row[0].rstrip(b"\0").decode(), *row[1:])

    def follow(self, questions, piece=200):
        """Followed of each; questions: question() + key()."""
        for start in range(0, len(questions), piece):
            some = questions[start:start + piece]
            self.ask("f", len(some), b"".join(some))
            for reason, flow, state in FOLLOWED.iter_unpack(self.read(FOLLOWED.size * len(some))):
                yield Followed(reason.rstrip(b"\0").decode(), flow.rstrip(b"\0").decode(),
                               STATES[state])

    def hits(self, count):
        """[(packets, bytes)] of the rules, in order."""
        self.ask("h", count)
        rows = list(struct.iter_unpack("=QQ", self.read(16 * (count + 1))))
        assert rows[0] == (0, 0), "row 0 is nobody's"
        return rows[1:]

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
