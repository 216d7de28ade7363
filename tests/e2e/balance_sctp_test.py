# SPDX-License-Identifier: Apache-2.0
"""Services of SCTP, byte for byte against scapy, which sums by itself (CRC32c); there are no
sockets of it here."""
import json

import pytest
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.sctp import (SCTP, SCTPChunkCookieAck, SCTPChunkCookieEcho, SCTPChunkData,
                               SCTPChunkInit, SCTPChunkInitAck, SCTPChunkParamStateCookie,
                               SCTPChunkSACK)
from scapy.packet import Raw

from e2e.balance_bytes_test import (BACKEND, CLIENT, OWN, ROUTER, SERVICE, exceeded, packet, passed)
from harness.balanced import FAMILIES, HOOKS
from harness.daemon import Daemon
from harness.gateway import Gateway
from harness.kernel import by_hook

PORT = 2905
SOURCE = {4: "198.19.0.1", 6: "2001:db8:b::1"}
ENDS = {"kept": (PORT, None, PORT), "changed": (PORT, 2906, 2906),
        "range": ("2900-2999", 3900, 3905)}


def config(family, hook, name, source=None):
    port, own, _ = ENDS[name]
    service = {"name": "m3ua", "address": SERVICE[family], "port": port, "proto": "sctp",
               "backends": [{"address": BACKEND[family], **({"port": own} if own else {})}],
               **({"source": source} if source else {})}
    interfaces = [{"name": side, "hook": hook, "egress": True} for side in ("left", "right")]
    return (f"api: {{listen: off}}\ninterfaces: {json.dumps(interfaces)}\n"
            "conntrack: {enabled: auto, capacity: 1000, half-open: 1000}\n"
            f"balance: {json.dumps({'services': [service]})}\n")


@pytest.fixture(scope="module")
def gateway():
    with Gateway("sctp") as made:
        yield made


def talk():
    """An association: is it an answer, its tag, its chunk. The ends give themselves 17 and 34."""
    window = {"a_rwnd": 65535, "n_out_streams": 2, "n_in_streams": 2}
    cookie = SCTPChunkParamStateCookie(cookie=b"0123456789abcdef")
    return [(False, 0, SCTPChunkInit(init_tag=17, init_tsn=1, **window)),
            (True, 17, SCTPChunkInitAck(init_tag=34, init_tsn=9, params=[cookie], **window)),
            (False, 34, SCTPChunkCookieEcho(cookie=b"0123456789abcdef")),
            (True, 17, SCTPChunkCookieAck()),
            (False, 34, SCTPChunkData(tsn=1, stream_id=0, beginning=1, ending=1,
                                      data=b"odd" * 333)),
            (True, 17, SCTPChunkSACK(cumul_tsn_ack=1, a_rwnd=65000))]


def sctp(sport, dport, tag, chunk, **more):
    return SCTP(sport=sport, dport=dport, tag=tag, **more) / chunk.copy()


def both(family, there, is_answer, tag, chunk, **more):
    """Sent, and what leaves of it."""
    client, service, backend = CLIENT[family], SERVICE[family], BACKEND[family]
    if is_answer:
        return (("right", packet(backend, client, sctp(there, OWN, tag, chunk, **more))),
                ("left", bytes(packet(service, client, sctp(PORT, OWN, tag, chunk, **more),
                                      hops=63))))
    return (("left", packet(client, service, sctp(OWN, PORT, tag, chunk, **more))),
            ("right", bytes(packet(client, backend, sctp(OWN, there, tag, chunk, **more),
                                   hops=63))))


@pytest.fixture(params=by_hook([(hook, family, name) for hook in ("tc", "xdp-generic")
                                for family in FAMILIES for name in ENDS]),
                ids=lambda row: "-".join(map(str, row)))
def service(request, gateway):
    hook, family, name = request.param
    with Daemon(gateway.inside, config=config(family, hook, name)) as gateway.daemon:
        yield family, ENDS[name][2]


