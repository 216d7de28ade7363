# SPDX-License-Identifier: Apache-2.0
"""An interface that gets another name while packets arrive: it keeps its rules, and nothing is left
out or counted twice."""
import contextlib
import re
import socket
import threading

from harness.account import device_counts, metrics
from harness.daemon import Daemon
from harness.net import Pair
from harness.wait import wait_for

PORT, BLOCKED = 7700, 7701
CONFIG = ("api: {listen: off}\n"
          "interfaces: [{name: 'wire*', hook: tc, egress: true}]\n"
          f"rules: {{enabled: true, rules: [{{name: no, proto: udp, dport: {BLOCKED}, "
          "action: deny}]}\n")
SENT = 3000
SAMPLE = re.compile(r'^weir_(interface_rx_packets_total|packets_total)\{interface="(\w+)"(.*)\} '
                    r"(\S+)$", re.M)


def told(daemon):
    """(what the device counts by name, what Weir counted of arrivals by name and reason)."""
    devices, packets = {}, {}
    for metric, name, labels, value in SAMPLE.findall(metrics(daemon)):
        if metric == "interface_rx_packets_total":
            devices[name] = int(float(value))
        elif 'direction="ingress"' in labels:
            reason = re.search(r'reason="(\w+)"', labels)[1]
            packets[name, reason] = int(float(value))
    return devices, packets


def test_renamed_under_load_it_keeps_its_rules_and_counts():
    with Pair("renamed", addresses=True) as pair, Daemon(pair.inside, config=CONFIG) as daemon, \
            contextlib.ExitStack() as stack:
        sink = stack.enter_context(pair.inside.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sink.bind((pair.inside_v4, BLOCKED))
        sock = stack.enter_context(pair.outside.socket(socket.AF_INET, socket.SOCK_DGRAM))
        halfway, go_on = threading.Event(), threading.Event()

        def send():
            for number in range(SENT):
                if number == SENT // 3:
                    halfway.set()
                if number == 2 * SENT // 3:
                    go_on.wait(20)
                sock.sendto(b"x", (pair.inside_v4, BLOCKED))
        thread = threading.Thread(target=send)
        thread.start()
        stack.callback(thread.join)
        stack.callback(go_on.set)
        assert halfway.wait(20)
        pair.inside.run("ip", "link", "set", "wire", "name", "wired")
        seen = []
        wait_for(lambda: seen.append(told(daemon)) or "wired" in seen[-1][0], "its new name", 20)
        go_on.set()
        thread.join()
        device = device_counts(pair.inside, ["wired"])["wired", "ingress"].packets

        def is_all():
            seen.append(told(daemon))
            devices, packets = seen[-1]
            return devices.get("wired", 0) >= device and sum(
                count for (_, reason), count in packets.items() if reason == "drop_rule") >= SENT
        with contextlib.suppress(AssertionError):
            wait_for(is_all, "all are counted")
        devices, packets = seen[-1]
        assert sum(count for (_, reason), count in packets.items()
                   if reason == "drop_rule") == SENT
        assert set(devices) == {"wired"} and {name for name, _ in packets} == {"wired"}
        for before, after in zip(seen, seen[1:]):
            assert sum(after[0].values()) >= sum(before[0].values()), "no count goes back"
            assert sum(after[1].values()) >= sum(before[1].values())
        sink.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            assert not sink.recv(10), "the rule holds by either name"
