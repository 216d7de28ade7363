# SPDX-License-Identifier: Apache-2.0
"""Rules on real packets: default policies for all that travels, every hook and direction,
interfaces that come and change their names, and refusals that change nothing."""
import json
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6ND_NS,
                                ICMPv6PacketTooBig, IPv6)
from scapy.layers.ipsec import ESP
from scapy.layers.l2 import GRE, Dot1AD, Dot1Q
from scapy.packet import Raw

from harness import kernel
from harness.daemon import Daemon, Refused
from harness.frames import dressed, ether, fragments, ip, udp
from harness.net import Pair, veth
from harness.wait import wait_for
from harness.wire import Wire

HOOKS = ["xdp", "tc", "xdp-generic", "egress"]
V4, V6 = "198.51.100.7", "2001:db8:7::7"


def configured(rules=(), hook="tc", interface="wire", **section):
    section["rules"] = list(rules)
    return ("api: {listen: off}\nevents: {rate: 0/s}\n"
            f"interfaces: [{{name: \"{interface}\", hook: {hook}, egress: true}}]\n"
            f"rules: {json.dumps(section)}\n")


class Site:
    """A daemon whose rules are asked at `hook`, and the wire that leads there."""

    def __init__(self, daemon, wire, hook):
        self.daemon, self.wire = daemon, wire
        self.is_out = hook == "egress"
        self.hook = hook_of(hook)
        self.before = {}

    def apply(self, rules=(), **section):
        self.daemon.say("apply", "-", text=configured(rules, self.hook, **section))
        self.before = self.daemon.reasons()

    def reasons(self):
        """Since the last apply."""
        return {reason: count - self.before.get(reason, 0)
                for reason, count in self.daemon.reasons().items()}

    def deny(self):
        return [{"egress" if self.is_out else "ingress": "deny"}]


def hook_of(name):
    return "tc" if name == "egress" else name


@pytest.fixture(scope="module", params=HOOKS)
def standing(request):
    """One for all the tests of a hook: starting is what takes long."""
    hook = request.param
    with (Pair() as pair, Daemon(pair.inside, config=configured(hook=hook_of(hook))) as daemon,
          (Wire.outward if hook == "egress" else Wire.inward)(pair) as wire):
        yield Site(daemon, wire, hook)


@pytest.fixture
def site(standing):
    standing.apply()
    standing.daemon.say("set", "clear")     # once no rule names them
    return standing


def to(remote, body, egress=False):
    return ether() / ip(remote, egress) / body


def travels(egress):
    """All that a host may send, by name, of both families."""
    rows = {}
    for remote in (V4, V6):
        family = 6 if ":" in remote else 4
        rows |= {f"{name} {family}": frame for name, frame in dressed(remote, egress).items()}
        rows[f"gre {family}"] = to(remote, GRE() / Raw(b"x" * 8), egress)
        rows[f"esp {family}"] = to(remote, ESP(spi=7, seq=1, data=b"x" * 16), egress)
        rows[f"no name {family}"] = to(remote, Raw(b"x" * 12), egress)
        rows[f"empty {family}"] = to(remote, Raw(b""), egress)
    rows["no name 4"].proto = rows["empty 4"].proto = 253
    rows["no name 6"].nh = rows["empty 6"].nh = 253
    rows["unreachable 6"] = to(V6, ICMPv6DestUnreach(), egress)
    rows["header too short"] = ether() / Raw(bytes(IP(src=V4, dst=V4))[:10])
    rows["header too short"].type = 0x0800
    rows["length contradicts"] = to(V4, UDP(sport=1, dport=2), egress)
    rows["length contradicts"].len = 19
    return rows


# --- default policies ----------------------------------------------------------------------------

