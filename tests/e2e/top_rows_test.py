# SPDX-License-Identifier: Apache-2.0
"""`weir top`: rows of services, backends, containers and the kernel's drops, beside what clients,
sockets and the kernel count themselves, and what the keys make of them."""
import collections
import contextlib
import pathlib
import re
import socket
import sys

import pytest

from harness.balanced import echo, policy
from harness.cluster import BACKENDS, CLIENT, PORT, ROUTER, SERVICE, Client, Cluster, serving
from harness.daemon import Daemon
from harness.net import unique, veth
from harness.programs import running
from harness.streams import listening, receive
from harness.terminal import CARRIER, HEADERS, OWNERS, top
from harness.wait import wait_for

CLOSED, SOURCE = 4111, 5111
WIDE = {"name": "several-ports", "address": SERVICE[4], "port": "8000-8099", "proto": "udp",
        "backends": [{"address": BACKENDS[4][0]}]}
CONTAINER = "5f2c" * 16
SMALL = (80, 24)


def config(*services):
    return (policy(list(services)).replace('"enabled": "auto"', '"enabled": true, "account": true')
            + "drops: {enabled: true}\n")


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


@pytest.fixture
def balancing(cluster):
    with Daemon(cluster.gateway, config=config(echo(4), WIDE)) as made, serving(cluster, 4):
        yield made


class Counting:
    """A client by UDP: no byte of what it says and hears is said twice."""

    def __init__(self, cluster, words):
        self.sent = self.got = 0
        self.client = Client(cluster, 4, "udp")
        for _ in range(words):
            self.client.sock.send(b"x" * 1000)
            answer = self.client.sock.recv(2048)
            self.client.learn(answer.split(b"\n")[0])
            self.sent += HEADERS + 1000
            self.got += HEADERS + len(answer)

    def close(self):
        self.client.close()


def all_carried(clients):
    return [sum(client.sent for client in clients), sum(client.got for client in clients)]


def size(text):
    number, unit = re.fullmatch(r"([\d.]+)(B|KiB|MiB)", text).groups()
    return float(number) * {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20}[unit]


def cells(screen, start):
    """{title: text} of the row that begins so; neither has blanks."""
    lines = screen.lines()
    row = next((line for line in lines[6:] if re.match(start, line)), "")
    return dict(zip(re.findall("[^ ▼▲]+", lines[5]), row.split()))


def has_carried(screen, start, clients):
    """Once the row has what the clients counted, to the digits that it shows."""
    def look():
        row = cells(screen, start)
        return row and all(size(row[title]) == pytest.approx(count, abs=max(52, count / 1000))
                           for title, count in zip(("in", "out"), all_carried(clients)))
    wait_for(look, f"{start} has {all_carried(clients)}\n{screen.text()}")


# --- services --------------------------------------------------------------------------------


def test_services_and_backends_have_what_their_clients_counted(cluster):
    with Daemon(cluster.gateway, config=config(echo(4, proto="udp"))) as daemon, \
            serving(cluster, 4, "udp"), contextlib.ExitStack() as stack, \
            top(daemon, "--tab", "services", size=(160, 24)) as screen:
        clients = [stack.enter_context(contextlib.closing(Counting(cluster, words)))
                   for words in (200, 100, 50, 1, 1, 1)]
        # new/s, active, in, out, connections, refused
        screen.shows(rf"^echo +{SERVICE[4]}:{PORT} .* 0 +6 +\S+ +\S+ +6 +0( |$)")
        has_carried(screen, "echo ", clients)
        told = daemon.ask("service", "stats", "echo")["services"][0]
        assert [told["in_bytes"], told["out_bytes"]] == all_carried(clients)
        assert (told["active"], told["connections"]) == (6, 6)
        screen.keys("g")
        by_backend = collections.defaultdict(list)
        for client in clients:
            by_backend[client.client.backend].append(client)
        for backend, own in by_backend.items():
            screen.shows(rf"^{backend}:8080 +echo .* 0 +{len(own)} +\S+ +\S+ +{len(own)}( |$)")
            has_carried(screen, f"{backend}:", own)


def test_rates_of_a_service_are_of_what_came_between_two_looks(cluster, balancing):
    """16 connections in four seconds."""
    with contextlib.ExitStack() as stack, \
            top(balancing, "--tab", "services", "--interval", "4") as screen:
        screen.shows(r"^echo .* 0B +0B +0 +0$")
        for _ in range(16):
            assert stack.enter_context(Client(cluster, 4)).echoes(b"x" * 100_000)
        screen.shows(r"^echo .* 16$")
        row = cells(screen, "echo ")
        assert float(row["new/s"]) == pytest.approx(4, rel=.1)
        for title in ("in/s", "out/s"):             # segments have 66 bytes of headers
            assert size(row[title]) == pytest.approx(400_000 * (1 + 66 / 1448), rel=.1)


