# SPDX-License-Identifier: Apache-2.0
"""Allow and deny lists on real packets: every way to write an entry, every dress of a packet, every
hook and direction (invariant 11), and what is kept over restarts."""
import json
import signal
import time

import pytest

from harness.daemon import Daemon, Refused
from harness.frames import dressed, fragments, udp
from harness.net import Pair
from harness.wait import SLOWNESS, wait_for
from harness.wire import Wire

HOOKS = ["xdp", "tc", "xdp-generic", "egress"]


BASE = "api: {listen: off}\n"


@pytest.fixture(scope="module")
def standing():
    """(daemon, pair) for the many tests that need no fresh one."""
    with Pair() as pair, Daemon(pair.inside, interfaces=[pair.wire]) as daemon:
        yield daemon, pair


@pytest.fixture
def emptied(standing):
    """(daemon, wire) with no list at all."""
    daemon, pair = standing
    daemon.say("block", "clear")
    daemon.say("allow", "clear")
    daemon.apply(BASE)
    with Wire.inward(pair) as wire:
        yield daemon, wire


def passing(wire, *addresses):
    """Those whose packets arrive."""
    verdicts = wire.verdicts([udp(address) for address in addresses])
    return [address for address, passed in zip(addresses, verdicts) if passed]


# --- what an entry covers ------------------------------------------------------------------------

@pytest.mark.parametrize("entry, inside, beside", [
    ("192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
    ("192.0.2.0/24", ["192.0.2.0", "192.0.2.255"], ["192.0.1.255", "192.0.3.0"]),
    ("192.0.2.128/25", ["192.0.2.128", "192.0.2.255"], ["192.0.2.127", "192.0.3.0"]),
    ("10.0.0.0/7", ["10.0.0.0", "11.255.255.255"], ["9.255.255.255", "12.0.0.0"]),
    ("192.0.2.3-192.0.2.18", ["192.0.2.3", "192.0.2.10", "192.0.2.18"],
     ["192.0.2.2", "192.0.2.19"]),
    ("0.0.0.0/0", ["0.0.0.0", "1.2.3.4", "255.255.255.255"], ["2001:db8::1", "::1"]),
    ("2001:db8::7", ["2001:db8::7"], ["2001:db8::6", "2001:db8::8"]),
    ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
     ["2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"]),
    ("2001:db8::3-2001:db8::1:2", ["2001:db8::3", "2001:db8::ffff", "2001:db8::1:2"],
     ["2001:db8::2", "2001:db8::1:3"]),
    ("::/0", ["2001:db8::1", "ffff::"], ["192.0.2.1", "0.0.0.0"]),
])
@pytest.mark.parametrize("way", ["add", "add for a time", "import", "config"])
def test_entry_covers_its_addresses_and_no_other(emptied, entry, inside, beside, way):
    daemon, wire = emptied
    if way == "import":
        daemon.say("block", "import", "-", "--list", "feed", text=entry + "\n")
    elif way == "config":
        daemon.apply(BASE + "block: {lists: [{name: l, action: deny, entries: "
                     f"['{entry}']}}]}}\n")
    else:
        daemon.say("block", "add", entry, *(["--ttl", "1h"] if "time" in way else []))
    assert passing(wire, *inside, *beside) == beside


def test_allow_wins_over_deny_whichever_is_narrower(emptied):
    daemon, wire = emptied
    daemon.say("block", "add", "192.0.2.0/24")
    daemon.say("allow", "add", "192.0.2.7")
    daemon.say("allow", "add", "198.51.100.0/24")
    daemon.say("block", "add", "198.51.100.7")
    assert passing(wire, "192.0.2.6", "192.0.2.7", "198.51.100.7") == ["192.0.2.7", "198.51.100.7"]


