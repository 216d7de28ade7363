# SPDX-License-Identifier: Apache-2.0
"""Paths that are narrow or wide, behind default policies that deny: routers' errors about what was
sent come back, so every transfer finishes."""
import hashlib
import json

import pytest

from harness.chain import FAMILIES, Chain, server_address
from harness.guarded import PLACES, Site, chain, home, serving, wanted      # noqa: F401
from harness.programs import IPERF, WEB, url

each_family = pytest.mark.parametrize("family", FAMILIES)
HEADERS = {4: 28, 6: 48}        # of IP and ICMP


@pytest.fixture(scope="module", params=wanted("gateway-xdp", "gateway-tc", "host-asks-xdp",
                                              "host-serves-tc"))
def site(request, chain, serving):
    with Site(chain, PLACES[request.param]) as made:
        yield made


@pytest.fixture(params=[1280, 1400])
def mtu(request, chain):
    chain.narrow(request.param)
    yield request.param
    chain.narrow(1500)


def mtu_learned(chain, family):
    """What the client's kernel was told of its path to the server."""
    rows = chain.client.run("ip", "-j", f"-{family}", "route", "get",
                            server_address(family)).stdout
    metrics = json.loads(rows)[0].get("metrics") or [{}]
    return metrics[0].get("mtu")


def related(site):
    return site.daemon.reasons().get("pass_related", 0)


def sent_by_client(site, serving, family):
    """The hash of what arrives of a file that the client sends, on whichever side it asks."""
    if site.place.asker == "server":
        body = site.asker.run("curl", "-sSf", "-m", 40, url(site.target(family), "big"),
                              text=False).stdout
        return hashlib.sha256(body).hexdigest()
    with open(serving.path / "www" / "big", "rb") as file:
        return site.asks(*serving.ssh(site.target(family), "sha256sum"), stdin=file).split()[0]


@each_family
def test_transfer_over_a_narrow_link_finishes(site, serving, family, mtu):
    before, dropped = related(site), site.drops()
    assert mtu_learned(site.chain, family) is None
    assert sent_by_client(site, serving, family) == serving.hashes["big"]
    assert mtu_learned(site.chain, family) == mtu
    assert related(site) > before and site.drops() == dropped


@each_family
def test_ping_is_told_that_it_was_too_long(site, family, mtu):
    words = ["ping", "-c1", "-W2", "-M", "do", "-s"]
    client, server, dropped = site.chain.client, server_address(family), site.drops()
    size = mtu - HEADERS[family]
    assert client.run(*words, size, server, check=False).returncode == 0
    told = client.run(*words, size + 1, server, check=False)
    assert f"mtu={mtu}" in (told.stdout + told.stderr).replace("mtu = ", "mtu=").replace(
        "mtu: ", "mtu="), told.stdout + told.stderr
    assert site.drops() == dropped


def test_router_cuts_fragments_into_smaller_ones(site, mtu):
    text = site.chain.client.run("ping", "-c3", "-i0.05", "-W2", "-M", "dont", "-s", 3000,
                                 server_address(4)).stdout
    assert " 3 received" in text and site.drops() == 0


# --- jumbo frames --------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def wide(home):
    with Chain(mtu=9000) as made, home.serving(made.server, WEB, IPERF), \
            home.serving(made.client, WEB, IPERF):
        yield made


@pytest.fixture(scope="module", params=wanted("gateway-xdp", "gateway-tc", "host-asks-xdp",
                                              "host-serves-tc"))
def wide_site(request, wide):
    with Site(wide, PLACES[request.param]) as made:
        yield made


@each_family
def test_jumbo_frames_pass_and_their_replies_too(wide_site, home, family):
    site = wide_site
    text = site.asks("ping", "-c3", "-i0.05", "-W2", "-M", "do", "-s", 9000 - HEADERS[family],
                     site.target(family))
    assert " 3 received" in text
    body = site.asker.run("curl", "-sSf", "-m", 40, url(site.target(family), "big"),
                          text=False).stdout
    assert hashlib.sha256(body).hexdigest() == home.hashes["big"]
    result = json.loads(site.asks("iperf3", "-J", "-n", "20M", "-c", site.target(family), "-p",
                                  IPERF))
    assert result["start"]["tcp_mss_default"] > 8000
    assert result["end"]["sum_received"]["bytes"] > 1_000_000 and site.drops() == 0
