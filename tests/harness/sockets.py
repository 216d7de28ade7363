# SPDX-License-Identifier: Apache-2.0
"""A daemon that watches the sockets of a namespace, and nothing else."""
from harness.wait import wait_for

CONFIG = "api: {listen: off}\nsockets: {enabled: true}\n"


def watching(weir_daemon, namespace):
    """Once it does: what began before is adopted, not seen."""
    daemon = weir_daemon(namespace, config=CONFIG)
    wait_for(lambda: daemon.ask("socket", "list")["watched"], "sockets are watched")
    return daemon
