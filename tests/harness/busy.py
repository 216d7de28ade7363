# SPDX-License-Identifier: Apache-2.0
"""Callers that edit without a pause, so that a change is always under way."""
import threading

from harness.edits import Door
from harness.wait import wait_for

CALLERS = 16


class Busy:
    """Each caller sets the weight of a backend again and again, over a connection of its own; every
    other one adds a limit and deletes it, so that not all who wait are answered at once."""

    def __init__(self, daemon, service, backend, callers=CALLERS):
        self.daemon, self.words = daemon, {"service": service, "backend": backend}
        self.done, self.wrong, self.over = [0] * callers, [], threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,))
                        for number in range(callers)]

    def run(self, number):
        door = Door(self.daemon)
        try:
            while not self.over.is_set():
                status, answer = self.edit(door, number)
                assert status == 200, answer
                self.done[number] += 1
        except Exception as error:                      # pylint: disable=broad-except
            self.wrong.append(repr(error))
        finally:
            door.close()

    def edit(self, door, number):
        name = f"busy-{number}"
        if number % 2 == 0:
            weight = 1 + (self.done[number] + number) % 9
            return door.ask("service.backend.set", weight=weight, **self.words)
        if self.done[number] % 2:
            return door.ask("limit.del", name=name)
        return door.ask("limit.add", name=name, packets="1000000/s")

    def goes_on(self, more=3):
        """Waits until each has had so many answers more: none of them is kept waiting."""
        before = list(self.done)
        wait_for(lambda: self.wrong or all(now >= was + more
                                           for was, now in zip(before, self.done)),
                 f"edits go on from {before}, {self.done}", 30)
        assert not self.wrong, self.wrong

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.goes_on()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()
