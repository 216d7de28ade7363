# SPDX-License-Identifier: Apache-2.0
"""Frames put on a wire and watched for at its other end: which of them arrived is what a verdict
is judged by, and Weir is never asked."""
import contextlib
import errno
import os
import socket
import struct

from harness.wait import SLOWNESS

SO_RCVBUFFORCE = 33
ETH_P_ARP = 0x0806
# A packet socket bound to one protocol stands behind the TC and XDP hooks; one bound to all stands
# before TC. So a frame is waited for under whatever its protocol may be by then.
PROTOCOLS = (0x0800, 0x86DD, 0x8100, 0x88A8, 0x8847, 0x8848)
MARK = b"weir-frame"
BROADCAST = b"\xff" * 6
SENTINEL = (BROADCAST + b"\x02\x00\x00\x00\x00\x09" + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800,
            6, 4, 1) + b"\x02\x00\x00\x00\x00\x09" + bytes(4) + bytes(6) + bytes(4))


def packet_socket(namespace, device, protocol):
    with namespace.entered():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        sock.bind((device, protocol))
    return sock


@contextlib.contextmanager
def on_one_cpu():
    """Frames sent from one CPU arrive in the order in which they left."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Wire:
    """One way over a veth: from `sender`'s device to `receiver`'s."""

    def __init__(self, sender, device, receiver, peer):
        self.out = packet_socket(sender, device, 0)
        self.ins = [packet_socket(receiver, peer, protocol) for protocol in PROTOCOLS]
        self.end = packet_socket(receiver, peer, ETH_P_ARP)
        self.end.settimeout(10 * SLOWNESS)
        self.sent = 0           # frames in all, sentinels too
        self.sent_bytes = 0

    @classmethod
    def inward(cls, pair):
        return cls(pair.outside, pair.far, pair.inside, pair.wire)

    @classmethod
    def outward(cls, pair):
        return cls(pair.inside, pair.wire, pair.outside, pair.far)

    def put(self, frame):
        try:
            self.out.send(frame)
        except OSError as err:
            # So the kernel tells a sender that its packet was dropped on its way out.
            if err.errno != errno.ENOBUFS:
                raise
        self.sent += 1
        self.sent_bytes += len(frame)

    def send(self, frames):
        """Sends each frame with a number behind its last byte; gives the numbers that arrived."""
        with on_one_cpu():
            for number, frame in enumerate(frames):
                self.put(bytes(frame) + MARK + struct.pack("!I", number))
            self.put(SENTINEL)
        while self.end.recv(2048) != SENTINEL:
            pass
        return {number for sock in self.ins for number in arrived(sock)}

    def passes(self, frame):
        return self.send([frame]) == {0}

    def verdicts(self, frames):
        """For each frame, whether it arrived."""
        frames = list(frames)
        arrived = self.send(frames)
        return [number in arrived for number in range(len(frames))]

    def close(self):
        for sock in (self.out, self.end, *self.ins):
            sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def arrived(sock):
    while True:
        try:
            frame = sock.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        if frame[-4 - len(MARK):-4] == MARK:
            yield struct.unpack("!I", frame[-4:])[0]
