# SPDX-License-Identifier: Apache-2.0
"""The same traffic through IPVS and through Weir, in one kernel: what clients, backends and routers
see of the one they see of the other, or the difference stands here in words."""
import contextlib
import json
import random
import socket
import struct

import pytest
from scapy.layers.inet import TCP, UDP

from harness.cluster import BACKEND_PORT, BACKENDS, PORT, SERVICE, Client, serving
from harness.daemon import Daemon
from harness.ipvs import Ipvs, lacking
from harness.road import Road, address
from harness.seen import Watch, described, network
from harness.told import DISCOVER, asking_backend, asking_client, told
from harness.wait import SLOWNESS

if lacking("ip_vs_rr", "ip_vs_wrr"):
    pytest.skip(str(lacking("ip_vs_rr", "ip_vs_wrr")), allow_module_level=True)
FAMILIES = (4, 6)
ONE = (1, None, None)
TTL = {4: (socket.IPPROTO_IP, socket.IP_TTL), 6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS)}
MTU = 1300
OWN = 40001
TOS = {4: (socket.IPPROTO_IP, socket.IP_TOS), 6: (socket.IPPROTO_IPV6, socket.IPV6_TCLASS)}
MARKED = 0xb9                   # EF, and ECT(1)
HEADERS = {4: 20, 6: 40}
# Of IPVS and of Weir; the family of the backend's own address, None: the service's.
WAYS = {"l2": ("-g", None), "ipip-4": ("-i", 4), "ipip-6": ("-i", 6)}


def policy(family, weights, proto, scheduler, forward, ends, port):
    """`ends`: addresses of backends; those without a weight are not there."""
    backends = [{"address": address, "weight": weight, **({"port": port} if port else {})}
                for address, weight in zip(ends, weights) if weight is not None]
    service = {"name": "echo", "address": SERVICE[family], "port": PORT, "proto": proto,
               "forward": forward, "scheduler": scheduler, "backends": backends}
    return ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
            f"balance: {json.dumps({'services': [service]})}\n")


START = policy(4, (1,), "tcp", "maglev", "nat", BACKENDS[4], BACKEND_PORT)
each_family = pytest.mark.parametrize("family", FAMILIES)
each_proto = pytest.mark.parametrize("proto", ("tcp", "udp"))


class Weir:
    """As Ipvs of the harness."""

    def __init__(self, daemon):
        self.daemon = daemon

    def serve(self, family, weights, proto="tcp", scheduler="round-robin", forward="nat",
              ends=None, port=BACKEND_PORT):
        self.text = lambda weights: policy(family, weights, proto, scheduler, forward,
                                           ends or BACKENDS[family], port)
        self.weigh(weights)

    def weigh(self, weights):
        self.daemon.apply(self.text(weights))


@pytest.fixture(scope="module")
def sides():
    """Two roads that know nothing of one another, and who stands on each."""
    with Road() as one, Road() as other, Daemon(other.gateway, config=START) as daemon:
        yield (one, Ipvs(one.gateway)), (other, Weir(daemon))


def both(sides, look, family, weights=(1, 1, 1), proto="tcp", schedulers=("rr", "round-robin")):
    """What look(road, it) gives of IPVS, and of Weir."""
    found = []
    for (road, it), scheduler in zip(sides, schedulers):
        it.serve(family, weights, proto, scheduler)
        found.append(look(road, it))
    return found


@contextlib.contextmanager
def all_serving(sides, family, proto="tcp"):
    with contextlib.ExitStack() as stack:
        for road, _ in sides:
            stack.enter_context(serving(road, family, proto))
        yield


class Bound(Client):
    """A client with a port of its own, that leaves nothing of its connection behind."""

    def __init__(self, cluster, family, proto="tcp", port=OWN):
        def made(*kind):
            sock = cluster.client.socket(*kind)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if proto == "tcp":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.bind(("", port))
            return sock

        place = type("Place", (), {"socket": staticmethod(made)})
        super().__init__(type("Cluster", (), {"client": place}), family, proto)


# --- what is sent, and what stands on the wire ----------------------------------------------------