def test_an_association_is_translated_and_its_sums_are_right(gateway, service):
    family, there = service
    for step in talk():
        sent, left = both(family, there, *step)
        assert passed(gateway, sent) == [left]
    row, = gateway.daemon.ask("flow", "list", "proto=sctp")["flows"]
    assert (row["dst"], row["dport"]) == (SERVICE[family], PORT)
    row, = gateway.daemon.ask("lb", "status")["connections"]
    assert (row["protocol"], row["target"], row["target_port"]) == ("sctp", BACKEND[family], there)
    assert gateway.daemon.status()["balance"]["chosen"] == 1
    assert not [name for name in gateway.daemon.reasons() if name.startswith("drop")]


def test_an_error_about_it_is_the_backends(gateway, service):
    family, there = service
    client, backend = CLIENT[family], BACKEND[family]
    for step in talk()[:2]:
        sent, left = both(family, there, *step)
        assert passed(gateway, sent) == [left]

    def told(known_as, port, to, hops):
        # A sum that is quoted stays as it was: nobody takes it over a part of a packet.
        held = packet(known_as, client, sctp(port, OWN, 17, SCTPChunkCookieAck(),
                                             chksum=0x12345678))
        return packet(ROUTER[family], to, exceeded(family) / held, hops=hops)

    sent = told(SERVICE[family], PORT, SERVICE[family], 64)
    if family == 4 or there == PORT:
        left = told(backend, there, backend, 63)
        assert passed(gateway, ("left", sent)) == [("right", bytes(left))]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_clients_have_ports_of_their_own(gateway, family, hook):
    source = SOURCE[family]
    with Daemon(gateway.inside, config=config(family, hook, "changed", source)) as daemon:
        gateway.daemon = daemon
        stands = None
        for is_answer, tag, chunk in talk():
            if is_answer:
                sent = "right", packet(BACKEND[family], source, sctp(2906, stands, tag, chunk))
                wanted = "left", packet(SERVICE[family], CLIENT[family],
                                        sctp(PORT, OWN, tag, chunk), hops=63)
            else:
                sent = "left", packet(CLIENT[family], SERVICE[family], sctp(OWN, PORT, tag, chunk))
            (side, left), = passed(gateway, sent)
            if not is_answer:
                stands = stands or (IP if family == 4 else IPv6)(left)[SCTP].sport
                wanted = "right", packet(source, BACKEND[family], sctp(stands, 2906, tag, chunk),
                                         hops=63)
            assert (side, left) == (wanted[0], bytes(wanted[1]))
        assert 1024 <= stands < 32768


def fragments(family, src, dst, dport, hops=64):
    chunk = SCTPChunkInit(init_tag=17, a_rwnd=65535, n_out_streams=2, n_in_streams=2, init_tsn=1)
    whole = bytes(packet(src, dst, sctp(OWN, dport, 0, chunk) / Raw(bytes(100)), hops=hops))
    data = whole[20:]
    return [IP(src=src, dst=dst, ttl=hops, id=77, proto=132, frag=at, flags=more) / Raw(part)
            for part, at, more in ((data[:64], 0, 1), (data[64:], 8, 0))]


@pytest.mark.parametrize("name", ("kept", "changed"))
def test_fragments_pass_where_the_port_stays_and_are_counted_where_it_cannot(gateway, name):
    with Daemon(gateway.inside, config=config(4, "tc", name)) as daemon:
        gateway.daemon = daemon
        sent = fragments(4, CLIENT[4], SERVICE[4], PORT)
        left = [("right", bytes(one)) for one in fragments(4, CLIENT[4], BACKEND[4], PORT, 63)]
        got = passed(gateway, *(("left", one) for one in sent))
        assert got[:1] == (left[:1] if name == "kept" else left[1:])
        assert daemon.status()["balance"]["no_way"] == (name == "changed")
