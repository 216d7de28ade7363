# SPDX-License-Identifier: Apache-2.0
"""A gateway whose wires are read at their far ends, where what XDP sends on arrives too; and which
tells what of it the kernel has sent."""
from harness.gateway import PACKET_OUTGOING, SENTINEL_PROTO, SIDES, Gateway, Left, ether, \
    is_of_ends, sentinel
from harness.wire import packet_socket

ETH_P_ALL = 3


def is_for_ends(packet):
    """A tunnel's source is the gateway itself."""
    return packet[16:17] == b"\xc6" if packet[0] >> 4 == 4 else packet[24:28] == b"\x20\x01\x0d\xb8"


def is_ours(frame):
    return is_of_ends(frame[14:]) or is_for_ends(frame[14:])


class FarGateway(Gateway):
    def __init__(self, label):
        super().__init__(label)
        try:
            for side in SIDES:
                # A veth takes what XDP sends it while its other end has NAPI.
                self.outside.run("ethtool", "-K", side + "-end", "gro", "on")
            self.near = self.taps
            self.taps = {side: self.keep(packet_socket(self.outside, side + "-end", ETH_P_ALL))
                         for side in SIDES}
            for tap in self.taps.values():
                tap.settimeout(10)
        except BaseException:
            self.close()
            raise
        self.links = []         # of what left last: its Ethernet header

    def pass_through(self, packets):
        self.links = []
        return super().pass_through(packets)

    def drained(self, side):
        """What leaves by one side is closed by what comes in by the other."""
        other = SIDES[side == "left"]
        self.outs[side].send(ether(side, sentinel(side)))
        rows = self.until(other, sentinel(side))
        self.outs[other].send(ether(other, sentinel(other)))
        return rows + self.until(side, sentinel(other))

    def until(self, side, end):
        rows = []
        while True:
            row, link = self.arrived(side)
            if row and row.packet[9] == SENTINEL_PROTO and row.packet[12:20] == end[12:20]:
                return rows
            if row:
                rows.append(row)
                self.links.append(link)

    def arrived(self, side):
        frame, _, _, address = self.taps[side].recvmsg(65536, 64)
        if address[2] == PACKET_OUTGOING or not is_ours(frame):
            return None, None
        return Left(side, 0, frame[14:]), frame[:14]

    def by_kernel(self):
        """How many packets between the ends the kernel has sent since this was asked last."""
        count = 0
        for side in SIDES:
            while True:
                try:
                    frame, _, _, address = self.near[side].recvmsg(65536, 64)
                except BlockingIOError:
                    break
                count += (address[2] == PACKET_OUTGOING and is_ours(frame) and
                          frame[23] != SENTINEL_PROTO)
        return count