def of(road, family, proto):
    """What arrives at the backend and at the client, of one exchange. Acknowledgements come when
    they like."""
    layer = TCP if proto == "tcp" else UDP

    def is_wanted(ip):
        return layer in ip and (proto == "udp" or "S" in str(ip[TCP].flags) or
                                bytes(ip[TCP].payload))

    with Watch(road.backends, "eth0", family) as there, \
            Watch(road.client, "eth0", family) as here, Bound(road, family, proto) as client:
        if proto == "tcp":
            assert client.echoes(b"first")
        else:
            assert client.ask(b"first") == b"first"
        rows = [(name, described(ip))
                for name, watch, count in (("backend", there, 1 + (proto == "tcp")),
                                           ("client", here, 1 + 2 * (proto == "tcp")))
                for ip in watch.matching(is_wanted, count)]
    return rows


@each_proto
@each_family
def test_packets_are_translated_alike(sides, family, proto):
    with all_serving(sides, family, proto):
        ipvs, weir = both(sides, lambda road, _: of(road, family, proto), family, ONE, proto)
    assert weir == ipvs
    assert all(row["sound"] for _, row in weir)
    assert {row["dst"] for name, row in weir if name == "backend"} == {BACKENDS[family][0]}
    assert {row["src"] for name, row in weir if name == "client"} == {SERVICE[family]}


@each_family
def test_streams_and_datagrams_arrive_as_they_were(sides, family):
    text = random.Random(family).randbytes(1 << 18)

    def stream(road, _):
        with Client(road, family) as client:
            return client.echoes(text), client.own == client.peer

    def datagrams(road, _):
        with Client(road, family, "udp") as client:
            return [client.ask(text[:size]) == text[:size] for size in (0, 1, 1400, 6000)]

    with all_serving(sides, family):
        assert both(sides, stream, family) == [(True, True)] * 2
    with all_serving(sides, family, "udp"):
        assert both(sides, datagrams, family, proto="udp") == [[True] * 4] * 2


# --- who gets what -------------------------------------------------------------------------------

def names(road, family, count):
    found = []
    for _ in range(count):
        with Client(road, family) as client:
            found.append(BACKENDS[family].index(client.backend))
    return found


@each_family
@pytest.mark.parametrize("weights, schedulers", (((1, 1, 1), ("rr", "round-robin")),
                                                 ((5, 1, 1), ("wrr", "round-robin"))))
def test_turns_are_shared_alike(sides, family, weights, schedulers):
    """As many each in any full round; the order is not the same."""
    rounds, length = 3, sum(weights)

    def look(road, _):
        found = names(road, family, rounds * length)
        return [sorted(found[at:at + length]) for at in range(0, len(found), length)]

    with all_serving(sides, family):
        ipvs, weir = both(sides, look, family, weights, schedulers=schedulers)
    turn = [index for index, weight in enumerate(weights) for _ in range(weight)]
    assert weir == ipvs == [turn] * rounds


@each_family
def test_who_is_drained_keeps_what_lives(sides, family):
    def look(road, it):
        with Client(road, family) as old:
            it.weigh((0, 1, None))
            goes_on = old.echoes(b"on and on")
            with contextlib.ExitStack() as stack:
                new = [stack.enter_context(Client(road, family)) for _ in range(4)]
                return old.backend, goes_on, {client.backend for client in new}

    with all_serving(sides, family):
        found = both(sides, look, family, (1, None, None))
    assert found == [(BACKENDS[family][0], True, {BACKENDS[family][1]})] * 2


def test_of_all_that_are_drained_nobody_gets_anything(sides):
    """IPVS answers a connection with an ICMP error, Weir with a reset."""
    def look(road, _):
        try:
            Client(road, 4, seconds=2 / SLOWNESS).close()
            return "served"
        except OSError as error:
            return type(error).__name__

    with all_serving(sides, 4):
        assert both(sides, look, 4, (0, None, None)) == ["ConnectionRefusedError"] * 2


# --- errors --------------------------------------------------------------------------------------

def errors(sides, family, provoke, link=None, answers=True):
    """What provoke(road, client, backend) made a kernel be told, by way of each."""
    def look(road, _):
        with contextlib.ExitStack() as stack:
            if link is not None:
                stack.enter_context(road.narrow(link, MTU))
            backend = stack.enter_context(asking_backend(road, family)) if answers else None
            client = stack.enter_context(asking_client(road, family))
            return provoke(road, client, backend)

    return both(sides, look, family, ONE, "udp")


@each_family
def test_port_unreachable(sides, family):
    def provoke(_, client, __):
        client.sock.send(b"anyone there?")
        return told(client.sock, family)

    ipvs, weir = errors(sides, family, provoke, answers=False)
    assert weir == ipvs


