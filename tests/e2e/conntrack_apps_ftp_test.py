# SPDX-License-Identifier: Apache-2.0
"""FTP with a default policy that denies and a rule for port 21 alone: data connections, whoever
opens them, pass by what the control connection says, and by nothing else."""
import contextlib
import errno
import ftplib
import socket

import pytest

from harness.chain import FAMILIES
from harness.guarded import ONWARD, PLACES, Site, chain, home, wanted      # noqa: F401
from harness.programs import FTP, SMALL
from harness.wait import SLOWNESS, wait_for

CONTROL = {"name": "ftp", "direction": "ingress", "proto": "tcp", "dport": str(FTP),
           "state": "new", "action": "allow"}
INNER = {**CONTROL, "interface": "lan"}
SITES = {
    "gateway-xdp": PLACES["gateway-xdp"]._replace(rules=[INNER]),
    "gateway-tc": PLACES["gateway-tc"]._replace(rules=[INNER, ONWARD]),
    "host-asks-xdp": PLACES["host-asks-xdp"]._replace(rules=[]),
    "host-serves-tc": PLACES["host-serves-tc"]._replace(rules=[CONTROL]),
}
# How curl asks for the data connection; those with v4 know IPv4 alone.
WAYS = {"epsv": [], "pasv-v4": ["--disable-epsv"], "eprt": ["--ftp-port", "-"],
        "port-v4": ["--ftp-port", "-", "--disable-eprt"]}
CASES = [(way, family) for way in WAYS for family in FAMILIES
         if family == 4 or not way.endswith("v4")]
each_case = pytest.mark.parametrize("way, family", CASES)
# Where even without the helper a rule, or the policy of what leaves, speaks for the connection.
NEED_NO_HELP = {("host-asks-xdp", "epsv"), ("host-asks-xdp", "pasv-v4"),
                ("host-serves-tc", "eprt"), ("host-serves-tc", "port-v4")}


@pytest.fixture(scope="module")
def ftp_servers(chain, home):
    with home.serving_ftp(chain.client), home.serving_ftp(chain.server):
        yield home


@pytest.fixture(scope="module", params=wanted(*SITES))
def site(request, chain, ftp_servers):
    with Site(chain, SITES[request.param], helpers={"ftp": [FTP]}) as made:
        made.name, made.home = request.param, ftp_servers
        yield made


@pytest.fixture(scope="module", params=wanted(*SITES))
def helpless(request, chain, ftp_servers):
    with Site(chain, SITES[request.param]) as made:
        made.name, made.home = request.param, ftp_servers
        yield made


def fetch(site, way, family, name, seconds=20):
    address = site.target(family)
    host = f"[{address}]" if family == 6 else address
    return site.asker.run("curl", "-sS", "-m", seconds, *WAYS[way], f"ftp://{host}/{name}",
                          text=False, check=False)


@each_case
def test_file_arrives_whichever_end_opens_the_data_connection(site, way, family):
    for name in ("slow", "small"):
        done = fetch(site, way, family, name)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (site.home.path / "www" / name).read_bytes()


@each_case
def test_without_the_helper_the_data_connection_is_not_let_in(helpless, way, family):
    done = fetch(helpless, way, family, "small", 2 * SLOWNESS)
    assert (done.returncode == 0) == ((helpless.name, way) in NEED_NO_HELP), done.stderr


@contextlib.contextmanager
def logged_in(site, family):
    with site.asker.entered():
        ftp = ftplib.FTP(timeout=10 * SLOWNESS)
        ftp.connect(site.target(family), FTP)
    try:
        ftp.login()
        ftp.voidcmd("TYPE I")
        yield ftp
    finally:
        ftp.close()


def knock(namespace, family, address, port):
    """A connection is begun, and not waited for."""
    sock = namespace.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    sock.setblocking(False)
    assert sock.connect_ex((address, port)) == errno.EINPROGRESS
    return sock


def fetched(ftp, connect):
    ftp.sendcmd("RETR small")
    with connect() as data:
        data.settimeout(10 * SLOWNESS)
        text = data.makefile().read()
    ftp.voidresp()
    return text


@pytest.mark.parametrize("family", FAMILIES)
def test_agreed_port_is_open_to_the_other_end_alone(site, family):
    with logged_in(site, family) as ftp, contextlib.ExitStack() as stack:
        with site.asker.entered():
            listener = ftp.makeport() if site.place.asker == "client" else None
        if listener:
            stack.enter_context(listener)
            address, port, other = site.source(family), listener.getsockname()[1], site.answerer
        else:
            address, port, other = site.target(family), ftp.makepasv()[1], site.asker
        dropped = site.drops()
        stack.enter_context(knock(site.chain.far, family, address, port))
        stack.enter_context(knock(other, family, address, port ^ 1))
        wait_for(lambda: site.drops() >= dropped + 2, "both are dropped")
        if listener:
            listener.settimeout(10 * SLOWNESS)
            assert fetched(ftp, lambda: listener.accept()[0]) == SMALL
        else:
            with site.asker.entered():
                data = socket.create_connection((address, port), 10 * SLOWNESS)
            assert fetched(ftp, lambda: data) == SMALL