def test_default_deny_holds_for_every_protocol_fragment_and_damage(site):
    frames = travels(site.is_out)
    assert all(site.wire.verdicts(frames.values()))
    site.apply(policy=site.deny())
    arrived = [name for name, passed in zip(frames, site.wire.verdicts(frames.values())) if passed]
    assert arrived == []
    assert site.reasons()["drop_policy"] == len(frames)


def test_default_deny_lets_neighbours_find_one_another(site):
    site.apply(policy=site.deny())
    solicitation = to("fe80::7", ICMPv6ND_NS(tgt="fe80::1"), site.is_out)
    solicitation[IPv6].hlim = 255
    assert site.wire.passes(solicitation)
    assert site.reasons()["pass_neighbour"] == 1
    assert site.reasons()["pass_arp"] >= 1       # each batch closes with one


def test_default_policy_of_the_other_direction_and_of_others_does_not_hold(site):
    other = "ingress" if site.is_out else "egress"
    mine = "egress" if site.is_out else "ingress"
    frame = udp(V4, site.is_out)
    for policy, passes in (([{other: "deny"}], True), ([{"interface": "eth*", mine: "deny"}], True),
                           ([{"interface": "not eth*", mine: "deny"}], False),
                           ([{"interface": "w?re"}, {mine: "deny"}], True),
                           ([{"interface": "eth0, wire", mine: "deny"}, {}], False)):
        site.apply(policy=policy)
        assert site.wire.passes(frame) == passes, policy


def test_all_passes_once_rules_are_off(site):
    site.apply([{"action": "deny"}], policy=site.deny(), enabled=False)
    assert all(site.wire.verdicts(travels(site.is_out).values()))


# --- fields on the wire --------------------------------------------------------------------------

def test_first_rule_that_decides_wins_and_others_go_on(site):
    site.apply([{"name": "seen", "action": "count"},
                {"name": "off", "enabled": False, "action": "deny"},
                {"name": "grouped", "group": "night", "action": "deny"},
                {"name": "web", "proto": "tcp", "dport": "80, 8000-8100", "action": "allow"},
                {"name": "rest", "proto": "tcp", "action": "deny"}],
               groups=[{"name": "night", "enabled": False}])
    frames = [to(V4, TCP(dport=port), site.is_out) for port in (80, 81, 8000, 8100, 8101)]
    frames.append(udp(V6, site.is_out))
    assert site.wire.verdicts(frames) == [True, False, True, True, False, True]
    reasons = site.reasons()
    assert (reasons["pass_rule"], reasons["drop_rule"]) == (3, 2)


def test_icmp_types_by_name_are_of_the_family_they_are_of(site):
    site.apply([{"icmp-type": "echo-request, packet-too-big", "action": "deny"}])
    frames = {"ping": to(V4, ICMP(type=8), site.is_out), "pong": to(V4, ICMP(type=0), site.is_out),
              "redirect by 128": to(V4, ICMP(type=128), site.is_out),
              "ping6": to(V6, ICMPv6EchoRequest(), site.is_out),
              "too big": to(V6, ICMPv6PacketTooBig(), site.is_out),
              "of the other": ether() / ip(V6, site.is_out, nh=1) / Raw(b"\x08\0" + bytes(6)),
              "unreachable": to(V6, ICMPv6DestUnreach(), site.is_out)}
    verdicts = dict(zip(frames, site.wire.verdicts(frames.values())))
    assert [name for name, passed in verdicts.items() if not passed] == ["ping", "ping6", "too big"]


def test_tcp_flags_are_compared_under_their_mask(site):
    site.apply([{"tcp-flags": "syn/syn,ack none/all", "action": "deny"}])
    dropped = [flags for flags in ("S", "SA", "A", "", "SP", "F", "SE")
               if not site.wire.passes(to(V4, TCP(flags=flags), site.is_out))]
    assert dropped == ["S", "", "SP", "SE"]


