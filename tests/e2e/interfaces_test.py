# SPDX-License-Identifier: Apache-2.0
"""Interfaces: which hook and why, what is somebody else's, devices that come, go and change their
names, several daemons, and taking everything away again."""
import json
import subprocess

import pytest

from harness import kernel
from harness.daemon import WEIR, Refused
from harness.frames import udp
from harness.net import Namespace, Pair, unique, veth
from harness.wait import wait_for
from harness.wire import Wire

CONFIG = "api: {{listen: off}}\ninterfaces:\n{}"


def watching(*rows):
    return CONFIG.format("".join(f"  - {row}\n" for row in rows))


def has_tcx(daemon, name="wire"):
    return daemon.interface(name)["mode"] == "tcx"


def attached_by_kernel(pair):
    """Whatever is attached to the wire, by bpftool and tc."""
    net = json.loads(pair.inside.run("/usr/sbin/bpftool", "--json", "net").stdout)[0]
    row = kernel.links(pair.inside)[pair.wire]
    qdiscs = json.loads(pair.inside.run("tc", "-json", "qdisc", "show", "dev", pair.wire).stdout)
    return {"xdp": "xdp" in row and row["xdp"] or None, "tc": net.get("tc", []),
            "clsact": any(qdisc["kind"] == "clsact" for qdisc in qdiscs)}


@pytest.fixture(scope="module")
def foreign_objects(tmp_path_factory):
    """Programs of somebody else."""
    folder = tmp_path_factory.mktemp("foreign")
    source = folder / "foreign.c"
    source.write_text("""
#include <linux/bpf.h>
__attribute__((section("xdp"), used)) int somebodys(struct xdp_md *c) { return XDP_PASS; }
__attribute__((section("tc"), used)) int others(struct __sk_buff *c) { return -1; }
char LICENSE[] __attribute__((section("license"), used)) = "GPL";
""")
    clang = "clang-19"
    multiarch = subprocess.run(["cc", "-print-multiarch"], stdout=subprocess.PIPE, text=True,
                               check=True).stdout.strip()
    subprocess.run([clang, "-target", "bpf", "-O2", "-g", "-idirafter",
                    f"/usr/include/{multiarch}", "-c", source, "-o", folder / "foreign.o"],
                   check=True)
    return folder / "foreign.o"


# --- choosing a hook ------------------------------------------------------------------------------

@pytest.mark.parametrize("hook, mode", [("xdp", "xdp native"), ("xdp-generic", "xdp generic"),
                                        ("tc", None), ("auto", None)])
def test_hook_is_the_one_asked_for_and_said(weir_daemon, pair, hook, mode):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}, hook: {hook}}}"))
    row = daemon.interface(pair.wire)
    assert row["attached"] and row["mode"] in ([mode] if mode else ["tcx", "clsact"])
    attached = attached_by_kernel(pair)
    modes = {"xdp native": 1, "xdp generic": 2}
    assert (attached["xdp"] or {}).get("mode") == modes.get(row["mode"])
    if hook == "auto":
        assert "veth" in row["why"] and "faster" in row["why"]
    assert row["mode"] in daemon.say("status")


def test_hook_changed_by_configuration_leaves_one_program(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}, hook: xdp}}"))
    daemon.say("block", "add", "192.0.2.7")
    for hook in ("tc", "xdp-generic", "xdp", "auto"):
        daemon.apply(watching(f"{{name: {pair.wire}, hook: {hook}}}"))
        assert not wire.passes(udp("192.0.2.7")), hook
        attached = attached_by_kernel(pair)
        assert bool(attached["xdp"]) == hook.startswith("xdp"), (hook, attached)
        assert len(kernel.link_ids(daemon.pin_dir)) == (0 if attached["clsact"] else 1), hook


def test_hook_changed_while_there_is_no_daemon_leaves_one_program(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}, hook: xdp}}"))
    daemon.say("block", "add", "192.0.2.7")
    for hook in ("tc", "xdp"):
        daemon.stop()
        daemon.config.write_text(watching(f"{{name: {pair.wire}, hook: {hook}}}"))
        daemon.start()
        assert not wire.passes(udp("192.0.2.7")), hook
        attached = attached_by_kernel(pair)
        assert bool(attached["xdp"]) == (hook == "xdp"), (hook, attached)
        assert not (hook == "xdp" and attached["clsact"]), (hook, attached)
        assert len(kernel.link_ids(daemon.pin_dir)) == (0 if attached["clsact"] else 1), hook


