# SPDX-License-Identifier: Apache-2.0
"""Network namespaces and devices by system calls of this process: to start a program for each of
them takes more than most tests do. Of devices, those of the namespace that the thread is in."""
import contextlib
import ctypes
import fcntl
import os
import pathlib
import socket
import struct
import subprocess

CLONE_NEWNET = 0x40000000
MS_BIND, MNT_DETACH = 0x1000, 2
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCETHTOOL = 0x8913, 0x8914, 0x8946
IFF_UP = 1
ETHTOOL_STXCSUM, ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETHTOOL_SGRO = 0x17, 0x25, 0x26, 0x2c
ETH_FLAG_TXVLAN, ETH_FLAG_RXVLAN = 1 << 7, 1 << 8
NETNS = pathlib.Path("/run/netns")
OWN = b"/proc/thread-self/ns/net"

libc = ctypes.CDLL(None, use_errno=True)


def called(result, what):
    if result:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


@contextlib.contextmanager
def home_again():
    """The calling thread comes back to the namespace it is in."""
    with open(OWN) as home:
        try:
            yield
        finally:
            called(libc.setns(home.fileno(), CLONE_NEWNET), "setns")


@contextlib.contextmanager
def entered(path):
    """The calling thread is in that network namespace meanwhile; sockets made there stay there."""
    with open(path) as there, home_again():
        called(libc.setns(there.fileno(), CLONE_NEWNET), f"cannot enter {path}")
        yield


def netns_add(name):
    """As `ip netns add`, which sees to the folder where it is the first."""
    if not os.path.ismount(NETNS):
        subprocess.run(["ip", "netns", "add", name], check=True)
        return
    path = NETNS / name
    path.touch(mode=0, exist_ok=False)
    with home_again():
        called(libc.unshare(CLONE_NEWNET), "unshare")
        called(libc.mount(OWN, os.fsencode(path), b"none", MS_BIND, None), f"mount {path}")


def netns_delete(name):
    path = NETNS / name
    libc.umount2(os.fsencode(path), MNT_DETACH)
    path.unlink(missing_ok=True)


def sysctl(path, value):
    """The path has slashes, since names of devices may have points."""
    pathlib.Path("/proc/sys", path).write_text(str(value))


def request(device, number, argument):
    """An ioctl of a device; gives what stands there then."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, number, struct.pack("16s", device.encode()) + argument)[16:]


def up(device):
    flags, = struct.unpack_from("H", request(device, SIOCGIFFLAGS, bytes(24)))
    request(device, SIOCSIFFLAGS, struct.pack("H22x", flags | IFF_UP))


def ethtool(device, command, value=0):
    """One that has a number; gives what stands there then."""
    both = ctypes.create_string_buffer(struct.pack("II", command, value), 8)
    request(device, SIOCETHTOOL, struct.pack("P16x", ctypes.addressof(both)))
    return struct.unpack("II", both.raw)[1]


def offloads_off(device):
    """Whatever a sender leaves to hardware would reach the programs undone."""
    ethtool(device, ETHTOOL_STXCSUM)
    ethtool(device, ETHTOOL_SGRO)
    flags = ethtool(device, ETHTOOL_GFLAGS)
    ethtool(device, ETHTOOL_SFLAGS, flags & ~(ETH_FLAG_TXVLAN | ETH_FLAG_RXVLAN))