def names_the_router(ipvs, weir, by, family):
    """Else they are alike. IPVS says that the service itself told it."""
    assert weir[3] == by and ipvs == (*weir[:3], SERVICE[family], weir[4])


@each_family
@pytest.mark.parametrize("link, by", ((2, (1, 2)), (3, (2, 2))), ids=("gateway", "far"))
def test_too_big_for_the_way_to_backends(sides, family, link, by):
    def provoke(_, client, __):
        client.sock.setsockopt(*DISCOVER[family])
        client.sock.send(bytes(1400))
        return told(client.sock, family)

    names_the_router(*errors(sides, family, provoke, link), address(*by, family), family)


@each_family
@pytest.mark.parametrize("hops, by", ((1, (0, 2)), (2, (1, 2)), (3, (2, 2))),
                         ids=("near", "gateway", "far"))
def test_hops_that_are_too_few(sides, family, hops, by):
    def provoke(_, client, __):
        client.sock.setsockopt(*TTL[family], hops)
        client.sock.send(b"how far?")
        return told(client.sock, family)

    ipvs, weir = errors(sides, family, provoke)
    if hops == 1:
        assert weir == ipvs     # it has not come so far
    else:
        names_the_router(ipvs, weir, address(*by, family), family)


@each_family
@pytest.mark.parametrize("hops", (1, 2, 3), ids=("far", "gateway", "near"))
def test_answers_with_too_few_hops(sides, family, hops):
    def provoke(_, client, backend):
        client.sock.send(b"and back?")
        _, peer = backend.recvfrom(100)
        backend.setsockopt(*TTL[family], hops)
        backend.sendto(b"how far?", peer)
        number, kind, info, by, about = told(backend, family)
        return number, kind, info, by, list(about) == client.own

    ipvs, weir = errors(sides, family, provoke)
    assert weir == ipvs


@each_family
def test_client_that_is_gone(sides, family):
    def provoke(_, client, backend):
        client.sock.send(b"and away")
        _, peer = backend.recvfrom(100)
        own = client.own
        client.sock.close()
        backend.sendto(b"still there?", peer)
        number, kind, info, by, about = told(backend, family)
        return number, kind, info, by, list(about) == own

    ipvs, weir = errors(sides, family, provoke)
    assert weir == ipvs


# --- direct server return ------------------------------------------------------------------------

def directly(sides, family, way, look):
    """What look(road) gives of a datagram service of one backend: behind a router in a tunnel, or
    that router itself."""
    flag, outer = WAYS[way]
    ends = [BACKENDS[outer][0]] if outer else [address(2, 2, family)]
    (one, ipvs), (other, weir) = sides
    ipvs.serve(family, (1,), "udp", forward=flag, backends=ends, port=PORT)
    weir.serve(family, (1,), "udp", "maglev", way.split("-")[0], ends, None)
    return look(one), look(other)


@each_family
@pytest.mark.parametrize("way", WAYS)
def test_headers_that_a_backend_gets(sides, family, way):
    text, outer = b"as it was, please", WAYS[way][1]

    def look(road):
        with Watch(road.far, "left", outer or family) as watch, \
                Client(road, family, "udp") as client:
            client.sock.setsockopt(*TOS[family], MARKED)
            client.sock.setsockopt(*DISCOVER[family])
            client.sock.send(text)
            ip = watch.matching(lambda ip: bytes(ip).endswith(text))[0]
            return [network(layer) for layer in ((ip, ip.payload) if outer else (ip,))]

    ipvs, weir = directly(sides, family, way, look)
    if WAYS[way][1]:
        # IPVS takes for the outer header what the inner packet has, and IPv6 has no DF.
        assert (ipvs[0].pop("hops"), weir[0].pop("hops")) == (weir[1]["hops"], 64)
    if (family, WAYS[way][1]) == (6, 4):
        assert (ipvs[0].pop("flags"), weir[0].pop("flags")) == ("", "DF")
    assert weir == ipvs


@each_family
@pytest.mark.parametrize("outer", (4, 6))
def test_what_does_not_fit_in_a_tunnel_is_told(sides, family, outer):
    def look(road):
        with asking_client(road, family) as client:
            client.sock.setsockopt(*DISCOVER[family])
            client.sock.send(bytes(1472 - 20 * (family == 6)))
            found = told(client.sock, family)
            road.client.run("ip", f"-{family}", "route", "flush", "cache")
            return found

    ipvs, weir = directly(sides, family, f"ipip-{outer}", look)
    assert weir == ipvs
    assert weir[2] == 1500 - HEADERS[outer]
