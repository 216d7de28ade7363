# SPDX-License-Identifier: Apache-2.0
"""A gateway with everything on that counts, and traffic of every kind there is a counter of: what
it comes to is counted by who sends it, by nftables and by the kernel of the gateway."""
import collections
import contextlib
import json
import socket
import socketserver
import threading

from harness.cluster import (BACKEND_PORT, BACKENDS, CLIENT, ROUTER, SERVICE, Cluster,
                             StreamServer)
from harness.programs import running
from harness.wait import SLOWNESS, wait_for

DEVICES = ("lan", "wan")
HERE = ROUTER[4][0]
DIRECT, OWN, COOKIE = 8081, 9000, 8443          # ports: of a backend by itself, and of this host
CLOSED, BOUNDED, FIRST = 4111, 4112, 10000      # … and of UDP
DENIED = "192.0.2.9"
LINK_HEADER, SAID = 14, 900      # SAID: bytes of a connection
KINDS = ("web", "direct", "own", "cookie", "closed", "bounded", "denied", "ping")
# So many series that none is of the others: sums by device are to be had.
CONFIG = """\
api: {{listen: off}}
metrics: {{series: 2000}}
interfaces: [{{name: lan, hook: tc, egress: true}}, {{name: wan, hook: tc, egress: true}}]
sanity: {{level: strict}}
conntrack: {{enabled: true, account: true, capacity: {capacity}, timeouts: {{time_wait: 10s}}}}
attack: {{enabled: true}}
drops: {{enabled: true}}
quality: {{enabled: true}}
sockets: {{enabled: true}}
log: {{file: {{path: {folder}/weir.json}}}}
block: {{lists: [{{name: bad, action: deny, entries: [{entries}]}}]}}
limit: {{limits: [{{name: pings, proto: icmp, packets: 1000000/s}}]}}
synproxy: {{services: [{{ports: '8443', mode: always}}]}}
rules:
  enabled: true
  rules:
  - {{name: counted, proto: udp, dport: 4111, action: count, direction: ingress}}
  - {{name: bounded, proto: udp, dport: 4112, direction: ingress, action: limit, rate: 1/h,
      burst: 1}}
balance:
  services:
  - name: echo
    address: {service}
    port: 80
    announce: true
    health: {{type: tcp, interval: 1h, timeout: 1s}}
    backends: [{backends}]
"""
# Behind the programs of Weir where packets arrive, before them where they leave.
NFT = """table ip counted {
    chain arrives {
        type filter hook prerouting priority -300
        iifname lan meta l4proto tcp counter name lan_tcp
        iifname wan meta l4proto tcp counter name wan_tcp
        iifname lan tcp flags & (syn|ack) == syn counter name lan_syn
        iifname lan ip saddr 10.78.1.2 tcp dport 8080 counter name to_backends
        iifname wan ip daddr 10.78.1.2 tcp sport 8080 counter name to_clients
        iifname lan tcp dport 8081 counter name direct_in
        iifname wan tcp sport 8081 counter name direct_out
        iifname lan tcp dport 9000 counter name own_in
        iifname lan ip protocol icmp icmp type echo-request counter name pings
    }
    chain leaves {
        type filter hook output priority -300
        meta l4proto tcp counter name sent_tcp
        tcp sport 9000 counter name own_out
        icmp type echo-reply counter name pongs
    }
    COUNTERS
}"""
COUNTERS = ("lan_tcp", "wan_tcp", "lan_syn", "to_backends", "to_clients", "direct_in", "direct_out",
            "own_in", "own_out", "pings", "sent_tcp", "pongs")
NftCount = collections.namedtuple("NftCount", "packets bytes")


