# SPDX-License-Identifier: Apache-2.0
"""What `weir rule import` makes of a ruleset decides as nft decides: the same packets through the
kernel's nft in one namespace and through Weir with the imported rules in another."""
import json
import random
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.sctp import SCTP
from scapy.packet import Raw

from harness.daemon import WEIR, Daemon
from harness.frames import ether
from harness.net import Pair
from harness.wait import wait_for
from harness.wire import Wire

PACKETS = 1500

# No state and no schedule: what nft does with them depends on more than the packet.
RULES = """
table inet tested {
	set office { type ipv4_addr; flags interval;
		elements = { 192.0.2.0/28, 198.51.100.7-198.51.100.9 } }
	set mine { type ipv6_addr; flags interval; elements = { 2001:db8:1::/48 } }
	map services { type inet_service : verdict;
		elements = { 25 : drop, 80 : jump web, 81 : goto web } }
	chain web {
		ip saddr @office accept
		ip6 saddr 2001:db8:2::/48 return
		tcp flags & (fin | syn | rst | ack) == syn drop
		counter
	}
	chain strangers {
		iifname != "wire" drop
		ip dscp { ef, cs1 } accept
		ip6 dscp != ef return
		udp sport >= 1024 drop
		accept
	}
	chain pre {
		type filter hook prerouting priority 0; policy drop;
		ip frag-off & 0x1fff != 0 ip saddr != @office drop
		tcp flags & (fin | syn) == (fin | syn) drop
		tcp flags ! fin,syn,rst,ack drop
		ip saddr @office tcp dport { 22, 8000-8100 } accept
		ip6 saddr @mine tcp dport != 22 tcp sport 1024-65535 accept
		ip6 saddr @mine ip6 daddr { 2001:db8:9::1, 2001:db8:9::2 } udp dport 53 accept
		tcp dport vmap @services
		ip saddr . udp dport vmap { 203.0.113.1 . 53 : accept, 203.0.113.2 . 53 : drop }
		icmp type { echo-request, echo-reply } icmp code 0 meta length < 100 accept
		icmpv6 type echo-request accept
		meta l4proto { udp, sctp } th dport 1000-2000 th sport != 53 accept
		meta nfproto ipv6 meta l4proto udp jump strangers
		ip protocol udp ip length 0-60 goto strangers
		iifname "wi*" meta l4proto tcp ip daddr 10.0.0.0/25 reject with tcp reset
		ip protocol gre accept
	}
}
"""
# Behind it, what came through is written down by the number it carries.
SEEN = """
table inet seen {
	set v4 { typeof ip id; flags dynamic; size 65535; }
	set v6 { typeof ip6 flowlabel; flags dynamic; size 65535; }
	chain behind {
		type filter hook prerouting priority 10; policy accept;
		add @v4 { ip id }
		add @v6 { ip6 flowlabel }
	}
}
"""
V4 = ["192.0.2.3", "192.0.2.20", "198.51.100.8", "203.0.113.1", "203.0.113.2"]
V6 = ["2001:db8:1::5", "2001:db8:2::5", "2001:db8:3::5"]


def transport(chance, is_v6):
    kind = chance.choice(["tcp", "tcp", "udp", "udp", "icmp", "sctp", "gre"])
    ports = dict(sport=chance.choice([53, 1023, 1024, 40000]),
                 dport=chance.choice([22, 25, 53, 80, 81, 1000, 2000, 8050]))
    if kind == "tcp":
        return TCP(flags=chance.choice(["S", "SA", "A", "F", "SF", "", "R", "PU"]), **ports)
    if kind == "icmp":
        return ICMPv6EchoRequest() if is_v6 else ICMP(type=chance.choice([0, 3, 8]),
                                                      code=chance.choice([0, 0, 1]))
    return {"udp": UDP(**ports), "sctp": SCTP(**ports), "gre": Raw(b"\0\0\x08\0")}[kind]


def packet(chance, number):
    """One that carries `number` where nft can read it."""
    is_v6 = chance.random() < 0.4
    above = transport(chance, is_v6)
    above = above / Raw(b"x" * chance.choice([0, 20, 100]))
    tos = chance.choice([0, 0, 46 << 2, 8 << 2])
    kind = {} if not isinstance(above, Raw) else {"nh" if is_v6 else "proto": 47}
    if is_v6:
        return IPv6(src=chance.choice(V6), tc=tos, fl=number, **kind,
                    dst=chance.choice(["2001:db8:9::1", "2001:db8:9::9"])) / above
    piece = chance.choice([{}, {}, {}, {"flags": "MF"}, {"frag": 100}])
    if "frag" in piece:
        # Kernels differ in whether nft takes what a later fragment begins with for ports.
        above, kind = Raw(bytes(above)), {"proto": 47}
    return IP(src=chance.choice(V4), dst=chance.choice(["10.0.0.1", "10.0.0.200"]), tos=tos,
              id=number, **piece, **kind) / above


@pytest.fixture(scope="module")
def twins():
    with Pair("nft") as nft, Pair("weir") as weir:
        yield nft, weir


def imported(nft):
    """The YAML for what stands in the namespace; nothing may be left out."""
    listed = nft.inside.run("nft", "-j", "list", "table", "inet", "tested").stdout
    done = subprocess.run([WEIR, "rule", "import", "--from", "nft", "-", "--json"], input=listed,
                          stdout=subprocess.PIPE, check=False, text=True)
    answer = json.loads(done.stdout)
    assert (answer["unmapped"], done.returncode) == ([], 0)
    return answer["yaml"]


def passed_by_nft(nft, frames):
    nft.inside.run("nft", "-f", "-", input=SEEN)
    with Wire.inward(nft) as wire:
        wire.send(frames)

    def elements(name):
        listed = json.loads(nft.inside.run("nft", "-j", "list", "set", "inet", "seen",
                                           name).stdout)
        return set(next(row["set"] for row in listed["nftables"] if "set" in row).get("elem", []))
    # The last one is let through by a rule of its own, so that all before it are through too.
    wait_for(lambda: len(frames) in elements("v4"), "the last packet behind nft", 20)
    return elements("v4") | elements("v6")


@pytest.mark.outside
def test_imported_rules_decide_as_nft_does(twins):
    nft, weir = twins
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    packets = [packet(chance, number) for number in range(1, PACKETS + 1)]
    packets[-1] = IP(src="192.0.2.1", dst="10.0.0.1", id=PACKETS) / TCP(dport=22, flags="S")
    frames = [ether() / one for one in packets]
    nft.inside.run("nft", "-f", "-", input=RULES)
    rules = imported(nft)
    there = passed_by_nft(nft, frames)
    untracked = "api: {listen: off}\nconntrack: {enabled: false}\n"
    with Daemon(weir.inside, config=untracked + rules) as daemon:
        daemon.say("interface", "attach", weir.wire)
        with Wire.inward(weir) as wire:
            here = {number + 1 for number in wire.send(frames)}
    assert 100 < len(there) < PACKETS - 100
    differing = sorted(there ^ here)
    assert not differing, (seed, len(differing), [
        (number in there, packets[number - 1].summary()) for number in differing[:10]])
