# SPDX-License-Identifier: Apache-2.0
"""Real clients that are rejected learn it at once: over IPv4 and IPv6, at XDP and at TC, coming in,
leaving the host itself, and passing through it; whether or not their checksums had been left to a
device. Behind every rejected port stands a server, so nobody else refuses them."""
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(TREE / "tests" / "datapath")]
import reject_build  # noqa: E402
from harness.clients import (SOON_S, connect_error, datagram_error, raw_error,  # noqa: E402
                             servers)
from harness.kernel import bpftool  # noqa: E402
from harness.net import Namespace, Pair, unique, veth  # noqa: E402
from harness.wait import wait_for  # noqa: E402
from scapy.all import Dot1Q, Ether, ICMP, IP, IPv6, TCP, UDP, raw  # noqa: E402

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces")

PORTS = REJECTED, PROHIBITED, OPEN = 4000, 5000, 8080   # as reject_bpf.bpf.c has it
HOOKS = ("xdpdrv", "xdpgeneric", "ingress")
VERSIONS = (4, 6)
# What the kernel makes of "administratively prohibited".
PROHIBITED_ERRNO = (errno.EHOSTUNREACH, errno.EACCES)    # IPv4, IPv6
REASONS_MAX = 64                     # abi/maps.h
REASONS = re.findall(r'X\(WEIR_\w+,.*?"(\w+)"', (TREE / "abi/reason.h").read_text(), re.S)
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8
CSUM_NOT_READY, VLAN_VALID = 1 << 3, 1 << 4         # linux/if_packet.h, TP_STATUS_*
UDP_SEGMENT = 103
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454ca, 1, 0x1000


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder of bpffs with the programs, and the counters, in it."""
    built = tmp_path_factory.mktemp("reject-live")
    loader, path = reject_build.build_loader(built), reject_build.build_object(built, "clang-19")
    pins = pathlib.Path("/sys/fs/bpf") / unique("reject")
    subprocess.run([loader, path, "0", "1000000", "1000000", "pin", pins], check=True)
    yield pins
    shutil.rmtree(pins, ignore_errors=True)


@pytest.fixture
def joined():
    with Pair("reject", addresses=True) as made:
        leave_checksums_to_devices(made.inside, made.wire)
        leave_checksums_to_devices(made.outside, made.far)
        yield made


def leave_checksums_to_devices(namespace, device):
    """What a veth does by itself, and Pair takes away."""
    namespace.run("ethtool", "-K", device, "tx", "on", "gro", "on")


def attach(namespace, device, hook, programs):
    if hook.startswith("xdp"):
        namespace.run("ip", "link", "set", device, hook, "pinned", programs / "weir_xdp")
        return
    name = {"ingress": "weir_tc_in", "egress": "weir_tc_out"}[hook]
    namespace.run("tc", "qdisc", "add", "dev", device, "clsact", check=False)
    namespace.run("tc", "filter", "add", "dev", device, hook, "bpf", "da", "object-pinned",
                  programs / name)


def count(programs, reason, direction):
    """How many packets have ended so; of all devices, which the counters do not know here."""
    row = struct.pack("=I", direction * REASONS_MAX + 1 + REASONS.index(reason))
    told = subprocess.run(["bpftool", "-j", "map", "lookup", "pinned", programs / "ctr_reason",
                           "key", "hex", *(f"{b:02x}" for b in row)], check=True,
                          stdout=subprocess.PIPE)
    return sum(int.from_bytes(bytes(int(b, 16) for b in value["value"][:8]), sys.byteorder)
               for value in json.loads(told.stdout)["values"])


def check_all_clients(client, address):
    refused, prohibited = errno.ECONNREFUSED, PROHIBITED_ERRNO[":" in address]
    assert connect_error(client, address, OPEN) == 0
    assert connect_error(client, address, REJECTED) == refused
    assert connect_error(client, address, PROHIBITED) == prohibited
    assert datagram_error(client, address, REJECTED) == refused
    assert datagram_error(client, address, PROHIBITED) == prohibited
    assert raw_error(client, address) == refused
    ping = client.run("ping", "-c1", f"-W{SOON_S}", "-s1200", address, check=False)
    assert "port unreachable" in ping.stdout.lower(), ping.stdout


def attach_inside(joined, hook, programs):
    """A veth sends by XDP_TX only to one that has an XDP program too: here, one that never acts."""
    attach(joined.inside, joined.wire, hook, programs)
    if hook == "xdpdrv":
        attach(joined.outside, joined.far, hook, programs)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("hook", HOOKS)
def test_clients_outside_are_refused_at_once(joined, programs, hook, version):
    attach_inside(joined, hook, programs)
    with servers(joined.inside, *PORTS):
        check_all_clients(joined.outside, joined.inside_v4 if version == 4 else joined.inside_v6)


@pytest.mark.parametrize("version", VERSIONS)
def test_clients_on_this_host_are_refused_at_once(joined, programs, version):
    attach(joined.inside, joined.wire, "egress", programs)
    with servers(joined.outside, *PORTS):
        check_all_clients(joined.inside, joined.outside_v4 if version == 4 else joined.outside_v6)


@pytest.mark.parametrize("hook, back", (("ingress", "egress"), ("egress", "ingress")))
def test_own_answers_pass_the_other_hook_and_are_counted_there(joined, programs, hook, back):
    attach(joined.inside, joined.wire, hook, programs)
    attach(joined.inside, joined.wire, back, programs)
    direction = int(back == "egress")
    before = count(programs, "pass_answer", direction)
    client, server = joined.outside, joined.inside_v4
    if hook == "egress":
        client, server = joined.inside, joined.outside_v4
    assert connect_error(client, server, REJECTED) == errno.ECONNREFUSED
    assert count(programs, "pass_answer", direction) == before + 1


# --- checksums left to a device ----------------------------------------------------------------

@pytest.fixture
def routed():
    """client --- joined.inside as router --- server; the router computes what is left to it when a
    packet leaves towards the client."""
    server = None
    with Pair("reject", addresses=True) as made:
        try:
            server = Namespace("reject")
            veth(made.inside, "behind", server, "only")
            made.inside.run("sysctl", "-qw", "net.ipv4.ip_forward=1",
                            "net.ipv6.conf.all.forwarding=1")
            for namespace, device, last in ((made.inside, "behind", 1), (server, "only", 2)):
                namespace.run("ip", "addr", "add", f"10.78.1.{last}/24", "dev", device)
                namespace.run("ip", "addr", "add", f"fd78::{last}/64", "dev", device, "nodad")
                leave_checksums_to_devices(namespace, device)
            for device in ("behind", made.wire):    # a router asks for neighbours from such a one
                made.inside.run("ip", "addr", "add", "fe80::1/64", "dev", device, "nodad")
            for namespace, v4, v6 in ((server, "10.78.1.1", "fd78::1"),
                                      (made.outside, made.inside_v4, made.inside_v6)):
                namespace.run("ip", "route", "add", "default", "via", v4)
                namespace.run("ip", "-6", "route", "add", "default", "via", v6)
            leave_checksums_to_devices(made.outside, made.far)
            made.inside.run("ethtool", "-K", made.wire, "tx", "off")
            yield made, server
        finally:
            if server:
                server.delete()


@pytest.mark.parametrize("address", ("10.78.1.2", "fd78::2"))
@pytest.mark.parametrize("device, hook", (("behind", "egress"), ("wire", "ingress")))
def test_an_unfinished_checksum_spoils_no_answer(routed, programs, device, hook, address):
    pair, server = routed
    attach(pair.inside, device, hook, programs)
    with servers(server, *PORTS):
        check_all_clients(pair.outside, address)


@pytest.mark.parametrize("device, hook", (("behind", "egress"), ("wire", "ingress")))
def test_an_established_stream_is_reset_in_the_midst_of_its_big_segments(routed, programs, device,
                                                                        hook):
    pair, server = routed
    with server.socket(socket.AF_INET, socket.SOCK_STREAM) as listener, \
            pair.outside.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        listener.bind(("", REJECTED))
        listener.listen()
        client.settimeout(SOON_S)
        client.connect(("10.78.1.2", REJECTED))
        attach(pair.inside, device, hook, programs)
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            while True:
                client.sendall(bytes(1 << 16))


@pytest.mark.parametrize("device, hook", (("behind", "egress"), ("wire", "ingress")))
def test_datagrams_still_to_be_cut_are_refused(routed, programs, device, hook):
    pair, _ = routed
    attach(pair.inside, device, hook, programs)
    with pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
        client.settimeout(SOON_S)
        client.connect(("10.78.1.2", REJECTED))
        client.send(bytes(9000))
        with pytest.raises(ConnectionRefusedError):
            client.recv(100)


class Tap:
    """Frames that arrive at a device, with the tag and the checksum's state from the side."""

    def __init__(self, namespace, device):
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((device, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.settimeout(SOON_S)

    def send(self, frame):
        self.socket.send(raw(frame))

    def answer(self, wanted):
        """(frame, status, tag) of the first frame that came in and is wanted."""
        found = []

        def look():
            data, aside, _, source = self.socket.recvmsg(2048, 100)
            status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", aside[0][2])
            if source[2] != socket.PACKET_OUTGOING and wanted(Ether(data)):
                found.append((Ether(data), status, tci if status & VLAN_VALID else None))
            return found
        return wait_for(look, "an answer", SOON_S)[0]

    def close(self):
        self.socket.close()


@pytest.mark.parametrize("hook", ("ingress", "xdpdrv"))
def test_answers_leave_with_their_checksums_done(joined, programs, hook):
    attach_inside(joined, hook, programs)
    with contextlib.closing(Tap(joined.outside, joined.far)) as tap:
        connect_error(joined.outside, joined.inside_v4, REJECTED)
        frame, status, _ = tap.answer(lambda f: TCP in f)
        datagram_error(joined.outside, joined.inside_v6, REJECTED)
        error, error_status, _ = tap.answer(lambda f: IPv6 in f and f[IPv6].nh == 58 and
                                            f[IPv6].payload.type == 1)
    for f, s in ((frame, status), (error, error_status)):
        assert not s & CSUM_NOT_READY
        again = f.copy()
        for layer in (IP, TCP):
            if layer in again:
                del again[layer].chksum
        assert raw(again) == raw(f)


def test_tags_are_sent_back_wherever_they_were_kept(joined, programs):
    attach(joined.inside, joined.wire, "ingress", programs)
    attach(joined.inside, joined.wire, "egress", programs)
    shown = joined.inside.run("ip", "-j", "link", "show", joined.wire).stdout
    mac = json.loads(shown)[0]["address"]
    packet = IP(src=joined.outside_v4, dst=joined.inside_v4) / UDP(sport=9, dport=REJECTED)
    ether = Ether(src="02:00:00:00:00:09", dst=mac)
    with contextlib.closing(Tap(joined.outside, joined.far)) as tap:
        tap.send(ether / Dot1Q(vlan=7) / packet)
        frame, _, tag = tap.answer(lambda f: ICMP in f)
        assert (tag, frame.type, frame.dst) == (7, 0x0800, "02:00:00:00:00:09")
        tap.send(ether / Dot1Q(vlan=8) / Dot1Q(vlan=9) / packet)
        frame, _, tag = tap.answer(lambda f: ICMP in f)
        assert (tag, frame[Dot1Q].vlan, frame[ICMP].code) == (8, 9, 3)


# --- devices without a link header ---------------------------------------------------------------

@contextlib.contextmanager
def without_link_header(programs, ifindex):
    """Says so of a device, as the daemon does: by abi/maps.h, in the first cell of its number."""
    def say(*cell):
        bpftool("map", "update", "pinned", programs / "cfg_iface",
                "key", "hex", *struct.pack("=I", ifindex % 256).hex(" ").split(),
                "value", "hex", *struct.pack("=IHH", *cell).hex(" ").split())
    say(ifindex, 0, 1)
    yield
    say(0, 0, 0)


@pytest.fixture
def tun(joined, programs):
    with joined.inside.entered():
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("=16sH", b"tun9", IFF_TUN | IFF_NO_PI))
    joined.inside.run("ip", "addr", "add", "10.79.1.1/24", "dev", "tun9")
    joined.inside.run("ip", "link", "set", "tun9", "up")
    joined.inside.run("ip", "-6", "addr", "add", "fd79::1/64", "dev", "tun9", "nodad")
    os.set_blocking(device, False)
    with joined.inside.entered():
        ifindex = socket.if_nametoindex("tun9")
    with without_link_header(programs, ifindex):
        yield device
    os.close(device)


@pytest.mark.parametrize("address", ("10.79.1.2", "fd79::2"))
def test_clients_on_this_host_are_refused_through_a_tun(joined, tun, programs, address):
    attach(joined.inside, "tun9", "egress", programs)
    client, refused = joined.inside, errno.ECONNREFUSED
    assert connect_error(client, address, REJECTED) == refused
    assert connect_error(client, address, PROHIBITED) == PROHIBITED_ERRNO[":" in address]
    assert datagram_error(client, address, REJECTED) == refused


def test_packets_from_a_tun_are_answered_into_it(joined, tun, programs):
    attach(joined.inside, "tun9", "ingress", programs)
    attach(joined.inside, "tun9", "egress", programs)

    def answer(packet, protocol):
        os.write(tun, raw(packet))

        def look():
            try:
                data = os.read(tun, 2048)
            except BlockingIOError:
                return None
            got = IPv6(data) if data[0] >> 4 == 6 else IP(data)
            return [got] if (got.nh if IPv6 in got else got.proto) == protocol else None
        return wait_for(look, "an answer", SOON_S)[0]

    got = answer(IP(src="10.79.1.2", dst="10.79.1.1") / TCP(sport=7, dport=REJECTED, seq=6), 6)
    assert (got.src, got[TCP].flags, got[TCP].ack) == ("10.79.1.1", "RA", 7)
    got = answer(IPv6(src="fd79::2", dst="fd79::1") / UDP(sport=7, dport=PROHIBITED), 58)
    assert (got.src, got.payload.type, got.payload.code) == ("fd79::1", 1, 1)
