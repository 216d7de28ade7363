# SPDX-License-Identifier: Apache-2.0
"""Real clients, and what their kernel tells them: an errno, 0 where all went well."""
import contextlib
import errno
import socket

SOON_S = 5
IP_RECVERR, IPV6_RECVERR = 11, 25       # Python's socket has no names for them
GRE = 47


@contextlib.contextmanager
def servers(namespace, *ports):
    """TCP and UDP, both families, so that nobody but a firewall refuses them."""
    with contextlib.ExitStack() as stack:
        for port in ports:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                server = stack.enter_context(namespace.socket(socket.AF_INET6, kind))
                server.bind(("::", port))
                if kind == socket.SOCK_STREAM:
                    server.listen()
        yield


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@contextlib.contextmanager
def client_socket(namespace, address, *kind):
    with namespace.socket(family_of(address), *kind) as client:
        client.settimeout(SOON_S)
        yield client


def error_of(call, *args):
    """ETIMEDOUT where nothing came."""
    try:
        call(*args)
    except OSError as e:
        return e.errno or errno.ETIMEDOUT
    return 0


def connect_error(namespace, address, port):
    with client_socket(namespace, address, socket.SOCK_STREAM) as client:
        return error_of(client.connect, (address, port))


def datagram_error(namespace, address, port):
    with client_socket(namespace, address, socket.SOCK_DGRAM) as client:
        client.connect((address, port))
        client.send(b"anyone there?")
        return error_of(client.recv, 100)


def raw_error(namespace, address, protocol=GRE, size=1200):
    """A protocol without ports."""
    with client_socket(namespace, address, socket.SOCK_RAW, protocol) as client:
        if ":" in address:
            client.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
        else:
            client.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        client.connect((address, 0))
        client.send(bytes(size))
        return error_of(client.recv, 100)
