# SPDX-License-Identifier: Apache-2.0
"""Whether a check believes a server's certificate; certificates and servers are openssl's."""
import pathlib
import socket
import subprocess
import tempfile

import pytest
from scapy.layers.tls.extensions import TLS_Ext_ServerName
from scapy.layers.tls.handshake import TLSClientHello
from scapy.layers.tls.record import TLS

from e2e.health_test import check, config, health, tls_server, wait_states, watched
from harness.cluster import BACKEND_PORT, BACKENDS, Cluster
from harness.wait import SLOWNESS, wait_for

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(folder, *words):
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True,
                   stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def authority(folder, name):
    openssl(folder, "req", "-x509", *KEY, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days",
            1, "-subj", f"/CN={name}")


def server(folder, signer, names, days=1):
    """A folder with `cert` and `key`, as tls_server() wants them."""
    made = pathlib.Path(tempfile.mkdtemp(dir=folder))
    openssl(made, "req", "-new", *KEY, "-keyout", "key", "-out", "request", "-subj", "/CN=server")
    (made / "more").write_text(f"subjectAltName={names}\n")
    openssl(made, "x509", "-req", "-in", "request", "-CA", folder / f"{signer}.pem", "-CAkey",
            folder / f"{signer}.key", "-CAcreateserial", "-days", days, "-extfile", "more", "-out",
            "cert")
    return made


@pytest.fixture(scope="module")
def folder():
    with tempfile.TemporaryDirectory(prefix="weir-verify-") as made:
        for name in ("good", "other"):
            authority(pathlib.Path(made), name)
        yield pathlib.Path(made)


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as made:
        yield made


def asked(folder, kind="https", host="www.test", ca="good", **more):
    return config(check(kind, host=host, verify=True,
                        **({"ca": str(folder / f"{ca}.pem")} if ca else {}), **more), which=(0,))


def ends(daemon, state, reason):
    wait_states(daemon, [state, None, None])
    row = health(daemon)[BACKENDS[4][0]]
    assert row["reason"] == reason, row


@pytest.mark.parametrize("kind, reason", (("https", "status 200"), ("tls", "TLS1.3")))
@pytest.mark.parametrize("host, names", (("www.test", "DNS:www.test"),
                                         ("www.of.test", "DNS:*.of.test"),
                                         (BACKENDS[4][0], f"IP:{BACKENDS[4][0]}")))
def test_certificate_for_the_host_by_the_authority_is_good(cluster, folder, kind, reason, host,
                                                           names):
    with tls_server(cluster, server(folder, "good", names), 0, "-www"), \
            watched(cluster, asked(folder, kind, host)) as daemon:
        ends(daemon, "up", reason)


@pytest.mark.parametrize("signer, names, days, reason", (
    ("good", "DNS:www.test", -1, "certificate has expired"),
    ("good", "DNS:other.test", 1, "certificate is for another name"),
    ("other", "DNS:www.test", 1, "certificate of an unknown issuer"),
))
@pytest.mark.parametrize("kind", ("https", "tls"))
def test_certificate_that_cannot_be_believed_is_down_and_says_why(cluster, folder, kind, signer,
                                                                  names, days, reason):
    with tls_server(cluster, server(folder, signer, names, days), 0, "-www"), \
            watched(cluster, asked(folder, kind)) as daemon:
        ends(daemon, "down", f"TLS: {reason}")


def test_port_is_no_part_of_a_name(cluster, folder):
    with tls_server(cluster, server(folder, "good", "DNS:www.test"), 0, "-www"), \
            watched(cluster, asked(folder, host="www.test:8080")) as daemon:
        ends(daemon, "up", "status 200")


@pytest.mark.parametrize("host, name", (
    (f"[{BACKENDS[6][0]}]:8443", BACKENDS[6][0]), (f"[{BACKENDS[6][0]}]", BACKENDS[6][0]),
    (BACKENDS[6][0], BACKENDS[6][0]), (f"{BACKENDS[4][0]}:8443", BACKENDS[4][0])))
def test_brackets_and_port_are_no_part_of_an_address(cluster, folder, host, name):
    with tls_server(cluster, server(folder, "good", f"IP:{name}"), 0, "-www"), \
            watched(cluster, asked(folder, host=host)) as daemon:
        ends(daemon, "up", "status 200")


@pytest.mark.parametrize("host, name", (
    ("www.test:8443", b"www.test"), (f"{BACKENDS[4][0]}:8443", None),
    (f"[{BACKENDS[6][0]}]:8443", None), (BACKENDS[6][0], None)))
def test_names_are_sent_in_the_handshake_and_addresses_are_not(cluster, host, name):
    """RFC 6066, 3."""
    with cluster.backends.socket(socket.AF_INET, socket.SOCK_STREAM) as listens:
        listens.bind((BACKENDS[4][0], BACKEND_PORT))
        listens.listen()
        listens.settimeout(10 * SLOWNESS)
        with watched(cluster, config(check("tls", host=host), which=(0,))):
            assert server_name(listens) == name


def server_name(listens):
    """Of the first handshake, as scapy reads it."""
    with listens.accept()[0] as sock:
        sock.settimeout(10 * SLOWNESS)
        hello = TLS(sock.recv(65536)).msg[0]
    assert isinstance(hello, TLSClientHello)
    names = [entry.servername for extension in hello.ext
             if isinstance(extension, TLS_Ext_ServerName) for entry in extension.servernames]
    return names[0] if names else None


def test_system_does_not_know_an_authority_of_ours(cluster, folder):
    with tls_server(cluster, server(folder, "good", "DNS:www.test"), 0, "-www"), \
            watched(cluster, asked(folder, ca=None)) as daemon:
        wait_for(lambda: health(daemon)[BACKENDS[4][0]]["reason"] in (
            "TLS: certificate of an unknown issuer",
            "cannot ask: no certificate can be read from the system's store"), "it is told")


def test_file_that_is_not_there_takes_nobody_away_and_is_read_anew(cluster, folder):
    late = folder / "late.pem"
    with tls_server(cluster, server(folder, "good", "DNS:www.test"), 0, "-www"), \
            watched(cluster, asked(folder, ca="late")) as daemon:
        wait_for(lambda: health(daemon)[BACKENDS[4][0]]["unasked"] > 3, "asked in vain")
        row = health(daemon)[BACKENDS[4][0]]
        assert row["state"] == "unchecked"
        assert row["reason"].startswith("cannot ask: no certificate can be read from /")
        late.write_bytes((folder / "other.pem").read_bytes())
        wait_states(daemon, ["down", None, None])
        late.write_bytes((folder / "good.pem").read_bytes())
        daemon.apply(asked(folder, ca="late", path="/"))
        ends(daemon, "up", "status 200")