def test_vlan_is_the_outermost_tag(site):
    body = ip(V4, site.is_out) / UDP(sport=1, dport=2)
    frames = {"none": ether() / body, "0": ether() / Dot1Q(vlan=0) / body,
              "7": ether() / Dot1Q(vlan=7) / body, "8": ether() / Dot1Q(vlan=8) / body,
              "7 in 9": ether() / Dot1AD(vlan=9, type=0x8100) / Dot1Q(vlan=7, type=0x0800) / body}
    for vlan, dropped in (("7", ["7"]), ("none", ["none"]), ("not none", ["0", "7", "8", "7 in 9"]),
                          ("8-9", ["8", "7 in 9"]), ("none, 0-7, not 7", ["none", "0"])):
        site.apply([{"vlan": vlan, "action": "deny"}])
        verdicts = dict(zip(frames, site.wire.verdicts(frames.values())))
        assert [name for name, passed in verdicts.items() if not passed] == dropped, vlan


def test_fragments_are_told_apart_and_later_ones_have_no_ports(site):
    for remote in (V4, V6):
        pieces = fragments(remote, site.is_out)
        pieces["whole"] = udp(remote, site.is_out)
        for rule, dropped in (({"fragment": "first"}, ["first"]),
                              ({"fragment": "any"}, ["last", "middle", "first"]),
                              ({"fragment": "none"}, ["whole"]), ({"dport": "0-65535"}, [
                                  "first", "whole"]), ({"dport": "not 1"}, ["first", "whole"]),
                              ({"proto": "udp"}, ["last", "middle", "first", "whole"])):
            site.apply([{**rule, "action": "deny"}])
            verdicts = dict(zip(pieces, site.wire.verdicts(pieces.values())))
            assert [name for name, passed in verdicts.items() if not passed] == dropped, (
                remote, rule)


def test_sets_take_lists_of_block_that_change_while_rules_stay(site):
    remote = "dst" if site.is_out else "src"
    site.daemon.say("set", "add", "192.0.2.0/28", "--list", "listed")
    site.apply([{remote: "friends, not 192.0.2.7", "action": "allow"}], policy=site.deny(),
               sets=[{"name": "friends", "members": "listed, 2001:db8::/32"}])
    frames = [udp(remote, site.is_out) for remote in (
        "192.0.2.1", "192.0.2.7", "192.0.2.16", "2001:db8::9", "198.51.100.1")]
    assert site.wire.verdicts(frames) == [True, False, False, True, False]
    site.daemon.say("set", "add", "198.51.100.0/24", "--list", "listed")
    assert site.wire.verdicts(frames) == [True, False, False, True, True]


def clock(minutes):
    """So many minutes from now, local time: HH:MM."""
    return time.strftime("%H:%M", time.localtime(time.time() + 60 * minutes))


def test_schedules_hold_by_local_time(site):
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    today = time.localtime().tm_wday
    near = f"{days[today - 1]}-{days[(today + 1) % 7]}"         # also when midnight comes meanwhile
    for schedule, passes in ((f"{clock(-10)}-{clock(10)}", False),
                             (f"{near} {clock(-10)}-{clock(10)}", False), (near, False),
                             (f"{clock(20)}-{clock(-20)}", True), (f"not {near}", True),
                             (f"{days[(today + 3) % 7]}", True),
                             (f"{clock(60)}-{clock(90)}, {near}", False)):
        site.apply([{"schedule": schedule, "action": "deny"}])
        assert site.wire.passes(udp(V4, site.is_out)) == passes, schedule


def test_apply_that_changes_only_interfaces_or_actions_of_a_policy_acts(site):
    """They are nowhere in the tables that a packet is held against."""
    frame, mine = udp(V4, site.is_out), "egress" if site.is_out else "ingress"
    for rule, passes in (({"interface": "wire"}, False), ({"interface": "eth0"}, True),
                         ({"interface": "w*", "direction": mine}, False),
                         ({"interface": "w*, not wire", "direction": mine}, True)):
        site.apply([{**rule, "action": "deny"}])
        assert site.wire.passes(frame) == passes, rule
    for policy, passes in (([{mine: "deny"}], False), ([{mine: "allow"}], True)):
        site.apply([{"dport": "9", "action": "deny"}], policy=policy)
        assert site.wire.passes(frame) == passes, policy


