# SPDX-License-Identifier: Apache-2.0
"""Of a test that several things are combined for, some combinations: as many as it takes to have
each value of each. Which pairs of values these are, is another in the next test of the file, so
that the file has them all where it has tests enough."""
import collections
import itertools


def names_together(item):
    """The names of each `parametrize`, whose rows somebody chose; and of each fixture's."""
    marks = [mark.args[0] for mark in item.iter_markers("parametrize")]
    found = [tuple(name.strip() for name in names.split(",")) if isinstance(names, str)
             else tuple(names) for names in marks]
    met = set(itertools.chain(*found))
    return sorted(found + [(name,) for name in item.callspec.params if name not in met])


def values(item):
    """{names: a word for their values}."""
    given = item.callspec.funcargs | item.callspec.params
    return {names: repr([given[name] for name in names]) for names in names_together(item)}


def parts(item, of, count):
    """Combinations of `count` of the values that it has."""
    told = values(item)
    return set(itertools.combinations([(names, told[names]) for names in of], count))


def thinned(items, met):
    """Of the items of one test, in their order. met: how often tests before had each pair."""
    of = [names for names in names_together(items[0])
          if len({values(item)[names] for item in items}) > 1]
    if len(of) < 2:
        return items
    wanted = {item: parts(item, of, 1) for item in items}
    pairs = {item: parts(item, of, 2) for item in items}
    missing, chosen = set().union(*wanted.values()), set()
    while missing:
        best = max(items, key=lambda item: (len(missing & wanted[item]),
                                            -sum(met[pair] for pair in pairs[item])))
        chosen.add(best)
        missing -= wanted[best]
        met.update(pairs[best])
    return [item for item in items if item in chosen]


def all_thinned(items):
    """Of a run's items; those that start nothing stay."""
    tests = collections.defaultdict(list)
    for item in items:
        tests[item.path, getattr(item, "originalname", item.name)].append(item)
    met = collections.defaultdict(collections.Counter)
    chosen = set()
    for (path, _), same in tests.items():
        is_many = "e2e" in path.parts and hasattr(same[0], "callspec")
        chosen.update(thinned(same, met[path]) if is_many else same)
    return [item for item in items if item in chosen]
