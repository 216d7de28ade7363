# SPDX-License-Identifier: Apache-2.0
"""What the SYN proxy does where the kernel has less: relays in place of handing over, leaves XDP
alone without a program behind it, and limits SYNs where it has no cookies."""
import json
import random
import re
import socket
import struct
import threading

import pytest

from harness.clients import servers
from harness.kernel import hooks, release
from harness.net import Pair
from harness.older import OlderDaemon
from harness.wait import SLOWNESS, wait_for

PORT = 8080
HOOKS = hooks("tc", "xdp-generic")
ADDRESSES = ("inside_v4", "inside_v6")
has_cookies = pytest.mark.skipif(release() < (6, 0), reason="raw cookies by Linux 6.0")


def config(*services, hook="tc"):
    return (f"api: {{listen: off}}\ninterfaces: [{{name: wire, hook: {hook}}}]\n"
            f"synproxy: {json.dumps({'services': services})}\n")


ALWAYS = {"ports": str(PORT), "mode": "always"}


@pytest.fixture
def joined():
    with Pair("older", addresses=True) as made:
        # Who forwards asks for neighbours from a link-local address, which none has by itself.
        for namespace, device, host in ((made.inside, "wire", 1), (made.outside, "far", 2)):
            namespace.run("ip", "addr", "add", f"fe80::{host}/64", "dev", device, "nodad")
        yield made


def listening(joined, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = joined.inside.socket(family, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, PORT))
    server.listen(64)
    server.settimeout(20 * SLOWNESS)
    return server