def test_mtu_9000_is_no_obstacle_to_any_hook(weir_daemon):
    with Pair(mtu=9000) as pair:
        daemon = weir_daemon(pair.inside)
        with Wire.inward(pair) as wire:
            daemon.say("block", "add", "192.0.2.7")
            for hook in ("xdp", "xdp-generic", "tc"):
                daemon.say("interface", "attach", pair.wire, "--hook", hook)
                assert wire.verdicts([udp("192.0.2.7", payload=b"x" * 8900),
                                      udp("192.0.2.8", payload=b"x" * 8900)]) == [False, True], hook
                daemon.say("interface", "detach", pair.wire)
        daemon.close()


def test_tun_device_without_ethernet_is_filtered(weir_daemon):
    import fcntl
    import os
    import struct
    from scapy.layers.inet import IP, UDP
    space = Namespace("tun")
    try:
        with space.entered():
            tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tun0", 0x1001))   # TUN, NO_PI
        space.run("ip", "addr", "add", "10.9.0.1/24", "dev", "tun0")
        space.run("ip", "link", "set", "tun0", "up")
        daemon = weir_daemon(space, interfaces=["tun0"])
        assert daemon.interface("tun0")["mode"] in ("tcx", "clsact")
        with pytest.raises(Refused) as refused:
            daemon.say("interface", "attach", "tun0", "--hook", "xdp")
        assert "Ethernet" in refused.value.said
        assert daemon.interface("tun0")["mode"] in ("tcx", "clsact"), "it stays as it was"
        daemon.say("block", "add", "192.0.2.7")
        for source in ("192.0.2.7", "192.0.2.7", "192.0.2.8"):
            os.write(tun, bytes(IP(src=source, dst="10.9.0.1") / UDP(sport=1, dport=2)))
        wait_for(lambda: daemon.reasons().get("drop_blocked") == 2, "two are dropped")
        assert daemon.reasons()["pass_policy"] >= 1
        os.close(tun)
        daemon.close()
    finally:
        space.delete()


# --- what is somebody else's ----------------------------------------------------------------------

def test_foreign_xdp_program_is_refused_with_id_and_name_and_stays(weir_daemon, pair,
                                                                   foreign_objects):
    pair.inside.run("ip", "link", "set", pair.wire, "xdp", "obj", foreign_objects, "sec", "xdp")
    before = attached_by_kernel(pair)["xdp"]
    daemon = weir_daemon(pair.inside)
    with pytest.raises(Refused) as refused:
        daemon.say("interface", "attach", pair.wire, "--hook", "xdp")
    assert str(before["prog"]["id"]) in refused.value.said
    assert "somebodys" in refused.value.said and "hook: tc" in refused.value.said
    assert attached_by_kernel(pair)["xdp"] == before
    daemon.say("interface", "attach", pair.wire, "--hook", "tc")
    assert attached_by_kernel(pair)["xdp"] == before
    with pytest.raises(Refused):
        daemon.say("interface", "attach", pair.wire, "--hook", "xdp")
    daemon.restart()
    assert daemon.interface(pair.wire)["attached"], "a refusal is not remembered"


def test_foreign_xdp_program_named_by_the_file_does_not_keep_the_rest_from_working(
        weir_daemon, pair, foreign_objects):
    veth(pair.inside, "second", pair.outside, "far2")
    pair.inside.run("ip", "link", "set", pair.wire, "xdp", "obj", foreign_objects, "sec", "xdp")
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}, hook: xdp}}",
                                                      "{name: second}"))
    assert not daemon.interface(pair.wire)["attached"] and daemon.interface("second")["attached"]
    assert "somebodys" in daemon.interface(pair.wire)["why"]
    assert "somebodys" in daemon.log()
    pair.inside.run("ip", "link", "set", pair.wire, "xdp", "off")
    wait_for(lambda: daemon.interface(pair.wire)["attached"], "it is tried again")


def test_clsact_and_filter_of_a_user_stay_untouched(weir_daemon, pair, foreign_objects):
    pair.inside.run("tc", "qdisc", "add", "dev", pair.wire, "clsact")
    pair.inside.run("tc", "filter", "add", "dev", pair.wire, "ingress", "bpf", "da", "obj",
                    foreign_objects, "sec", "tc")

    def filters():
        return pair.inside.run("tc", "filter", "show", "dev", pair.wire, "ingress").stdout
    theirs = [line for line in filters().splitlines() if "foreign.o" in line]
    assert theirs
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    assert [line for line in filters().splitlines() if "foreign.o" in line] == theirs
    daemon.stop()
    pair.inside.run(WEIR, "cleanup", "--force", "--pin-dir", daemon.pin_dir, "--run-dir",
                    daemon.run_dir)
    assert [line for line in filters().splitlines() if "foreign.o" in line] == theirs
    assert attached_by_kernel(pair)["clsact"]


# --- devices that come and go ------------------------------------------------------------------

