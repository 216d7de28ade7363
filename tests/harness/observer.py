# SPDX-License-Identifier: Apache-2.0
"""What comes out behind Weir's hooks, counted by nftables: a witness that knows nothing of Weir."""
import json

from harness.wait import pause


def observe_sources(pair, addresses):
    """Count, then drop, IPv4 frames that come to the inner end of `pair` from `addresses`.

    Returns a function that reads {address: packets}."""
    pair.inside.run("nft", f"""add table netdev watch
add set netdev watch seen {{ type ipv4_addr; counter; elements = {{ {", ".join(addresses)} }}; }}
add chain netdev watch c {{ type filter hook ingress device {pair.wire} priority 0; }}
add rule netdev watch c ip saddr @seen drop""")

    def read():
        rows = json.loads(pair.inside.run("nft", "-j", "list", "set", "netdev", "watch",
                                          "seen").stdout)["nftables"]
        return {row["elem"]["val"]: row["elem"]["counter"]["packets"]
                for item in rows if "set" in item for row in item["set"]["elem"]}
    return read


def settled(observer):
    """The counts once no frame is under way any more, else None: for wait_for."""
    before = observer()
    pause(0.05)
    return before if observer() == before else None