def test_a_terminal_of_80_columns_has_services_whole(balancing):
    with top(balancing, "--tab", "services", size=SMALL) as screen:
        screen.shows("^service +address +in/s▼ +out/s +new/s +active$")
        screen.shows(rf"^several-ports +{SERVICE[4]}:8000-8099 +0B +0B +0 +0$")
        assert max(len(line) for line in screen.lines()) <= 80
        screen.keys("g")
        screen.shows("^backend +service +in/s▼ +out/s +new/s +active$")
        screen.shows(rf"^{BACKENDS[4][0]}:8000-8099 +several-ports +0B +0B +0 +0$")
        for address in BACKENDS[4]:
            screen.shows(rf"^{address}:8080 +echo +0B +0B +0 +0$")


def test_detail_of_a_service_says_what_of_it_is_in_sight(cluster, balancing):
    with Client(cluster, 4), top(balancing, "--tab", "services", size=SMALL) as screen:
        screen.shows("^echo ")
        screen.keys("Enter")
        screen.shows(r"^ connections +1$")
        shown, lines = map(int, screen.shows(r" lines 1 to (\d+) of (\d+)$").groups())
        assert shown == 16 and lines > 16           # of 24, beside head and foot
        screen.lacks("unanswered")
        screen.keys("End")
        screen.shows(r"^ unanswered +0$")
        screen.shows(rf" lines {lines - 15} to {lines} of {lines}$")
        screen.keys("Escape")
        screen.shows(" 1 of 2$")


@pytest.mark.parametrize("family", (4, 6))
def test_flows_of_services_and_backends_are_a_key_away(cluster, family):
    with Daemon(cluster.gateway, config=config(echo(family), WIDE)) as daemon, \
            serving(cluster, family), contextlib.ExitStack() as stack, \
            top(daemon, "--tab", "services", size=(120, 24)) as screen:
        clients = [stack.enter_context(Client(cluster, family)) for _ in range(6)]
        with cluster.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"x", (SERVICE[4], 8001))
        bracket = "[{}]".format if family == 6 else str
        screen.shows(r"^several-ports .* 1$|^several-ports .* 1 ")
        screen.keys("Home")
        screen.shows("^echo .* 6 ")
        screen.keys("f")
        screen.shows(r"filter: backend=echo/\* +1 of 6$")
        for client in clients:
            assert f"{bracket(CLIENT[family])}:{client.own[1]} " in screen.text()
        screen.keys("6", "g")
        first = screen.shows(r"^\[?([\w.:]+?)\]?:8080 +echo ")[1]
        screen.keys("f")
        served = {client.own[1] for client in clients if client.backend == first}
        screen.shows(re.escape(f"filter: backend=echo/{bracket(first)}:8080 ")
                     + rf" *1 of {len(served)}$")
        ports = re.findall(r"^tcp +\S+:(\d+) ", screen.text(), re.M)
        assert set(map(int, ports)) == served


# --- interfaces ------------------------------------------------------------------------------


def test_flows_of_an_interface_are_a_key_away_whatever_its_name(cluster):
    """'a(b' would be grammar, were it not quoted."""
    veth(cluster.client, "odd", cluster.gateway, "a(b", 1500)
    try:
        cluster.give(cluster.client, "odd", "10.78.9.2", 24)
        cluster.give(cluster.gateway, "a(b", "10.78.9.1", 24)
        with Daemon(cluster.gateway, config="api: {listen: off}\ninterfaces: [{name: '*'}]\n"
                    "conntrack: {enabled: true, account: true}\n") as daemon, \
                top(daemon, "--tab", "interfaces", "--sort", "interface") as screen, \
                cluster.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for target in ("10.78.9.1", ROUTER[4][0]):
                sock.sendto(b"x", (target, CLOSED))
            screen.shows(r"^a\(b +tcx ")
            screen.keys("Home", "f")
            screen.shows(r'filter: interface="a\(b" +1 of ')
            screen.shows(rf"^udp .* 10\.78\.9\.1:{CLOSED} ")
            assert f"{ROUTER[4][0]}:{CLOSED} " not in screen.text()
            screen.keys("5")
            screen.shows("^lan ")
            screen.keys("Down", "f")
            screen.shows(r"filter: interface=lan +1 of ")
            screen.shows(rf"^udp .* {ROUTER[4][0]}:{CLOSED} ")
            assert f"10.78.9.1:{CLOSED} " not in screen.text()
    finally:
        cluster.gateway.run("ip", "link", "del", "a(b")


# --- drops -----------------------------------------------------------------------------------


def no_ports(namespace):
    """Datagrams for which there was no socket, as the kernel counts them."""
    text = namespace.run("nstat", "-asz", "UdpNoPorts").stdout
    return int(text.split("UdpNoPorts")[1].split()[0])


def knock(cluster, count):
    with cluster.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((CLIENT[4], SOURCE))
        for _ in range(count):
            sock.sendto(b"x" * 100, (ROUTER[4][0], CLOSED))


