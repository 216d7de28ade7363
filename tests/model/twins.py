# SPDX-License-Identifier: Apache-2.0
"""Two gateways through which the same packets go: one where the kernel's nf_conntrack says what
state each is in, one where Weir does. Either writes the state into the packet's mark."""
import collections
import pathlib
import re

from harness.gateway import Gateway

STATES = ("unmarked", "new", "related", "invalid", "untracked", "established")
NUMBERS = range(1024, 65536)         # of talks
TALKS = pathlib.Path(__file__).with_name("talks")
# No rule of Weir's is asked about a flow that was let in: it bears the mark it got last.
HOOKS = {"tc": "{name: %s, hook: tc}", "xdp": "{name: %s, hook: xdp, egress: true}"}
TABLE = """table inet twin {
chain forward {
type filter hook forward priority 0;
%s
}
}
"""

# Where the two differ and are to, and why (docs/user/connections.md has the same).
DIFFERENCES = {
    "ahead": "A segment that begins behind the receiver's window, by less than the largest window "
             "it announced: nf says established, Weir invalid.",
    "ahead-back": "Where a segment past the window ends, there nf takes its sender to be, also if "
                  "more was sent: an acknowledgment of the rest is invalid. For Weir it is not.",
    "behind": "A segment that ends further behind the receiver's largest window than 2^28 bytes, "
              "or acknowledges what is so far behind that and 66,000 bytes; a reset behind the "
              "window, before the connection stands: nf says established, Weir invalid.",
    "challenge": "The answer to a SYN that is only an ACK (RFC 5961): what the initiator sends "
                 "next is established for nf; Weir calls it new until there is a SYN of the "
                 "responder.",
    "closed": "A SYN while the flow closes: nf counts FINs and takes the flow to be over after "
              "two of one side, or after an ACK of whatever; Weir when both are acknowledged.",
    "fin-early": "A FIN of the responder before its SYN: nf says invalid, Weir lets it pass like "
                 "the ACK that may stand there.",
    "late": "A segment that is late for Weir, and not for nf, which takes what was sent past a "
            "window for window: what it showed, its FIN and its window, nf alone knows.",
    "out-of-step": "Both ends begin anew in the middle of a flow: both follow once the SYN is "
                   "answered. nf then leaves numbers unchecked where the flow was picked up; and "
                   "it follows a second time before the first is acknowledged, which Weir does "
                   "not.",
    "pick-up-fin": "A connection whose first packet seen is a FIN: Weir picks it up as from any "
                   "other, for nf that is invalid.",
    "pick-up-syn": "A SYN of either side on a picked-up flow that was not answered: Weir begins "
                   "anew, nf goes on with the flow, whose numbers it does not check.",
    "refusal": "A reset or a SYN/ACK that answers a SYN without acknowledging it: for Weir it is "
               "invalid, nf believes it if it acknowledges something older, or nothing.",
    "reset-ack": "A reset that acknowledges what was not sent: nf says invalid; Weir looks at its "
                 "sequence number alone, as its receiver does.",
    "reset-closing": "A reset of a flow that is closing or was reset: nf takes any, Weir those in "
                     "the window.",
    "reset-early": "A reset of the initiator before any answer: Weir takes any, nf those with the "
                   "right numbers.",
    "reset-unacked": "A reset behind an ACK of the responder's, before the initiator has "
                     "acknowledged: nf takes any whose acknowledgment is the number at which that "
                     "ACK stood, Weir those in the window.",
    "reset-old": "A reset below what the other side has acknowledged: nf says invalid, Weir lets "
                 "it pass within the window, and believes none but the next number.",
    "reset-rest": "After a reset Weir lets pass what was under way, for `timeouts.reset`; nf goes "
                  "on checking numbers, and forgets a flow that was not answered at once.",
    "reset-reuse": "A SYN after a reset is new for Weir. For nf it is so when the side begins "
                   "that sent the reset, or that closed first; else established, or invalid.",
    "room": "Room that nf does not count: the window of a SYN, and what a segment past the window "
            "announces. What begins past the rest, and ends further than a window past it, is "
            "invalid for nf, and for Weir established.",
    "sctp-again": "An INIT on an association that is over is new for Weir; nf says established.",
    "sctp-pick-up": "An association whose beginning was not seen: Weir picks it up, nf only by "
                    "HEARTBEAT and SHUTDOWN ACK.",
    "sctp-tag": "An INIT, which anybody can forge: nf goes by its tag at once, and by the last of "
                "several answers to it; Weir when a COOKIE ECHO bears the tag of one, and what "
                "stands goes on. A wrong tag of a HEARTBEAT, of its answer or of a SHUTDOWN ACK, "
                "and an INIT that gives none: invalid for Weir alone.",
    "short-quote": "An ICMP error that quotes less than 8 bytes of the transport header: nf takes "
                   "the ports, for Weir it is invalid.",
    "simultaneous": "A simultaneous opening that goes on without SYN/ACKs, by ACKs or data: nf "
                    "says invalid, Weir established.",
    "syn-ack-again": "A SYN/ACK with another number, before any is acknowledged (as who keeps no "
                     "state answers each SYN): Weir goes on with the last, nf with the first.",
    "syn-ack-initiator":
        "A SYN/ACK of the initiator where there is no simultaneous opening: nf says invalid, "
        "Weir takes it for one sent again.",
    "syn-lower": "A SYN sent again with a lower number, or a side whose first packet was invalid: "
                 "nf goes on with the number it saw first, Weir with the last good one.",
    "syn-responder": "A SYN of the responder after its SYN/ACK: nf says invalid, Weir takes it "
                     "for one sent again.",
}