def test_interface_deleted_and_made_again_is_attached_again(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}}}"))
    daemon.say("block", "add", "192.0.2.7")
    for _ in range(3):
        pair.inside.run("ip", "link", "del", pair.wire)
        wait_for(lambda: not (daemon.interface(pair.wire) or {}).get("attached"), "it is gone")
        veth(pair.inside, pair.wire, pair.outside, pair.far)
        wait_for(lambda: (daemon.interface(pair.wire) or {}).get("attached"), "it is back")
        with Wire.inward(pair) as wire:
            assert wire.verdicts([udp("192.0.2.7"), udp("192.0.2.8")]) == [False, True]
    assert len(kernel.link_ids(daemon.pin_dir)) == (1 if has_tcx(daemon) else 0), "no dead pins"
    kinds = [row["what"] for row in daemon.ask("events", "--kind", "interface")["events"]]
    assert kinds.count("gone") == 3 and kinds.count("attached") == 4


def test_interface_made_while_there_is_no_daemon_is_attached_by_the_next(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}}}"))
    daemon.say("block", "add", "192.0.2.7")
    daemon.kill()
    pair.inside.run("ip", "link", "del", pair.wire)
    veth(pair.inside, pair.wire, pair.outside, pair.far)
    daemon.start()
    with Wire.inward(pair) as wire:
        assert wire.verdicts([udp("192.0.2.7"), udp("192.0.2.8")]) == [False, True]


def test_renamed_interface_is_told_and_keeps_its_program(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, interfaces=[pair.wire])
    daemon.say("block", "add", "192.0.2.7")
    pair.inside.run("ip", "link", "set", pair.wire, "down")
    pair.inside.run("ip", "link", "set", pair.wire, "name", "other0")
    pair.inside.run("ip", "link", "set", "other0", "up")
    wait_for(lambda: daemon.interface("other0"), "the new name is known")
    assert daemon.interface("other0")["attached"]
    (event,) = [row for row in daemon.ask("events", "--kind", "interface")["events"]
                if row["what"] == "renamed"]
    assert event["interface"] == "other0" and pair.wire in event["detail"]
    with Wire(pair.outside, pair.far, pair.inside, "other0") as wire:
        assert not wire.passes(udp("192.0.2.7"))


def test_modes_of_xdp_change_into_one_another(weir_daemon, pair, wire):
    """The kernel has no two of them at once."""
    daemon = weir_daemon(pair.inside)
    daemon.say("block", "add", "192.0.2.7")
    for hook, mode in (("xdp", "xdp native"), ("xdp-generic", "xdp generic"),
                       ("xdp", "xdp native")):
        daemon.say("interface", "attach", pair.wire, "--hook", hook)
        row = daemon.interface(pair.wire)
        assert row["attached"] and row["mode"] == mode
        assert not wire.passes(udp("192.0.2.7")) and wire.passes(udp("192.0.2.8"))
        assert len(kernel.link_ids(daemon.pin_dir)) == 1
    daemon.say("interface", "detach", pair.wire)
    daemon.config.write_text(watching(f"{{name: {pair.wire}, hook: xdp-generic}}"))
    daemon.restart()
    assert daemon.interface(pair.wire)["mode"] == "xdp generic"
    daemon.config.write_text(watching(f"{{name: {pair.wire}, hook: xdp}}"))
    daemon.restart()
    assert daemon.interface(pair.wire)["mode"] == "xdp native"


def test_pattern_does_not_fill_up_as_devices_come_and_go(weir_daemon, pair):
    daemon = weir_daemon(pair.inside, config=watching('{name: "lan*"}'))
    script = "".join(f"link add lan{number} type veth peer name p\nlink del lan{number}\n"
                     for number in range(70))
    pair.inside.run("ip", "-batch", "-", input=script)
    veth(pair.inside, "lan-last", pair.outside, "far-last")
    wait_for(lambda: (daemon.interface("lan-last") or {}).get("attached"), "it is attached")
    wait_for(lambda: len(daemon.ask("interface", "list")["interfaces"]) == 1, "the others are gone")
    wait_for(lambda: len(kernel.link_ids(daemon.pin_dir)) <= 1, "so are their pins")


def test_pattern_takes_what_it_matches_now_and_later(weir_daemon, pair):
    veth(pair.inside, "lan0", pair.outside, "far-lan0")
    veth(pair.inside, "wan0", pair.outside, "far-wan0")
    daemon = weir_daemon(pair.inside, config=watching('{name: "lan*"}'))
    assert daemon.interface("lan0")["attached"] and not daemon.interface("wan0")
    veth(pair.inside, "lan1", pair.outside, "far-lan1")
    wait_for(lambda: (daemon.interface("lan1") or {}).get("attached"), "the new one is attached")
    assert not daemon.interface("wan0") and not daemon.interface(pair.wire)