def connecting(joined, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = joined.outside.socket(family, socket.SOCK_STREAM)
    client.settimeout(20 * SLOWNESS)
    client.connect((address, PORT))
    return client


def receive(sock, count):
    data = bytearray()
    while len(data) < count:
        more = sock.recv(1 << 20)
        assert more, f"ends behind {len(data)} of {count} bytes"
        data += more
    return bytes(data)


def options(connection):
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return info[5] & 7, info[6], struct.unpack_from("I", info, 16)[0]


def transferred(joined, address, text):
    """Options as both ends have them, once the text has gone both ways."""
    with listening(joined, address) as server, connecting(joined, address) as client, \
            server.accept()[0] as accepted:
        accepted.settimeout(20 * SLOWNESS)
        for sender, receiver in ((client, accepted), (accepted, client)):
            thread = threading.Thread(target=sender.sendall, args=(text,))
            thread.start()
            assert receive(receiver, len(text)) == text
            thread.join()
        return options(client), options(accepted)


def shown(daemon):
    return daemon.ask("synproxy", "show")


@has_cookies
@pytest.mark.parametrize("where", ADDRESSES)
@pytest.mark.parametrize("hook", HOOKS)
def test_before_handing_over_a_listener_is_relayed_to(joined, hook, where):
    text = random.Random(where).randbytes(8 << 20)
    address = getattr(joined, where)
    with OlderDaemon(joined.inside, "6.8", config=config(hook=hook)) as daemon:
        without = transferred(joined, address, text)
        daemon.apply(config(ALWAYS, hook=hook))
        assert transferred(joined, address, text) == without
        row = shown(daemon)
        assert (row["answered"], row["proven"], row["relayed"], row["handed"]) == (1, 1, 1, 0)
        assert "lacks" not in row and not daemon.reasons().get("drop_cookie")


@has_cookies
def test_without_a_program_behind_xdp_syns_there_are_left_to_the_listener(joined):
    text = config(ALWAYS, hook="xdp-generic")
    with OlderDaemon(joined.inside, "6.1", config=text) as daemon:
        transferred(joined, joined.inside_v4, b"x" * 1000)
        assert shown(daemon)["answered"] == 0
        said = daemon.offline("check", "-", input=text).stderr
        assert "SYNs that arrive at XDP are not answered" in said and "Linux 6.6" in said
        daemon.apply(config(ALWAYS))
        transferred(joined, joined.inside_v4, b"x" * 1000)
        assert (shown(daemon)["answered"], shown(daemon)["relayed"]) == (1, 1)


def limits(daemon):
    return {row["name"]: row for row in daemon.ask("limit", "show")["limits"]}


def syns_that_pass(joined, daemon, count):
    before = daemon.reasons().get("drop_limit", 0)
    sent = joined.outside.run("hping3", "-S", "-p", PORT, "-c", count, "-i", "u100", "-q",
                              joined.inside_v4, check=False).stderr
    assert f"{count} packets transmitted" in sent, sent
    return count - daemon.reasons().get("drop_limit", 0) + before


def test_without_cookies_limits_stand_in(joined):
    text = config(ALWAYS, {"ports": "9000-9100, 22"})
    with OlderDaemon(joined.inside, "5.15", config=text) as daemon, servers(joined.inside, PORT):
        wait_for(lambda: {"synproxy-0", "synproxy-1"} <= limits(daemon).keys(), "both stand")
        row = limits(daemon)["synproxy-0"]
        assert (row["rate"], row["burst"], row["per"]) == ("50/s", 200, "source/32,/64")
        assert row["matches"] == "ingress tcp syn dport 8080"
        row = shown(daemon)
        assert "Linux 6.0" in row["lacks"] and "Linux 6.0" in daemon.status()["synproxy"]["lacks"]
        assert not row["services"][0]["answering"]
        said = daemon.offline("check", "-", input=text).stderr
        assert re.search("SYNs are not answered.*6.0", said), said
        assert 200 <= syns_that_pass(joined, daemon, 1000) <= 300
        assert shown(daemon)["answered"] == 0


def ports_of(daemon):
    """Those that the first limit is about."""
    return limits(daemon).get("synproxy-0", {"matches": "none"})["matches"].split()[-1]


def test_limits_that_stand_in_follow_the_services(joined):
    with OlderDaemon(joined.inside, "5.15", config=config(ALWAYS)) as daemon:
        wait_for(lambda: "synproxy-0" in limits(daemon), "it stands")
        daemon.apply(config({"ports": "81"}))
        wait_for(lambda: ports_of(daemon) == "81", "it follows")
        daemon.restart()
        wait_for(lambda: ports_of(daemon) == "81", "it stands")
        daemon.apply(config())
        wait_for(lambda: "synproxy-0" not in limits(daemon), "it goes")


def test_a_limit_of_such_a_name_is_its_owners(joined):
    with OlderDaemon(joined.inside, "5.15", config=config()) as daemon:
        daemon.ask("limit", "add", "synproxy-0", "--proto", "icmp", "--packets", "5/s")
        daemon.apply(config(ALWAYS))
        wait_for(lambda: "no limit stands in for services[0]" in daemon.log(), "it is told")
        assert limits(daemon)["synproxy-0"]["rate"] == "5/s"
        daemon.ask("limit", "del", "synproxy-0")
        wait_for(lambda: ports_of(daemon) == str(PORT), "it stands")


def test_without_tracking_it_is_refused_there_too(joined):
    with OlderDaemon(joined.inside, "5.15", config=config()) as daemon:
        done = daemon.verb("check", "-", text=config(ALWAYS) + "conntrack: {enabled: false}\n")
        assert done.returncode and "connections are not tracked" in done.stderr


@pytest.mark.parametrize("version, lacking", (("5.15", ["SYN cookies", "SYN hand-over"]),
                                              ("6.1", ["SYN hand-over"])))
def test_doctor_says_what_is_lacking_and_what_stands_in(joined, version, lacking):
    with OlderDaemon(joined.inside, version) as daemon:
        done = daemon.offline("doctor", "--json")
        rows = {row["check"]: row for row in json.loads(done.stdout)["checks"]}
        named = [name for name in ("SYN cookies", "SYN hand-over")
                 if rows[name]["level"] == "warning"]
        assert named == lacking
        assert "relayed" in rows["SYN hand-over"]["found"]
