# SPDX-License-Identifier: Apache-2.0
"""What a kernel was told in ICMP errors."""
import contextlib
import errno
import json
import socket
import struct

from harness.cluster import BACKEND_PORT, BACKENDS, Client, family_kind
from harness.wait import SLOWNESS, wait_for

# By family: of <linux/in.h> and <linux/in6.h>, for which Python has no names.
RECVERR = {4: (socket.IPPROTO_IP, 11), 6: (socket.IPPROTO_IPV6, 25)}
DISCOVER = {4: (socket.IPPROTO_IP, 10, 2), 6: (socket.IPPROTO_IPV6, 23, 2)}
UNREACHABLE = {4: (3, 3), 6: (1, 4)}
TOO_BIG = {4: (3, 4), 6: (2, 0)}
EXCEEDED = {4: (11, 0), 6: (3, 0)}


def endpoint(packed, family):
    """A sockaddr: address and port."""
    start = 4 if family == 4 else 8
    size = 4 if family == 4 else 16
    return (socket.inet_ntop(family_kind(family), packed[start:start + size]),
            struct.unpack("!H", packed[2:4])[0])


def answers_forget(sock):
    """Of packets that were sent on before."""
    sock.setblocking(False)
    while True:
        try:
            sock.recv(2048)
        except BlockingIOError:
            return
        except OSError:                 # another error, told of already
            pass


def told(sock, family, again=None):
    """What the kernel was told in an ICMP error: by whom, of what kind, about a packet to whom.
    `again` is sent before each look: whoever changed a route or a link waits for nobody, and one
    packet may have been sent on before the change was heard of."""
    patience = sock.gettimeout()

    def ask():
        try:
            if again:
                sock.send(again)
            return sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except (BlockingIOError, TimeoutError):
            return None
        except OSError as err:          # the error itself, once; the queue says more
            assert err.errno in (errno.ECONNREFUSED, errno.EMSGSIZE, errno.EHOSTUNREACH,
                                 errno.ENETUNREACH), err
            return None

    sock.settimeout(0.2 if again else patience)
    _, extra, _, name = wait_for(ask, "an ICMP error")
    if again:
        answers_forget(sock)
    sock.settimeout(patience)
    data, = (value for level, kind, value in extra if (level, kind) == RECVERR[family])
    number, _, kind, code, _, info, _ = struct.unpack("=IBBBBII", data[:16])
    return number, (kind, code), info, endpoint(data[16:], family)[0], tuple(name[:2])


def asking(sock, family):
    sock.setsockopt(*RECVERR[family], 1)
    return sock


@contextlib.contextmanager
def asking_client(cluster, family):
    with Client(cluster, family, "udp") as made:
        asking(made.sock, family)
        yield made


@contextlib.contextmanager
def asking_backend(cluster, family):
    """The first backend's socket."""
    with cluster.backends.socket(family_kind(family), socket.SOCK_DGRAM) as made:
        made.bind((BACKENDS[family][0], BACKEND_PORT))
        made.settimeout(10 * SLOWNESS)
        yield asking(made, family)


def mtu_learned(station, whom, family):
    rows = json.loads(station.run("ip", "-j", f"-{family}", "route", "get", whom).stdout)
    return (rows[0].get("metrics") or [{}])[0].get("mtu")