# --- interfaces ----------------------------------------------------------------------------------

def test_rules_and_policies_follow_interfaces_that_come_and_are_renamed(weir_daemon, pair):
    rules = [{"interface": "lan*", "direction": "ingress", "src": "192.0.2.7", "action": "deny"}]
    daemon = weir_daemon(pair.inside, config=configured(
        rules, interface="*", policy=[{"interface": "wan*", "ingress": "deny"}]))
    frames = [udp("192.0.2.7"), udp("192.0.2.8")]

    def judged_as(name):
        wait_for(lambda: (daemon.interface(name) or {}).get("attached"), f"{name} is attached")
        with Wire(pair.outside, "there", pair.inside, name) as wire:
            return wire.verdicts(frames)

    veth(pair.inside, "lan0", pair.outside, "there")
    assert judged_as("lan0") == [False, True]
    for before, name, verdicts in (("lan0", "wan3", [False, False]),
                                   ("wan3", "other", [True, True]),
                                   ("other", "lan-b", [False, True])):
        pair.inside.run("ip", "link", "set", before, "down")
        pair.inside.run("ip", "link", "set", before, "name", name)
        pair.inside.run("ip", "link", "set", name, "up")
        assert judged_as(name) == verdicts, name


# --- refusals ------------------------------------------------------------------------------------

def kernel_state(daemon):
    return {name: kernel.dump(daemon.pin_dir / "maps" / name)
            for name in ("cfg_live", "cfg_iface")}, daemon.status()["revision"]


REFUSED = [
    ("[{dport: 70000, action: deny}]", "2:25:", "70000"),
    ("[{src: 10.0.0.0/40, action: deny}]", "2:23:", "0 to 32"),
    ("[{src: nobody, action: deny}]", "2:23:", "no set and no list 'nobody'"),
    ("[{dport: '22, not 22', action: deny}]", "2:25:", "no value is left"),
    ("[{action: limit}]", "2:26:", "needs a rate"),
    ("[" + "{action: count}, " * 10001 + "]", "2:16:", "10001 rules"),
]


@pytest.mark.parametrize("rules, place, wants", REFUSED, ids=[wants for _, _, wants in REFUSED])
def test_refused_rules_change_nothing(weir_daemon, pair, wire, rules, place, wants):
    daemon = weir_daemon(pair.inside, config=configured([{"src": V4, "action": "deny"}]))
    before = kernel_state(daemon)
    (daemon.home / "bad.yaml").write_text(f"api: {{listen: off}}\nrules: {{rules: {rules}}}\n")
    # A look by itself knows no lists of run time: there an unknown name is a warning.
    for verb in ("apply",) if "nobody" in rules else ("apply", "check"):
        with pytest.raises(Refused) as refused:
            daemon.say(verb, daemon.home / "bad.yaml")
        assert f"bad.yaml:{place}" in refused.value.said and wants in refused.value.said
    assert kernel_state(daemon) == before
    assert wire.verdicts([udp(V4), udp("198.51.100.8")]) == [False, True]


def test_ten_thousand_rules_are_taken_and_the_last_is_met(weir_daemon, pair, wire):
    rules = [{"src": f"10.{n >> 8}.{n & 255}.1", "dport": str(n), "action": "deny"}
             for n in range(9999)] + [{"src": V4, "action": "deny"}]
    daemon = weir_daemon(pair.inside, config=configured())
    daemon.say("apply", "-", text=configured(rules))
    assert wire.verdicts([udp(V4), udp("10.0.7.1"), to("10.0.7.1", UDP(sport=9, dport=7))]) == [
        False, True, False]