# A line of a script: its packet, what nf says, what Weir says, and why if that differs.
Line = collections.namedtuple("Line", "text nf weir why")
Script = collections.namedtuple("Script", "name families lines")


def scripts(name):
    return [script_of(block) for block in (TALKS / f"{name}.txt").read_text().strip().split("\n\n")]


def script_of(block):
    head, *rows = block.split("\n")
    lines = []
    for row in rows:
        if row.startswith("# "):
            continue            # whose scenario it is
        packet, nf, weir, why = re.fullmatch(
            r"(.+?) += (\w+)(?: / (\w+) \(([\w-]+)\))?", row).groups()
        lines.append(Line(packet, nf, weir or nf, why))
    name = head.removeprefix("# ")
    return Script(name.removesuffix(" [v4]"), (4,) if name.endswith(" [v4]") else (4, 6), lines)


def ruleset():
    return TABLE % "\n".join(f"ct state {state} meta mark set {mark}"
                             for mark, state in enumerate(STATES) if mark)


def configuration(hook, pick_up=True):
    interface = HOOKS[hook]
    rules = "\n".join(f"  - {{state: {state}, mark: {mark}, action: allow}}"
                      for mark, state in enumerate(STATES) if mark)
    return (f"interfaces: [{interface % 'left'}, {interface % 'right'}]\n"
            "api: {listen: off}\nevents: {rate: 0/s}\n"
            f"conntrack: {{enabled: true, half-open: 200000, pick-up: {str(pick_up).lower()}}}\n"
            f"rules:\n  rules:\n{rules}\n")


class Twins:
    def __init__(self, stack, weir_daemon, hook, pick_up=True):
        self.nf, self.weir = (stack.enter_context(Gateway(name)) for name in ("nf", "weir"))
        self.nf.inside.run("sysctl", "-qw",
                           f"net.netfilter.nf_conntrack_tcp_loose={int(pick_up)}",
                           "net.netfilter.nf_conntrack_tcp_be_liberal=0")
        self.nf.inside.run("nft", "-f", "-", input=ruleset())
        self.daemon = weir_daemon(self.weir.inside, config=configuration(hook, pick_up))
        self.numbers = iter(NUMBERS)

    def states(self, packets):
        """[(nf's, Weir's)] of each packet, in order: all of them get through, and as they were."""
        packets = list(packets)
        nf, weir = self.left(packets)
        assert len(nf) == len(packets), f"{len(nf)} of {len(packets)} got through nf's"
        assert [packet for _, packet in nf] == [packet for _, packet in weir]
        return list(zip(*([state for state, _ in rows] for rows in (nf, weir))))

    def left(self, packets):
        """[(state, IP packet)] of what left either, in order."""
        return [[(STATES[row.mark], row.packet) for row in gateway.pass_through(packets)]
                for gateway in (self.nf, self.weir)]
