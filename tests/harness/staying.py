# SPDX-License-Identifier: Apache-2.0
"""Clients of a service that talk all the time, and whatever is done meanwhile must stay where they
are: with their server, and by the address and port that it knows them by."""
import concurrent.futures
import contextlib
import select

from harness.balanced import leaving
from harness.cluster import KINDS, PORT, Client
from harness.daemon import HELPERS, WEIR
from harness.kernel import map_ids
from harness.wait import SLOWNESS, pause, wait_for

OTHER_LAYOUT = HELPERS / "weir-other-layout"
# By chance all of so many have one backend of two: two in a million.
EACH = 20
ASKED_AGAIN_S = 1


class Staying:
    """`each` connections, and as many clients that send datagrams."""

    def __init__(self, cluster, family, each=EACH):
        self.cluster, self.family, self.said = cluster, family, 0
        self.stack = contextlib.ExitStack()
        self.streams = [self.join("tcp") for _ in range(each)]
        self.datagrams = [self.join("udp") for _ in range(each)]

    @property
    def all(self):
        return self.streams + self.datagrams

    def join(self, proto):
        client = self.stack.enter_context(Client(self.cluster, self.family, proto))
        if proto == "udp":
            client.ask(b"first")
        return client

    def backends(self):
        """Of connections, and of datagrams."""
        return [{client.backend for client in clients}
                for clients in (self.streams, self.datagrams)]

    def places(self):
        return [(client.backend, client.peer) for client in self.all]

    # --- talking -----------------------------------------------------------------------------

    def go_on(self, asks_again=False):
        """Each says a word and hears it. A datagram that is lost is a failure, unless whoever sent
        it `asks_again`; of TCP see what was dropped."""
        self.said += 1
        word, before = b"word %d" % self.said, self.places()
        for client in self.streams:
            client.sock.sendall(word)
        assert all(client.exactly(len(word)) == word for client in self.streams)
        for client in self.datagrams:
            assert (heard(client, word) if asks_again else client.ask(word) == word)
        assert self.places() == before

    def beside(self, act, *words, asks_again=False, **keys):
        """What `act` gives, which is done while they go on."""
        with self.doing(act, *words, **keys) as doing:
            while not doing.done():
                self.go_on(asks_again)
                pause(0.01)
        self.go_on(asks_again)
        return doing.result()

    @staticmethod
    @contextlib.contextmanager
    def doing(act, *words, **keys):
        """Meanwhile; and it is done behind that."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            doing = pool.submit(act, *words, **keys)
            yield doing
            doing.result()

    def newcomers(self):
        """The backends of as many clients more, none of whom is known by the name of one of these;
        and these go on. They are there to the end: a flow of datagrams outlives its socket, and
        whoever had its port next would belong to it."""
        others = self.stack.enter_context(
            Staying(self.cluster, self.family, len(self.streams)))
        others.go_on()
        assert not names(self.all) & names(others.all)
        self.go_on()
        return {client.backend for client in others.all}

    # --- the end -----------------------------------------------------------------------------

    def leave(self, daemon):
        """Once nothing of it lives any more, a backend that was taken out is forgotten."""
        self.close()
        daemon.say("flow", "flush", f"proto=udp and dport={PORT}")
        wait_for(lambda: not leaving(daemon), "it is forgotten")

    def close(self):
        self.stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def names(clients):
    """How servers know them."""
    return {(client.sock.type, client.backend, *client.peer) for client in clients}


def heard(client, word):
    """Whether it comes back, if it has to be said some times."""
    for _ in range(int(10 * SLOWNESS)):
        client.sock.send(word)
        while select.select([client.sock], [], [], ASKED_AGAIN_S)[0]:
            line, back = client.sock.recv(65535).split(b"\n", 1)
            client.learn(line)
            if back == word:
                return True
    return False


# --- what may be done to a daemon ----------------------------------------------------------------

LISTED = "block: {lists: [{name: far, action: deny, entries: [203.0.113.0/24]}]}\n"


def hurried(text):
    """With other timeouts, which are of the programs and not of the policy."""
    return text.replace('"capacity"', '"timeouts": {"established": "2h"}, "capacity"')


def reloaded(daemon, text):
    daemon.config.write_text(text)
    return daemon.ask("reload")


def resized(daemon, text):
    """Likewise, and connections are in another table then, as the kernel has it."""
    before = map_ids(daemon.pin_dir)
    reloaded(daemon, text)
    assert map_ids(daemon.pin_dir)["st_flow"] != before["st_flow"]


def taken_over(daemon, how, binary=WEIR):
    """By another program, or the same."""
    daemon.stop() if how == "stopped" else daemon.kill()
    daemon.binary = binary
    daemon.start()


def say_both(daemon, *words):
    """The same of the service of connections and of that of datagrams, echo-tcp and echo-udp."""
    for proto in KINDS:
        daemon.say(*words[:3], f"echo-{proto}", *words[3:])