def test_drops_of_the_kernel_have_reason_number_and_ends(cluster, balancing):
    wait_for(lambda: balancing.ask("drops")["watched"], "drops are watched")
    before = no_ports(cluster.gateway)
    knock(cluster, 37)
    with top(balancing, "--tab", "drops", size=SMALL) as screen:
        screen.shows("nothing was dropped")
        wait_for(lambda: no_ports(cluster.gateway) - before == 37, "the kernel counts them")
        screen.keys("g")
        screen.shows(r"^NO_SOCKET +lan +udp +\d+ +37 +__udp4_lib_rcv")
        screen.keys("Enter")
        for name, value in (("packets", 37), ("protocol", "udp"), ("src", CLIENT[4]),
                            ("sport", SOURCE)):
            screen.shows(rf"^ +{name} +{value}$")
        screen.keys("Escape", "f")
        screen.shows("no flows to go to from here")
        screen.resize(40, 12)
        screen.shows(r"^NO_SOCKET +\d+ +37$")       # texts are cut, numbers are whole
        screen.keys("g")
        screen.shows(r"^NO_SOCKET +10\.78\.\S*… +10\.78\.\S*… +37$")
        screen.resize(*SMALL)
        screen.keys("g", "g")
        screen.shows("^NO_SOCKET +lan +udp ")
        screen.keys("g")
        screen.shows(rf"^NO_SOCKET +{CLIENT[4]}:{SOURCE} +{ROUTER[4][0]}:{CLOSED} +37 ")
        screen.keys("/")
        screen.type("reason=NO_ROUTE")
        screen.keys("Enter")
        screen.shows("nothing passes the filter")


def test_a_sender_of_what_the_kernel_drops_can_be_blocked(cluster, balancing):
    wait_for(lambda: balancing.ask("drops")["watched"], "drops are watched")
    knock(cluster, 5)
    with top(balancing, "--tab", "drops", size=SMALL) as screen:
        screen.keys("g", "g")
        screen.shows(rf"^NO_SOCKET +{CLIENT[4]}:{SOURCE} .* 5 ")
        screen.keys("b")
        screen.shows(rf"Address or prefix +{CLIENT[4]}$")
        screen.keys("Enter", "Enter")
        screen.shows(rf"weir block add {CLIENT[4]} --ttl 10m")
        screen.keys("n")
        screen.lacks("weir block add")
        assert not balancing.entries()
        screen.keys("b", "Enter", "Enter", "y")
        screen.shows(f"{CLIENT[4]} is now in deny list")
        assert [entry["entry"] for entry in balancing.entries()] == [CLIENT[4]]
        before = no_ports(cluster.gateway)
        knock(cluster, 9)
        screen.keys("Space", "g")
        screen.shows(r"^drop_blocked +\S+ +9 +1\.2KiB ")        # 9 of 142 bytes
        assert no_ports(cluster.gateway) == before
        balancing.ask("block", "del", CLIENT[4])


# --- processes -------------------------------------------------------------------------------


@pytest.fixture
def cgroup():
    """Called as a container's is."""
    mount = next(line.split()[1] for line in open("/proc/mounts") if line.split()[2] == "cgroup2")
    made = pathlib.Path(mount) / unique("toprows") / f"docker-{CONTAINER}.scope"
    made.mkdir(parents=True)
    try:
        yield made
    finally:
        for folder in (made, made.parent):
            wait_for(lambda folder=folder: gone(folder), "nobody is in the cgroup")


def gone(folder):
    with contextlib.suppress(OSError):
        folder.rmdir()
    return not folder.exists()


INSIDE = "import os, sys\nopen(sys.argv.pop(), 'w').write(str(os.getpid()))\n" + CARRIER


def test_containers_have_what_was_sent_in_them(cluster, cgroup):
    """Ten MiB by TCP; the bytes of what was sent again are among them."""
    sent = r" +1 .* (10(?:\.\d)?)MiB +0B +(\d+)$"
    with Daemon(cluster.gateway, config=OWNERS) as daemon, \
            listening(cluster.client, 4, 7001) as server, \
            running(cluster.gateway, sys.executable, "-c", INSIDE, CLIENT[4], "7001",
                    cgroup / "cgroup.procs"):
        accepted, _ = server.accept()
        with accepted, top(daemon, "--tab", "processes", size=SMALL) as screen:
            receive(accepted, 10 << 20)
            screen.shows("^process, by ")
            screen.keys("g", "g", "g")
            screen.shows("^container, by ")
            shown, again = screen.shows(rf"^{CONTAINER[:12]}\S*" + sent).groups()
            again = int(again) * 1448
            assert float(shown) == pytest.approx(10 + again / (1 << 20), abs=.06)
            screen.resize(160, 24)
            screen.keys("f")
            screen.shows(f'filter: container="{CONTAINER}" +1 of 1$')
            screen.shows(rf"^tcp .* {CLIENT[4]}:7001 ")
            screen.resize(*SMALL)
            screen.keys("Escape", "g", "g", "g", "g", "g", "g")
            screen.shows("^container, all protocols, by ")
            row = rf"^{CONTAINER[:12]} +1 .* (10\.\d)MiB +([\d,]+)$"
            size, packets = screen.shows(row).groups()      # both ways: 66 bytes of headers each
            headers = int(packets.replace(",", "")) * 66
            assert float(size) == pytest.approx(10 + (headers + again) / (1 << 20), abs=.06)
