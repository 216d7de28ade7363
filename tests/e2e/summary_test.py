# SPDX-License-Identifier: Apache-2.0
"""`weir summary`: who carries most, in English and Chinese, as the test's own connections do."""
import json
import re
import socket

import pytest

from harness.chain import Chain, client_address, server_address
from harness.daemon import Daemon, Refused
from harness.streams import both_ways, connecting, listening
from harness.wait import wait_for

CONFIG = ("api: {{listen: off}}\ninterfaces: [{{name: lan, hook: tc}}, {{name: wan, hook: tc}}]\n"
          "conntrack: {{enabled: true, account: {account}}}\n")
PORT = 7001


@pytest.fixture(scope="module")
def chain():
    with Chain() as made:
        yield made


@pytest.fixture(scope="module")
def carrying(chain):
    """(daemon, port of the client): a megabyte went each way, and the connection stays."""
    with Daemon(chain.gateway, config=CONFIG.format(account="true")) as daemon, \
            listening(chain.server, 4, PORT) as server:
        client = connecting(chain.client, server_address(4), PORT)
        accepted, _ = server.accept()
        with client, accepted:
            port = client.getsockname()[1]
            both_ways(client, accepted, b"x" * (1 << 20))
            yield daemon, port


@pytest.mark.parametrize("lang, state, total", (("en", "established", "connections"),
                                                ("zh", "已建立", "总连接数")))
def test_hosts_and_connections_are_told(chain, carrying, lang, state, total):
    daemon, port = carrying
    said = daemon.say("summary", "--rounds", "1", "--lang", lang)
    for address in (client_address(4), server_address(4)):
        assert re.search(rf"^IP: {re.escape(address)} +\| \S+: 2\.\d+MiB$", said, re.M), said
    assert re.search(rf"^{re.escape(client_address(4))}:{port} -> {re.escape(server_address(4))}:"
                     rf"{PORT} \| \S+: {state} \| \S+: 2\.\d+MiB$", said, re.M), said
    count = daemon.ask("flow", "count")["total"]
    assert re.search(rf"^{total}: {count}$", said, re.M)


def test_rounds_come_one_after_the_other(carrying):
    daemon, _ = carrying
    said = daemon.say("summary", "--rounds", "3", "--interval", "100ms")
    assert said.count("=== Traffic ===") == 3
    lines = daemon.say("summary", "--rounds", "2", "--interval", "100ms", "--json").splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["active", "count", "hosts"]] * 2


def test_csv_is_refused_and_not_passed_over(carrying):
    daemon, _ = carrying
    with pytest.raises(Refused, match="--csv: what is printed again and again is no table\n"
                                      " +--json has a line each time"):
        daemon.say("summary", "--rounds", "1", "--csv")


def test_interval_may_be_seconds_as_in_the_document(carrying):
    daemon, _ = carrying
    assert "=== Traffic ===" in daemon.say("summary", "--rounds", "1", "--interval", "5")


@pytest.mark.parametrize("words, why", ((("--interval", "1ms"), "50ms is the least"),
                                        (("--lang", "xx"), "en, zh")))
def test_what_cannot_be_is_refused(carrying, words, why):
    daemon, _ = carrying
    with pytest.raises(Refused, match=why):
        daemon.say("summary", *words)


@pytest.mark.parametrize("lang, one_way, closing, counts", (
    ("en", "one way", "closing", ("connections", "active connections")),
    ("zh", "单向", "关闭中", ("总连接数", "活跃连接数"))))
def test_what_is_active_is_told_of_whatever_its_protocol(chain, lang, one_way, closing, counts):
    """Of four connections a datagram's is active, and one that is established; one is over, and
    of one nobody knows yet."""
    with Daemon(chain.gateway, config=CONFIG.format(account="true")) as daemon, \
            listening(chain.server, 4, PORT + 2) as server, \
            chain.client.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, \
            chain.client.socket(socket.AF_INET, socket.SOCK_STREAM) as begins, \
            chain.server.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("", PORT + 3))
        datagrams.connect((server_address(4), PORT + 3))
        datagrams.send(b"x" * (1024 - 14 - 20 - 8))
        with connecting(chain.client, server_address(4), PORT + 2) as ends:
            over = ends.getsockname()[1]
            server.accept()[0].close()
        chain.server.run("nft", "add table ip silent; add chain ip silent in { type filter hook "
                         "input priority 0; }; add rule ip silent in "
                         f"tcp dport {PORT + 4} drop")
        begins.setblocking(False)
        begins.connect_ex((server_address(4), PORT + 4))
        try:
            with connecting(chain.client, server_address(4), PORT + 2), server.accept()[0]:
                wait_for(lambda: daemon.ask("flow", "count", "stage=closing")["total"] == 1 and
                         daemon.ask("flow", "count")["total"] == 4, "all are known")
                said = daemon.say("summary", "--rounds", "1", "--lang", lang)
        finally:
            chain.server.run("nft", "delete", "table", "ip", "silent")
    assert re.search(rf":{PORT + 3} \| \S+: {one_way} \| \S+: 1KiB$", said, re.M), said
    assert f":{over} " not in said and closing not in said, said
    for word, count in zip(counts, (4, 2)):
        assert re.search(rf"^{word}: {count}$", said, re.M), said


def test_without_accounting_it_is_said_what_lacks(chain):
    with Daemon(chain.gateway, config=CONFIG.format(account="false")) as daemon:
        with pytest.raises(Refused, match="account: true"):
            daemon.say("summary", "--rounds", "1")


@pytest.mark.parametrize("kept", (True, False), ids=("kept", "not kept"))
def test_addresses_have_what_ended_where_totals_are_kept(chain, kept):
    text = CONFIG.format(account="true" if kept else "true, totals: {keys: 0}")
    with Daemon(chain.gateway, config=text) as daemon, \
            listening(chain.server, 4, PORT + 1) as server:
        with connecting(chain.client, server_address(4), PORT + 1) as client:
            accepted, _ = server.accept()
            with accepted:
                both_ways(client, accepted, b"x" * (1 << 20))
        daemon.say("flow", "flush", "--all")
        head = "--- By address ---" if kept else "--- By address, of the connections there are ---"

        def told():
            said = daemon.say("summary", "--rounds", "1")
            assert head in said
            return bool(re.search(rf"^IP: {re.escape(client_address(4))} +\| \S+: 2\.\d+MiB$",
                                  said, re.M)) == kept

        wait_for(told, "what ended is told of as it is kept")