def test_allow_wins_over_deny_in_tables_and_live_set_alike(emptied):
    daemon, wire = emptied
    daemon.say("block", "import", "-", text="192.0.2.0/24\n2001:db8::/32\n")
    daemon.say("allow", "add", "192.0.2.7", "--ttl", "1h")
    daemon.say("allow", "import", "-", text="198.51.100.0/24\n2001:db8:1::/48\n")
    daemon.say("block", "add", "198.51.100.7", "--ttl", "1h")
    daemon.say("block", "add", "2001:db8:1::7", "--ttl", "1h")
    assert passing(wire, "192.0.2.6", "192.0.2.7", "198.51.100.7", "2001:db8::1",
                   "2001:db8:1::7") == ["192.0.2.7", "198.51.100.7", "2001:db8:1::7"]


def test_arp_and_neighbour_discovery_pass_when_all_is_blocked(weir_daemon):
    with Pair(addresses=True) as pair:
        daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
        daemon.say("block", "add", "0.0.0.0/0")
        daemon.say("block", "add", "::/0")
        assert not pair.pings() and not pair.pings(pair.outside_v6)
        for address in (pair.inside_v4, pair.inside_v6):
            row = json.loads(pair.outside.run("ip", "-json", "neigh", "show", address).stdout)
            assert row and "lladdr" in row[0], row
        daemon.close()


# --- every dress, every hook ---------------------------------------------------------------------

@pytest.fixture(scope="module", params=HOOKS)
def at_hook(request):
    """(daemon, wire whose packets pass that hook, whether they leave)"""
    egress = request.param == "egress"
    with Pair() as pair, Daemon(pair.inside) as daemon:
        words = ["--egress"] if egress else ["--hook", request.param]
        daemon.say("interface", "attach", pair.wire, *words)
        with (Wire.outward if egress else Wire.inward)(pair) as wire:
            yield daemon, wire, egress


@pytest.fixture
def hooked(at_hook):
    """The same with no list at all."""
    at_hook[0].say("block", "clear")
    return at_hook


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::7"])
def test_no_dress_takes_a_packet_past_a_list(hooked, remote):
    daemon, wire, egress = hooked
    other = "2001:db9::1" if ":" in remote else "192.0.3.1"
    daemon.say("block", "import", "-", text=f"{remote}\n")
    bad, good = dressed(remote, egress), dressed(other, egress)
    verdicts = wire.verdicts([*bad.values(), *good.values()])
    assert dict(zip(bad, verdicts)) == dict.fromkeys(bad, False)
    assert dict(zip(good, verdicts[len(bad):])) == dict.fromkeys(good, True)


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::7"])
def test_no_dress_takes_a_packet_past_the_live_set(hooked, remote):
    daemon, wire, egress = hooked
    daemon.say("block", "add", remote, "--ttl", "1h")
    bad = dressed(remote, egress)
    assert dict(zip(bad, wire.verdicts(bad.values()))) == dict.fromkeys(bad, False)


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::7"])
def test_each_fragment_alone_in_any_order_is_dropped(emptied, remote):
    daemon, wire = emptied
    daemon.say("block", "add", remote)
    pieces = list(fragments(remote).values())
    for order in (pieces, pieces[::-1], pieces[1:] + pieces[:1]):
        assert wire.send(order) == set()


@pytest.mark.parametrize("depth, reason", [(4, "drop_blocked"), (5, "drop_too_deep")])
def test_tags_deeper_than_are_read_never_pass(daemon, wire, depth, reason):
    from scapy.layers.l2 import Dot1Q
    from harness.frames import UDP, ether, ip
    daemon.say("block", "add", "192.0.2.7")
    frame = ether()
    for number in range(depth):
        frame /= Dot1Q(vlan=number + 1)
    assert not wire.passes(frame / ip("192.0.2.7") / UDP(sport=1, dport=2))
    assert daemon.reasons()[reason] == 1


def test_egress_judges_the_destination_and_ingress_the_source(weir_daemon, pair):
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--egress")
    daemon.say("block", "add", "192.0.2.7")
    with Wire.outward(pair) as out, Wire.inward(pair) as into:
        assert not out.passes(udp("192.0.2.7", egress=True))
        assert out.passes(udp("192.0.2.7"))
        assert not into.passes(udp("192.0.2.7"))
        assert into.passes(udp("192.0.2.7", egress=True))


