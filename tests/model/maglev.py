# SPDX-License-Identifier: Apache-2.0
"""Which backend each slot of a service belongs to, a second time: from docs/design/balancer.md, the
paper and the hash as base/hash.h describes it, for tests/unit/balance_model_test.py."""
import ipaddress
import struct

SLOTS = 65537
NUMBERS = 65535
OFFSET, SKIP, NUMBER = (int.from_bytes(word, "big") for word in (b"offset", b"skip", b"number"))
ALL = (1 << 64) - 1


def mix(x):
    """The finaliser of MurmurHash3."""
    for factor in (0xff51afd7ed558ccd, 0xc4ceb9fe1a85ec53):
        x = (x ^ x >> 33) * factor & ALL
    return x ^ x >> 33


def hash_bytes(text, seed):
    """8 bytes at a time, little-endian, and then what is left, which may be nothing."""
    value = mix(seed ^ len(text))
    whole = len(text) // 8 * 8
    for at in range(0, whole + 1, 8):
        value = mix(value ^ int.from_bytes(text[at:at + 8], "little"))
    return value


def end(address, port, proto):
    """A backend as it is hashed: its address as IPv6 has it, its port, its protocol, zeros."""
    address = ipaddress.ip_address(address)
    packed = address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed
    return packed + struct.pack("<HB5x", port, proto)


def numbers(ends):
    """By what each is; where one is taken, the next; the lesser bytes first."""
    taken, found = set(), {}
    for one in sorted(ends):
        number = hash_bytes(one, NUMBER) % NUMBERS
        while number in taken:
            number = (number + 1) % NUMBERS
        taken.add(number)
        found[one] = number + 1
    return [found[one] for one in ends]


def preference(one):
    """The paper's permutation: all slots, in the order in which this backend likes them."""
    offset, skip = hash_bytes(one, OFFSET) % SLOTS, hash_bytes(one, SKIP) % (SLOTS - 1) + 1
    return ((offset + turn * skip) % SLOTS for turn in range(SLOTS))


def slots(ends, weights):
    """A number a slot; 0: nobody's. Where one takes all, one slot says so."""
    table = [0] * SLOTS
    takers = sorted((number, weight, one) for number, weight, one
                    in zip(numbers(ends), weights, ends) if weight)
    if not takers:
        return table
    if len(takers) == 1:
        return [takers[0][0]]
    likes = [preference(one) for _, _, one in takers]
    most, left, turn = max(weight for _, weight, _ in takers), SLOTS, 0
    while True:
        turn += 1
        for (number, weight, _), like in zip(takers, likes):
            # So many slots are its own after this turn, and so many after the one before.
            if turn * weight // most == (turn - 1) * weight // most:
                continue
            slot = next(slot for slot in like if not table[slot])
            table[slot] = number
            left -= 1
            if not left:
                return table
