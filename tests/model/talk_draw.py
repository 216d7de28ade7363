# SPDX-License-Identifier: Apache-2.0
"""Random scripts for model/talk.py: what two honest ends say, with some of it bent."""
JUMPS = (1, 2, 10, 100, 900, 1100, 9000, 66001, 70000, 1000000, 2000000000)
# What is on the wire at all: what no sender makes together is for the scripts by hand.
FLAGS = ("S", "SA", "A", "PA", "FA", "R", "RA", "PAU", "SEC")
# Across the wrap, or across the middle, but no two of a script half of all numbers apart, where
# there is no before and after.
ISNS = ((500000000, 4294967200, 3000000000), (500000000, 2147483600, 3000000000))
BENT = 0.12


class Drawn:
    """One script: lines() gives its lines."""

    def __init__(self, rng):
        self.rng = rng
        self.isns = rng.choice(ISNS)
        self.is_small = rng.random() < 0.4          # windows that data can fill
        self.scales = {arrow: rng.randrange(9) if rng.random() < 0.4 else None for arrow in "><"}

    def lines(self):
        rows = self.beginning()
        for _ in range(self.rng.randrange(3, 12)):
            rows += self.step()
        return [self.bent(row) if self.rng.random() < BENT else row for row in rows]

    def window(self):
        return f" win={self.rng.choice((0, 1, 1000, 1000, 5000))}" if self.is_small else ""

    def scale(self, arrow):
        return "" if self.scales[arrow] is None else f" ws={self.scales[arrow]}"

    def isn(self):
        return self.rng.choice(self.isns) + self.rng.randrange(90)

    def syn(self, arrow=">"):
        return f"{arrow} S isn={self.isn()}{self.window()}{self.scale(arrow)}"

    def handshake(self, arrow=">"):
        other = "<" if arrow == ">" else ">"
        rows = [self.syn(arrow), f"{other} SA isn={self.isn()}"
                f"{self.window()}{self.scale(other)}", f"{arrow} A{self.window()}"]
        return rows[:self.rng.choice((1, 2, 3, 3, 3, 3, 3))]

    def beginning(self):
        kind = self.rng.random()
        if kind < 0.85:
            return self.handshake()
        if kind < 0.93:
            return [f"> {self.rng.choice(('A', 'PA 100', 'FA'))}{self.window()}"]
        if kind < 0.97:
            return [self.syn(), self.syn("<"), "> SA seq-1", "< SA seq-1"]
        return [f"{self.rng.choice('><')} {self.rng.choice(FLAGS)}"]

    def step(self):
        arrow = self.rng.choice("><")
        other = "<" if arrow == ">" else ">"
        size = self.rng.choice((1, 10, 100, 1000, 4000))
        window = self.window()
        kind = self.rng.random()
        if kind < 0.45:
            return [f"{arrow} PA {size}{window}", f"{other} A{self.window()}"][
                :self.rng.choice((1, 2, 2))]
        if kind < 0.6:
            return [f"{arrow} PA {size} seq-{size}{window}"]                # sent again
        if kind < 0.66:
            return [f"{arrow} A seq-1{window}", f"{other} A{self.window()}"]     # keep-alive
        if kind < 0.72:
            return [f"{arrow} A{window}"]
        if kind < 0.88:
            return [f"{arrow} FA{window}", f"{other} A{self.window()}"][:self.rng.choice((1, 2))]
        if kind < 0.93:
            return [f"{arrow} {self.rng.choice(('R', 'RA'))}"]
        return self.handshake(self.rng.choice(">>>><"))

    def bent(self, row):
        arrow, flags, *words = row.split()
        kind = self.rng.random()
        sign = self.rng.choice("+-")
        if kind < 0.4 and not any(word.startswith(("seq", "isn")) for word in words):
            words.append(f"seq{sign}{self.rng.choice(JUMPS)}")
        elif kind < 0.7 and "A" in flags:
            words.append(f"ack{sign}{self.rng.choice(JUMPS)}")
        elif kind < 0.9:
            flags = self.rng.choice(FLAGS)
            words = [word for word in words if "S" in flags or word[:3] != "isn"]
        else:
            arrow = "<" if arrow == ">" else ">"
        return " ".join([arrow, flags, *words])


def script(rng):
    return Drawn(rng).lines()