def config(folder, capacity=20000, entries=("192.0.2.0/24",)):
    backends = ", ".join(f"{{address: {address}, port: {BACKEND_PORT}}}"
                         for address in BACKENDS[4])
    return CONFIG.format(folder=folder, capacity=capacity, entries=", ".join(entries),
                         service=SERVICE[4], backends=backends)


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it gets. Who spoke first would be cut off where tables begin anew just then
    (docs/user/balancer.md, Not yet)."""

    def handle(self):
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@contextlib.contextmanager
def listening(namespace, *ends):
    """(address, port) of each."""
    with contextlib.ExitStack() as stack:
        for end in ends:
            with namespace.entered():
                server = stack.enter_context(StreamServer(end, Echo))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
        yield


class Traffic:
    """Threads that go on until stop(); `sent` says what they did, of what nothing can be lost or
    sent again."""

    def __init__(self, cluster):
        self.cluster, self.trouble = cluster, []
        self.sent = collections.Counter(dict.fromkeys(KINDS, 0))
        self.over, self.threads = threading.Event(), []

    def run(self, act, *words):
        try:
            while not self.over.wait(0.03):
                act(*words)
        except (OSError, AssertionError, ValueError) as why:
            self.trouble.append(f"{act.__name__} {words}: {why!r}")

    def talk(self, name, address, port):
        """A connection, begun and ended by the client."""
        with self.cluster.client.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(20 * SLOWNESS)
            client.connect((address, port))
            client.sendall(b"x" * SAID)
            heard = 0
            while heard < SAID:
                heard += len(said := client.recv(SAID))
                assert said, "it ends too early"
        self.sent[name] += 1

    def words(self):
        """Each from another port, so that it is another flow."""
        port = FIRST + self.sent["denied"]
        for name, source, to in (("closed", CLIENT[4], CLOSED), ("bounded", CLIENT[4], BOUNDED),
                                 ("denied", DENIED, CLOSED)):
            with self.cluster.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind((source, port))
                sock.sendto(b"nobody", (HERE, to))
            self.sent[name] += 1

    def start(self):
        self.over.clear()
        self.sent["ping"] += 1          # a flow of its own
        self.threads = [threading.Thread(target=self.run, args=words) for words in (
            (self.talk, "web", SERVICE[4], 80), (self.talk, "direct", BACKENDS[4][0], DIRECT),
            (self.talk, "own", HERE, OWN), (self.talk, "cookie", HERE, COOKIE), (self.words,))]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join(60 * SLOWNESS)
        assert not self.trouble, self.trouble

    def goes_on(self, rounds):
        """Each kind, so often more."""
        before = dict(self.sent)
        wait_for(lambda: self.trouble or all(self.sent[name] >= count + rounds for name, count in
                                             before.items() if name != "ping"), "it goes on", 60)
        assert not self.trouble, self.trouble


@contextlib.contextmanager
def gateway():
    """The cluster with all servers, nftables counting."""
    with Cluster() as cluster, contextlib.ExitStack() as stack:
        cluster.give(cluster.client, "eth0", DENIED, 32)
        stack.enter_context(listening(
            cluster.backends, (BACKENDS[4][0], DIRECT),
            *((address, BACKEND_PORT) for address in BACKENDS[4])))
        stack.enter_context(listening(cluster.gateway, (HERE, OWN), (HERE, COOKIE)))
        cluster.gateway.run("nft", "-f", "-", input=NFT.replace(
            "COUNTERS", "\n".join(f"counter {name} {{}}" for name in COUNTERS)))
        yield cluster


@contextlib.contextmanager
def passing(cluster, traffic):
    with running(cluster.client, "ping", "-i", "0.05", "-s", "200", HERE):
        traffic.start()
        try:
            yield
        finally:
            traffic.over.set()
            traffic.join()


def counted(cluster):
    """By nftables, at the gateway."""
    said = json.loads(cluster.gateway.run("nft", "-j", "list", "counters").stdout)
    return {row["counter"]["name"]: NftCount(row["counter"]["packets"], row["counter"]["bytes"])
            for row in said["nftables"] if "counter" in row}


def kernels(namespace):
    """By the kernel: TcpPassiveOpens, UdpNoPorts, TcpExtTCPTimeouts and so on."""
    lines = namespace.run("cat", "/proc/net/snmp", "/proc/net/netstat").stdout.splitlines()
    return {head.partition(":")[0] + name: int(value)
            for head, values in zip(lines[::2], lines[1::2])
            for name, value in zip(head.split()[1:], values.split()[1:])}
