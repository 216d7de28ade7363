# SPDX-License-Identifier: Apache-2.0
"""`weir top` at a gateway, and what its tests send through it."""
import socket

from harness.chain import client_address, server_address
from harness.daemon import WEIR
from harness.screen import Screen
from harness.wait import SLOWNESS

CONFIG = ("api: {listen: off}\ninterfaces: [{name: lan, hook: tc}, {name: wan, hook: tc}]\n"
          "conntrack: {enabled: true, account: true}\ndrops: {enabled: true}\n")
OWNERS = CONFIG + "sockets: {enabled: true}\n"
ONE, OTHER = 7001, 7002
HEADERS = 14 + 20 + 8           # Ethernet, IPv4, UDP
CLIENT, SERVER = client_address(4), server_address(4)
# Sends ten MiB to an address and port, and waits.
CARRIER = """import socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
sock.sendall(b"x" * (10 << 20))
sock.recv(1)
"""


def top(daemon, *words, **options):
    return Screen(daemon.namespace, [WEIR, "top", "--socket", daemon.socket, *words], **options)


def send(chain, port, count, size=1024, sport=40000):
    """So many packets of UDP of that size on the wire, and nothing else of this flow."""
    with chain.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, \
            chain.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("", port))
        sink.settimeout(10 * SLOWNESS)
        sock.bind(("", sport))
        for _ in range(count):
            sock.sendto(b"x" * (size - HEADERS), (SERVER, port))
            sink.recv(2048)