# --- time ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::7"])
def test_entry_expires_in_the_data_path_while_the_daemon_stands_still(daemon, wire, remote):
    daemon.say("block", "add", remote, "--ttl", "2s")
    daemon.process.send_signal(signal.SIGSTOP)
    assert not wire.passes(udp(remote))
    wait_for(lambda: wire.passes(udp(remote)), "the entry ends by itself", 6)
    daemon.process.send_signal(signal.SIGCONT)
    wait_for(lambda: not daemon.entries(), "the daemon forgets it too")


@pytest.mark.alone
def test_expiry_is_neither_early_nor_late(daemon, wire):
    start = time.monotonic()
    daemon.say("block", "add", "192.0.2.7", "--ttl", "1s")
    wait_for(lambda: wire.passes(udp("192.0.2.7")), "it expires")
    # To a tick of the kernel's coarse clock, and however late this process was told.
    assert 0.98 <= time.monotonic() - start < 1 + SLOWNESS


def test_adding_again_refreshes_ttl_and_note(emptied):
    daemon, _ = emptied
    first = daemon.ask("block", "add", "192.0.2.7", "--ttl", "1h", "--note", "one")
    again = daemon.ask("block", "add", "192.0.2.7", "--ttl", "2h", "--note", "two")
    assert (first["result"], again["result"]) == ("added", "refreshed")
    (row,) = daemon.entries()
    assert row["note"] == "two" and 7100 < row["ttl_s"] <= 7200


def test_restart_keeps_entries_and_what_is_left_of_their_time(daemon, wire):
    daemon.say("block", "add", "192.0.2.7", "--ttl", "100s", "--note", "kept")
    daemon.say("block", "add", "192.0.2.8", "--ttl", "2s")
    daemon.say("allow", "add", "192.0.2.9")
    until = {row["entry"]: row["until"] for row in daemon.entries()}["192.0.2.7"]
    daemon.stop()
    wait_for(lambda: wire.passes(udp("192.0.2.8")), "the short one ends while there is no daemon")
    daemon.start()
    (row,) = daemon.entries()
    assert (row["entry"], row["note"], row["until"]) == ("192.0.2.7", "kept", until)
    assert 60 < row["ttl_s"] < 100
    assert [row["entry"] for row in daemon.entries("allow")] == ["192.0.2.9"]
    assert passing(wire, "192.0.2.7", "192.0.2.8", "192.0.2.9") == ["192.0.2.8", "192.0.2.9"]


def test_restart_after_everything_in_the_kernel_is_gone_restores_all(daemon, wire, pair):
    """As after a reboot: only the state directory is left."""
    daemon.say("block", "add", "192.0.2.7", "--ttl", "1h")
    daemon.say("block", "import", "-", "--list", "feed", text="2001:db8::/32\n")
    daemon.stop()
    daemon.say("cleanup", "--force", "--pin-dir", daemon.pin_dir, "--run-dir", daemon.run_dir)
    assert passing(wire, "192.0.2.7", "2001:db8::1") == ["192.0.2.7", "2001:db8::1"]
    daemon.start()
    assert passing(wire, "192.0.2.7", "2001:db8::1") == []


# --- the verbs -----------------------------------------------------------------------------------

def test_list_shows_note_list_origin_and_matches(emptied):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.0/24", "--note", "scanner from the north")
    daemon.say("block", "add", "198.51.100.1")
    daemon.say("block", "import", "-", "--list", "feed", text="192.0.2.128/25\n203.0.113.0/24\n")

    def found(*words):
        return sorted(row["entry"] for row in daemon.entries("block", *words))
    assert found() == ["192.0.2.0/24", "192.0.2.128/25", "198.51.100.1", "203.0.113.0/24"]
    assert found("--match", "192.0.2.200") == ["192.0.2.0/24", "192.0.2.128/25"]
    assert found("--match", "192.0.0.0/16") == ["192.0.2.0/24", "192.0.2.128/25"]
    assert found("--match", "scanner") == ["192.0.2.0/24"]
    assert found("--list", "feed") == ["192.0.2.128/25", "203.0.113.0/24"]
    page = daemon.ask("block", "list", "--limit", "1", "--offset", "1")
    assert page["total"] == 4 and page["shown"] == 1 and len(page["entries"]) == 1


