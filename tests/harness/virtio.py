# SPDX-License-Identifier: Apache-2.0
"""A virtual machine's network card without the machine: a TAP at the host, written to and read from
as by QEMU, and at its other end the stack of another namespace. What that leaves to its device
(checksums, segments still to be cut) comes to the host as it does from a guest, by the header of
virtio before each frame."""
import collections
import contextlib
import fcntl
import os
import select
import struct
import threading

from harness.kernel import release
from harness.net import veth

# <linux/if_tun.h>, <linux/virtio_net.h>
TUNSETIFF, TUNSETOFFLOAD, TUNSETVNETHDRSZ = 0x400454CA, 0x400454D0, 0x400454D8
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 2, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6, TUN_F_USO4, TUN_F_USO6 = 1, 2, 4, 0x20, 0x40
NEEDS_CSUM, TCPV4, TCPV6, UDP_L4 = 1, 1, 4, 5
HAS_USO = release() >= (6, 2)
OFFLOADS = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | (HAS_USO and TUN_F_USO4 | TUN_F_USO6)

HEADER = struct.Struct("=BBHHHHH")      # of virtio 1.0, with the number of buffers at its end
Handed = collections.namedtuple("Handed", "flags gso_type header gso_size start offset frame")


def tap(station, name, offloads):
    """What its reader takes undone is told; what it writes may be undone in any way."""
    with station.entered():
        # As QEMU has it: frames that a blocking one writes never meet native XDP.
        end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(end, TUNSETVNETHDRSZ, struct.pack("i", HEADER.size))
    fcntl.ioctl(end, TUNSETOFFLOAD, offloads)
    station.run("ip", "link", "set", name, "up")
    return end


def handed(data):
    flags, gso_type, header, gso_size, start, offset, _ = HEADER.unpack_from(data)
    return Handed(flags, gso_type, header, gso_size, start, offset, data[HEADER.size:])


def summed(data):
    """RFC 1071."""
    data += bytes(len(data) & 1)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def finished(row):
    """The frame as a device makes it that is told to (virtio 1.2, 5.1.6.2): over what is there, the
    sum of the pseudo header in its place. Of segments to be cut, the sum of all in one."""
    if not row.flags & NEEDS_CSUM:
        return row.frame
    at = row.start + row.offset
    # 0 is UDP's "none", and another way to write this.
    whole = 0xFFFF - summed(row.frame[row.start:]) or 0xFFFF
    return row.frame[:at] + struct.pack("!H", whole) + row.frame[at + 2:]


class Link:
    """What passes between a guest's device and the host's, kept by direction."""

    def __init__(self, guest, device, host, port, takes=OFFLOADS):
        self.stack = contextlib.ExitStack()
        self.sent, self.got = [], []                    # by the guest
        self.ends = [self.end(guest, device, OFFLOADS), self.end(host, port, takes)]
        self.stop, stopped = os.pipe2(os.O_CLOEXEC)
        self.thread = threading.Thread(target=self.carry, args=(stopped,))
        self.thread.start()
        self.stack.callback(os.close, stopped)
        self.stack.callback(self.thread.join)
        self.stack.callback(os.close, self.stop)

    def end(self, *args):
        made = tap(*args)
        self.stack.callback(os.close, made)
        return made

    def carry(self, stopped):
        guest, host = self.ends
        while True:
            ready, _, _ = select.select([guest, host, stopped], [], [])
            if stopped in ready:
                return
            for here, there, kept in ((guest, host, self.sent), (host, guest, self.got)):
                if here in ready:
                    self.pass_on(here, there, kept)

    @staticmethod
    def pass_on(here, there, kept):
        with contextlib.suppress(BlockingIOError):
            while data := os.read(here, HEADER.size + (1 << 16) + 64):
                kept.append(handed(data))
                os.write(there, data)

    def take(self):
        """What the guest sent, and what it got, since the last time."""
        rows = self.sent[:], self.got[:]
        del self.sent[:len(rows[0])], self.got[:len(rows[1])]
        return rows

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()


class Guest:
    """Of a cluster: its client is a virtual machine at the gateway."""
    takes = OFFLOADS

    def wire(self, one, name, other, peer):
        if peer != "lan":
            veth(one, name, other, peer)
            return
        self.link = self.stack.enter_context(Link(one, name, other, peer, self.takes))