def test_attach_and_detach_at_run_time(daemon, pair, wire):
    daemon.say("block", "add", "192.0.2.7")
    daemon.say("interface", "detach", pair.wire)
    assert wire.passes(udp("192.0.2.7"))
    attached = attached_by_kernel(pair)
    assert not attached["xdp"] and not attached["tc"]
    daemon.say("interface", "attach", pair.wire, "--hook", "xdp")
    assert not wire.passes(udp("192.0.2.7"))
    with pytest.raises(Refused) as refused:
        daemon.say("interface", "attach", "nosuch0")
    assert "nosuch0" in refused.value.said
    with pytest.raises(Refused):
        daemon.say("interface", "detach", "nosuch0")


def test_interface_taken_out_of_the_configuration_is_detached(weir_daemon, pair, wire):
    daemon = weir_daemon(pair.inside, config=watching(f"{{name: {pair.wire}}}"))
    daemon.say("block", "add", "192.0.2.7")
    daemon.apply("api: {listen: off}\n")
    assert wire.passes(udp("192.0.2.7"))
    daemon.say("rollback")
    assert not wire.passes(udp("192.0.2.7"))


# --- several, and none -------------------------------------------------------------------------

def test_two_daemons_side_by_side_do_not_meet(weir_daemon):
    with Pair("left") as left, Pair("right") as right:
        one = weir_daemon(left.inside, interfaces=[left.wire])
        two = weir_daemon(right.inside, interfaces=[right.wire])
        one.say("block", "add", "192.0.2.7")
        two.say("block", "add", "192.0.2.8")
        frames = [udp("192.0.2.7"), udp("192.0.2.8")]
        with Wire.inward(left) as wire:
            assert wire.verdicts(frames) == [False, True]
        one.close()
        with Wire.inward(right) as wire:
            assert wire.verdicts(frames) == [True, False]
        two.close()


def test_two_daemons_in_one_namespace_judge_one_after_the_other(weir_daemon, pair, wire):
    one = weir_daemon(pair.inside, interfaces=[pair.wire])
    if not has_tcx(one):
        pytest.skip("this kernel has no TCX, and clsact takes one program of ours")
    two = weir_daemon(pair.inside, interfaces=[pair.wire])
    one.say("block", "add", "192.0.2.7")
    two.say("block", "add", "192.0.2.8")
    assert wire.verdicts([udp(f"192.0.2.{n}") for n in (7, 8, 9)]) == [False, False, True]


def test_second_daemon_with_the_same_directories_is_refused(daemon, pair):
    second = subprocess.run(daemon.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, timeout=30)
    assert second.returncode != 0
    assert "runs" in second.stdout or "running" in second.stdout or "another" in second.stdout
    assert daemon.healthy()


@pytest.mark.parametrize("alive", [True, False])
@pytest.mark.parametrize("hook", ["xdp", "tc", "xdp-generic"])
def test_cleanup_leaves_nothing_of_ours(weir_daemon, pair, wire, hook, alive):
    daemon = weir_daemon(pair.inside)
    daemon.say("interface", "attach", pair.wire, "--hook", hook, "--egress")
    daemon.say("block", "add", "192.0.2.7")
    maps = kernel.map_ids(daemon.pin_dir).values()
    links = [row[0] for row in kernel.link_ids(daemon.pin_dir).values()]
    programs = [row[1] for row in kernel.link_ids(daemon.pin_dir).values()]
    if not alive:
        daemon.kill()
    daemon.say("cleanup", "--force", "--pin-dir", daemon.pin_dir, "--run-dir", daemon.run_dir)
    if alive:
        wait_for(lambda: daemon.process.poll() is not None or not daemon.pin_dir.exists(),
                 "the daemon lets go")
    assert not daemon.pin_dir.exists()
    assert wire.passes(udp("192.0.2.7"))
    attached = attached_by_kernel(pair)
    assert not attached["xdp"] and not attached["tc"] and not attached["clsact"], attached
    if not alive:
        wait_for(lambda: not kernel.ids("link") & set(links), "links are gone")
        wait_for(lambda: not kernel.ids("prog") & set(programs), "programs are gone")
        wait_for(lambda: not kernel.ids("map") & set(maps), "maps are gone")


def test_cleanup_without_force_says_what_it_would_do_and_does_nothing(daemon, wire):
    daemon.say("block", "add", "192.0.2.7")
    done = daemon.verb("cleanup", "--pin-dir", daemon.pin_dir, "--run-dir", daemon.run_dir)
    assert done.returncode != 0 and "--force" in done.stderr
    assert not wire.passes(udp("192.0.2.7"))


def test_names_are_free_again():
    """The harness leaves no namespace of this process but those that are in use."""
    mine = unique("x").rsplit("-", 1)[0].removeprefix("weir-x")
    names = subprocess.run(["ip", "netns"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert not [name for name in names.split() if name.startswith("weir-") and f"{mine}-" in name]