@pytest.mark.parametrize("way", ["add", "import"])
def test_deleted_entry_passes_at_once(emptied, way):
    daemon, wire = emptied
    if way == "add":
        daemon.say("block", "add", "192.0.2.0/24")
    else:
        daemon.say("block", "import", "-", text="192.0.2.0/24\n192.0.3.0/24\n")
    assert passing(wire, "192.0.2.1") == []
    daemon.say("block", "del", "192.0.2.0/24")
    assert passing(wire, "192.0.2.1") == ["192.0.2.1"]


def test_deleting_what_is_not_there_names_what_covers_it(emptied):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.0/24")
    with pytest.raises(Refused) as refused:
        daemon.say("block", "del", "192.0.2.7")
    assert refused.value.status == 1
    assert "192.0.2.0/24" in refused.value.said and "runtime-deny" in refused.value.said


def test_clear_empties_what_was_made_at_run_time_and_keeps_the_configuration(daemon, wire):
    daemon.apply("api: {listen: off}\n"
                 "block: {lists: [{name: fixed, action: deny, entries: [203.0.113.0/24]}]}\n")
    daemon.say("block", "add", "192.0.2.7")
    daemon.say("block", "import", "-", "--list", "feed", text="198.51.100.0/24\n")
    daemon.say("block", "clear", "--list", "feed")
    assert passing(wire, "192.0.2.7", "198.51.100.1") == ["198.51.100.1"]
    daemon.say("block", "clear")
    assert passing(wire, "192.0.2.7", "203.0.113.1") == ["192.0.2.7"]


@pytest.mark.parametrize("form", ["text", "csv", "json", "netset"])
def test_export_and_import_give_the_same_list_in_each_format(emptied, form):
    daemon, wire = emptied
    texts = ["192.0.2.0/24", "192.0.2.7", "198.51.100.3-198.51.100.9", "2001:db8::/32"]
    daemon.say("block", "import", "-", "--list", "one", text="\n".join(texts) + "\n")
    exported = daemon.export("block", "--list", "one", "--format", form)
    daemon.say("block", "clear")
    assert passing(wire, "198.51.100.5") == ["198.51.100.5"]
    daemon.say("block", "import", "-", "--list", "two", "--format", form, text=exported)
    assert passing(wire, "192.0.2.1", "198.51.100.2", "198.51.100.3", "198.51.100.9",
                   "198.51.100.10", "2001:db8::9") == ["198.51.100.2", "198.51.100.10"]
    again = daemon.export("block", "--list", "two", "--format", form)
    assert again.replace("two", "one") == exported


@pytest.mark.parametrize("form", ["csv", "json"])
def test_notes_and_times_survive_export_and_import(emptied, form):
    daemon, _ = emptied
    daemon.say("block", "add", "192.0.2.7", "--ttl", "1h", "--note", 'quoted "x", comma')
    exported = daemon.export("block", "--format", form)
    daemon.say("block", "clear")
    daemon.say("block", "import", "-", "--format", form, text=exported)
    (row,) = daemon.entries()
    assert row["note"] == 'quoted "x", comma' and 3500 < row["ttl_s"] <= 3600


def test_one_bad_line_refuses_the_whole_file_and_names_the_line(emptied):
    daemon, wire = emptied
    with pytest.raises(Refused) as refused:
        daemon.say("block", "import", "-", text="192.0.2.7\n\n192.0.2.300\n198.51.100.0/33\n")
    assert "3" in refused.value.said and "4" in refused.value.said
    assert "192.0.2.300" in refused.value.said
    assert passing(wire, "192.0.2.7") == ["192.0.2.7"]
    assert not daemon.entries()


