# SPDX-License-Identifier: Apache-2.0
"""The VLAN tags of frames that arrive at a device. The kernel takes the outermost one off before
anybody is shown the frame, and says beside it what it was."""
import struct

from harness.wire import packet_socket

ETH_P_ALL, PACKET_OUTGOING = 3, 4
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 1 << 4       # <linux/if_packet.h>
PROTOCOLS = {0x8100: "802.1Q", 0x88A8: "802.1ad"}


class Tap:
    """All that arrives at a device while it is open."""

    def __init__(self, station, device):
        self.sock = packet_socket(station, device, ETH_P_ALL)
        self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.sock.setblocking(False)

    def frames(self):
        """(frame without its outermost tag, its tags from there inward) of each since the last
        time; a tag is its protocol and its VLAN's number."""
        while True:
            try:
                frame, extra, _, address = self.sock.recvmsg(65536, 100)
            except BlockingIOError:
                return
            if address[2] != PACKET_OUTGOING:
                yield frame, [*taken_off(extra), *left_in(frame)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def taken_off(extra):
    for level, kind, value in extra:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, *_, tci, protocol = struct.unpack("=IIIHHHH", value)
            if status & TP_STATUS_VLAN_VALID:
                yield PROTOCOLS[protocol], tci & 0xFFF


def left_in(frame):
    at, (protocol, tci) = 12, struct.unpack_from("!HH", frame, 12)
    while protocol in PROTOCOLS:
        yield PROTOCOLS[protocol], tci & 0xFFF
        at += 4
        protocol, tci = struct.unpack_from("!HH", frame, at)
