# SPDX-License-Identifier: Apache-2.0
"""Everything that may happen to a service of harness.stand while it is asked, one at a time."""
import random
import shutil
import time

from harness.balanced import leaving
from harness.cluster import PORT
from harness.daemon import WEIR
from harness.stand import end
from harness.wait import wait_for

NEXT = "weir-next"


class Changes:
    def __init__(self, daemon, stand):
        self.daemon, self.stand, self.made = daemon, stand, 0
        self.drawn = random.Random(stand.hook)
        shutil.copy(WEIR, daemon.home / NEXT)

    def drawn_backend(self):
        return self.drawn.choice(self.stand.backends)

    def weight(self):
        self.daemon.ask("service", "backend", "set", "echo", self.drawn_backend(), "--weight",
                        str(self.drawn.randrange(1, 10)))

    def drain(self):
        backend = self.drawn_backend()
        self.daemon.ask("service", "backend", "drain", "echo", backend)
        self.daemon.ask("service", "backend", "undrain", "echo", backend)

    def live(self):
        """Connections of the spare backend that nobody has closed."""
        return self.daemon.ask(
            "flow", "count", f"backend=echo/{self.stand.spare} and state=established")["total"]

    def has_served(self):
        rows = self.daemon.ask("service", "stats")["backends"]
        return any(row["connections"] for row in rows
                   if end(row["address"], row["port"]) == self.stand.spare)

    def add(self):
        self.daemon.ask("service", "backend", "add", "echo", self.stand.spare)
        wait_for(self.has_served, "it serves")

    def spare(self):
        """A backend comes, serves, and is taken out once nothing of it lives any more."""
        self.add()
        self.daemon.ask("service", "backend", "drain", "echo", self.stand.spare)
        wait_for(lambda: not self.live(), "it is drained")
        self.daemon.ask("service", "backend", "del", "echo", self.stand.spare)

    def remove(self):
        """One is taken out while it serves: what lives goes on there, and ends there."""
        self.add()
        self.daemon.ask("service", "backend", "del", "echo", self.stand.spare)
        assert leaving(self.daemon)
        wait_for(lambda: not leaving(self.daemon), "it is forgotten")

    def neighbour(self):
        """Another service comes and goes."""
        self.daemon.ask("service", "add", "other", "--address", "10.78.1.101", "--port", PORT + 1,
                        "--backend", "10.78.2.99:81")
        self.daemon.ask("service", "del", "other")

    def reload(self):
        """A file with other sizes, and without one of the backends."""
        for more in ({"capacity": 200000, "without": 1}, {}):
            self.daemon.config.write_text(self.stand.text(**more))
            self.daemon.ask("reload")

    def restart(self):
        self.daemon.restart()

    def kill(self):
        self.daemon.kill()
        self.daemon.start()

    def upgrade(self):
        """To the next version and back, which begins where one was stopped, or killed."""
        for end, binary in ((self.daemon.stop, self.daemon.home / NEXT), (self.daemon.kill, WEIR)):
            end()
            self.daemon.binary = binary
            self.daemon.start()

    def run(self, seconds):
        """As often as there is time for, and each of them once at the least."""
        ended = time.monotonic() + seconds
        acts = [self.weight, self.drain, self.spare, self.neighbour, self.remove, self.reload,
                self.restart, self.kill, self.upgrade]
        while time.monotonic() < ended or self.made < len(acts):
            acts[self.made % len(acts)]()
            self.made += 1