def test_replace_takes_out_what_the_file_does_not_have(emptied):
    daemon, wire = emptied
    daemon.say("block", "import", "-", "--list", "feed", text="192.0.2.1\n192.0.2.2\n")
    daemon.say("block", "import", "-", "--list", "feed", text="192.0.2.3\n")
    assert passing(wire, "192.0.2.1", "192.0.2.2", "192.0.2.3") == []
    daemon.say("block", "import", "-", "--list", "feed", "--replace", text="192.0.2.2\n")
    assert passing(wire, "192.0.2.1", "192.0.2.2", "192.0.2.3") == ["192.0.2.1", "192.0.2.3"]


def test_conflict_between_allow_and_deny_is_warned_about(emptied):
    daemon, _ = emptied
    daemon.say("allow", "add", "192.0.2.7")
    done = daemon.verb("block", "add", "192.0.2.0/24")
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert "192.0.2.7" in said and "runtime-allow" in said and "warning" in said.lower()


def test_host_bits_are_warned_about(emptied):
    daemon, _ = emptied
    done = daemon.verb("block", "add", "192.0.2.7/24")
    assert done.returncode == 0 and "192.0.2.0/24" in done.stdout + done.stderr


def test_full_live_set_refuses_with_numbers_and_evicts_nothing(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nblock: {live: 16}\n")
    kept = [f"192.0.2.{number}" for number in range(16)]
    for address in kept:
        daemon.say("block", "add", address, "--ttl", "1h")
    with pytest.raises(Refused) as refused:
        daemon.say("block", "add", "198.51.100.1", "--ttl", "1h")
    assert "16" in refused.value.said and "block.live" in refused.value.said
    assert passing(wire, *kept, "198.51.100.1") == ["198.51.100.1"]
    assert len(daemon.entries()) == 16


def test_range_that_does_not_fit_the_live_set_adds_nothing(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nblock: {live: 16}\n")
    with pytest.raises(Refused):
        daemon.say("block", "add", "10.0.0.1-10.255.255.254", "--ttl", "1h")      # 46 prefixes
    assert passing(wire, "10.0.0.1", "10.128.0.0") == ["10.0.0.1", "10.128.0.0"]
    assert not daemon.entries()


def test_more_entries_than_the_configuration_allows_are_refused(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nblock: {v4-entries: 3}\n")
    with pytest.raises(Refused) as refused:
        daemon.say("block", "import", "-", text="192.0.2.1\n192.0.2.3\n192.0.2.5\n192.0.2.7\n")
    assert "v4-entries" in refused.value.said
    assert passing(wire, "192.0.2.1") == ["192.0.2.1"]


def test_policy_larger_than_memory_allows_is_refused_and_changes_nothing(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire],
                         config="api: {listen: off}\nmemory: 1MiB\n")
    daemon.say("block", "add", "192.0.2.7")
    many = "".join(f"{a}.{b}.{c}.1\n" for a in range(20, 28) for b in range(256)
                   for c in range(0, 256, 4))
    with pytest.raises(Refused) as refused:
        daemon.say("block", "import", "-", "--list", "big", text=many)
    assert "memory" in refused.value.said
    assert passing(wire, "192.0.2.7", "20.0.0.1") == ["20.0.0.1"]


def test_hits_are_counted_by_list_and_entry(daemon, wire):
    daemon.say("block", "add", "192.0.2.7", "--ttl", "1h")
    wire.send([udp("192.0.2.7")] * 5 + [udp("192.0.2.8")] * 3)
    (row,) = wait_for(lambda: [row for row in daemon.entries() if row["hits"]["packets"]],
                      "hits are shown")
    assert row["hits"]["packets"] == 5


def test_apply_tells_of_addresses_that_run_time_lists_decide_otherwise(daemon):
    daemon.say("allow", "add", "192.0.2.7")
    config = daemon.home / "conflicting.yaml"
    config.write_text(daemon.config.read_text() + "block:\n  lists:\n    - name: bad\n"
                      "      action: deny\n      entries: [192.0.2.0/24]\n")
    done = daemon.verb("apply", config)
    assert done.returncode == 0
    assert ("192.0.2.0/24 in deny list bad shares addresses with 192.0.2.7 in allow list "
            "runtime-allow") in done.stderr
