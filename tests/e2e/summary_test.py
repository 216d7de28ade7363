# SPDX-License-Identifier: Apache-2.0
"""`weir summary`: who carries most, in English and Chinese, as the test's own connections do."""
import json
import re

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


def test_interval_may_be_seconds_as_in_the_document(carrying):
    daemon, _ = carrying
    assert "=== Traffic ===" in daemon.say("summary", "--rounds", "1", "--interval", "5")


@pytest.mark.parametrize("words, why", ((("--interval", "1ms"), "50ms is the least"),
                                        (("--lang", "xx"), "en, zh")))
def test_what_cannot_be_is_refused(carrying, words, why):
    daemon, _ = carrying
    with pytest.raises(Refused, match=why):
        daemon.say("summary", *words)


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
