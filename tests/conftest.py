# SPDX-License-Identifier: Apache-2.0
"""Fixtures shared by the Python tests; harness/README.md tells of them."""
import collections
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows the log of each daemon it had."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for daemon in getattr(item, "weir_daemons", []):
            report.sections.append((f"log of {daemon.name}", daemon.last_log()))


@pytest.fixture
def pair():
    from harness.net import Pair
    with Pair() as made:
        yield made


@pytest.fixture
def wire(pair):
    from harness.wire import Wire
    with Wire.inward(pair) as made:
        yield made


@pytest.fixture
def weir_daemon(request):
    """weir_daemon(NAMESPACE, CONFIG, ...) gives a started daemon, closed with the test."""
    from harness.daemon import Daemon
    request.node.weir_daemons = made = []

    def make(*args, start=True, **options):
        daemon = Daemon(*args, **options)
        made.append(daemon)
        return daemon.start() if start else daemon

    with contextlib.ExitStack() as stack:       # one that complains does not keep the others
        yield make
        for daemon in made:
            stack.callback(daemon.close)


@pytest.fixture
def daemon(weir_daemon, pair):
    return weir_daemon(pair.inside, interfaces=[pair.wire])


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time, or wants every processor")
    config.addinivalue_line("markers", "outside: proves nothing more in a guest of tests/kernels")
    # What fails in a thread fails the test: else it would end the load unseen, and all be well.
    config.addinivalue_line("filterwarnings", "error::pytest.PytestUnhandledThreadExceptionWarning")


def is_wanted(item):
    """tests/run sets WEIR_TEST_SHARE, tests/kernels WEIR_GUEST; without them all are wanted."""
    share = os.environ.get("WEIR_TEST_SHARE")
    if share and (share == "alone") != bool(item.get_closest_marker("alone")):
        return False
    return not (os.environ.get("WEIR_GUEST") and item.get_closest_marker("outside"))


# In each slice: whether programs load, and what only some kernels have (IPVS, VLANs, SCTP …).
WHOLE = {"load_test", "balance_ipvs_test", "balance_vlan_test", "balance_sctp_kernel_test",
         "direct_kernel_test"}


def in_slice(items):
    """Of each file every Nth test from the Kth: tests/kernels/run --slice K/N. Whether the
    programs load at all is always tried whole."""
    first, step = map(int, os.environ.get("WEIR_GUEST_SLICE", "1/1").split("/"))
    met = collections.Counter()
    for item in items:
        met[item.path] += 1
        if item.path.stem in WHOLE or met[item.path] % step == first % step:
            yield item


def pytest_collection_modifyitems(config, items):
    from harness.thinned import all_thinned
    wanted = [item for item in items if is_wanted(item)]
    if os.environ.get("WEIR_TEST_THINNED"):             # by tests/run
        wanted = all_thinned(wanted)
    wanted = list(in_slice(wanted))
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted
    if os.geteuid() != 0:
        for item in items:
            if "e2e" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason="only root can make namespaces"))
