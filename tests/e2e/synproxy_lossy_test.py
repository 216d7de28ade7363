# SPDX-License-Identifier: Apache-2.0
"""Connections that are handed to listeners of this host, over a wire that loses frames and lets
later ones overtake others: what arrives is what was sent, with the options that were agreed on
without Weir."""
import contextlib
import json
import random

import pytest

from harness.chain import FAMILIES, address
from harness.daemon import Daemon
from harness.kernel import release
from harness.lossy import LossyChain
from harness.streams import (PORT, both_ways, connecting, listening, options, receive, sent_again,
                             transfer)
from harness.wait import SLOWNESS

pytestmark = pytest.mark.skipif(release() < (6, 9), reason="handed over by Linux 6.9")
HOOKS = ("tc", "xdp", "xdp-generic")
ONE_OF = {"lost": 50, "held": 30}       # frames each way
SERVICE = {"ports": str(PORT), "mode": "always", "where": "here"}


def config(hook, *services):
    rules = {"policy": [{"interface": "*", "ingress": "deny", "egress": "allow"}],
             "rules": [{"name": "open", "dport": str(PORT), "proto": "tcp", "state": "new",
                        "action": "allow"},
                       {"name": "neighbours", "proto": "icmpv6", "icmp-type": "133-136, 143",
                        "action": "allow"}]}
    return (f"api: {{listen: off}}\ninterfaces: [{{name: lan, hook: {hook}}}]\n"
            f"rules: {json.dumps(rules)}\nconntrack: {{enabled: true, window-check: true}}\n"
            f"synproxy: {json.dumps({'services': services})}\n")


@contextlib.contextmanager
def watched(chain, hook):
    """Weir on the gateway. A veth sends by XDP_TX only to one that has an XDP program, too."""
    with contextlib.ExitStack() as stack:
        if hook == "xdp":
            stack.enter_context(Daemon(chain.middle, config="api: {listen: off}\ninterfaces: "
                                       "[{name: two, hook: xdp}]\n"))
        yield stack.enter_context(Daemon(chain.gateway, config=config(hook)))


@contextlib.contextmanager
def connected(chain, family):
    """Both ends, of which the client has said a word: who waits for the other's first one may wait
    for ever where an acknowledgement is lost."""
    with listening(chain.gateway, family) as server, \
            connecting(chain.client, address(1, 2, family)) as client:
        client.sendall(b"?")
        with server.accept()[0] as accepted:
            accepted.settimeout(20 * SLOWNESS)
            assert receive(accepted, 1) == b"?"
            yield client, accepted


def seen(chain, family):
    with connected(chain, family) as (client, accepted):
        both_ways(client, accepted, b"x" * 5000)
        return options(client), options(accepted)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("hook", HOOKS)
def test_transfers_arrive_whole_where_frames_are_lost_and_overtaken(hook, family):
    text = random.Random(family).randbytes(8 << 20)
    with LossyChain(**ONE_OF) as chain, watched(chain, hook) as daemon:
        without = seen(chain, family)
        daemon.apply(config(hook, SERVICE))
        with connected(chain, family) as (client, accepted):
            for sender, receiver in ((client, accepted), (accepted, client)):
                transfer(sender, receiver, text)
                assert sent_again(sender)
            assert (options(client), options(accepted)) == without
        assert all(without[0][name] for name in ("timestamps", "sack", "scaled"))
        lost, held = chain.losses()
        assert lost > 50 and held > 50
        row = daemon.ask("synproxy", "show")
        assert row["handed"] == row["proven"] == 1 and not row["failed"]
