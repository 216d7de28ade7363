# SPDX-License-Identifier: Apache-2.0
"""Control connections of FTP that the kernel knew before Weir came, with a policy that lets in
nothing at all: the data connections agreed on from then on pass."""
import contextlib
import errno
import ftplib
import json
import socket
import types

import pytest

from harness.chain import FAMILIES, Chain, client_address, server_address
from harness.daemon import Daemon
from harness.guarded import home      # noqa: F401
from harness.programs import FTP, SMALL
from harness.site import drops
from harness.wait import SLOWNESS, wait_for

# Where Weir is, its devices, their hook, and whether nf_conntrack follows what passes there.
PLACES = {"asks": ("client", ["eth0"], "tc", False), "serves": ("server", ["eth0"], "xdp", False),
          "serves-with-nf": ("server", ["eth0"], "tc", True),
          "gateway-tc": ("gateway", ["lan", "wan"], "tc", True),
          "gateway-xdp": ("gateway", ["lan", "wan"], "xdp", True)}
TRACK = """table inet track {
    chain in { type filter hook input priority 0; ct state new counter; }
    chain over { type filter hook forward priority 0; ct state new counter; }
}"""
WAYS = {"passive": True, "active": False}


def configured(devices, hook):
    """Whoever begins anything but neighbour discovery is refused, in and out."""
    interfaces = [{"name": name, "hook": hook, "egress": True} for name in devices]
    rules = {"policy": [{"ingress": "deny", "egress": "deny"}],
             "rules": [{"name": "neighbours", "proto": "icmpv6", "icmp-type": "131-136,143",
                        "action": "allow"}]}
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            f"conntrack: {{pick-up: false, helpers: {{ftp: [{FTP}]}}}}\n"
            f"rules: {json.dumps(rules)}\n")


class Session:
    """A client that has logged in."""

    def __init__(self, chain, family):
        self.namespace = chain.client
        self.ftp = ftplib.FTP(timeout=10 * SLOWNESS)
        with self.namespace.entered():
            self.ftp.connect(server_address(family), FTP)
        self.ftp.login()
        self.ftp.voidcmd("TYPE I")

    def fetches(self, way):
        pieces = []
        self.ftp.set_pasv(WAYS[way])
        with self.namespace.entered():
            self.ftp.retrbinary("RETR small", pieces.append)
        return b"".join(pieces).decode() == SMALL

    def close(self):
        self.ftp.close()


@pytest.fixture(params=list(PLACES))
def site(request, home):
    where, devices, hook, is_tracked = PLACES[request.param]
    with contextlib.ExitStack() as stack:
        chain = stack.enter_context(Chain())
        place = getattr(chain, where)
        if is_tracked:
            place.run("nft", "-f", "-", input=TRACK)
        stack.enter_context(home.serving_ftp(chain.server))
        sessions = [stack.enter_context(contextlib.closing(Session(chain, family)))
                    for family in FAMILIES]
        daemon = Daemon(place, config=configured(devices, hook))
        request.node.weir_daemons = [daemon]
        stack.callback(daemon.close)
        yield types.SimpleNamespace(daemon=daemon.start(), sessions=sessions)


def conntrack(site):
    return site.daemon.status()["conntrack"]


@pytest.mark.parametrize("way", WAYS)
def test_data_connection_of_a_control_connection_of_before_is_let_in(site, way):
    """Once a line of each side has come by: only then it is known where the next one begins."""
    assert conntrack(site)["adopted"] >= len(site.sessions)
    for session in site.sessions:
        session.ftp.voidcmd("NOOP")
        for _ in range(2):
            assert session.fetches(way)
    row = conntrack(site)
    assert (row["expectations"], row["offers_refused"]) == (2 * len(site.sessions), 0)


def offers(session, family, way):
    """The data connection of an offer is begun, and not waited for: a socket, to be closed."""
    kind = socket.AF_INET if family == 4 else socket.AF_INET6
    if way == "passive":
        sock = session.namespace.socket(kind, socket.SOCK_STREAM)
        sock.setblocking(False)
        assert sock.connect_ex(session.ftp.makepasv()) == errno.EINPROGRESS
        return sock
    with session.namespace.entered():
        sock = socket.create_server((client_address(family), 0), family=kind)
    session.ftp.putcmd(f"EPRT |{1 if family == 4 else 2}|{client_address(family)}|"
                       f"{sock.getsockname()[1]}|")
    return sock


@pytest.mark.parametrize("way", WAYS)
def test_offer_that_is_the_first_line_of_its_side_is_not_heard_and_the_next_is(site, way):
    for family, session in zip(FAMILIES, site.sessions):
        before = sum(drops(site.daemon).values())
        with offers(session, family, way):
            wait_for(lambda: sum(drops(site.daemon).values()) > before, "it is dropped")
        assert session.fetches(way)
    row = conntrack(site)
    assert (row["expectations"], row["offers_refused"]) == (len(site.sessions), 0)
