# SPDX-License-Identifier: Apache-2.0
"""Rule sets as each filter wants them, from the lines that weir-bench writes."""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile

from bench.measure import program

ALL_PORTS = "0-65535"
NFT_VERDICTS = {"allow": "accept", "deny": "drop"}
TARGETS = {"allow": "ACCEPT", "deny": "DROP"}


@dataclasses.dataclass
class Rule:
    src: str
    dst: str
    proto: str
    sport: str
    dport: str
    action: str


@contextlib.contextmanager
def drawn(shape, count):
    """A folder with rules.txt, rules.bin, weir.yaml, and packets to send."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"weir-bench-{os.getpid()}-"))
    try:
        folder.chmod(0o755)
        program("ruleset", shape, count, folder)
        (folder / "weir.yaml").write_text(weir(read(folder)))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def read(folder):
    return [Rule(*line.split()) for line in (folder / "rules.txt").read_text().splitlines()]


def short(ports):
    """A range of one is a number."""
    first, last = ports.split("-")
    return first if first == last else ports


def weir(rules):
    return "memory: 1GiB\nrules:\n  rules:\n" + "".join(map(weir_rule, rules))


def weir_rule(rule):
    parts = [f"proto: {rule.proto}", f"action: {rule.action}"]
    parts += [f"{key}: '{value}'" for key, value in (("src", rule.src), ("dst", rule.dst))
              if value != "any"]
    parts += [f"{key}: '{short(value)}'" for key, value in (("sport", rule.sport),
                                                            ("dport", rule.dport))
              if value != ALL_PORTS]
    return f"  - {{{', '.join(parts)}}}\n"


def reader(rule, family):
    """Conditions of a rule as nft writes them."""
    address = "ip" if family == "4" else "ip6"
    parts = [f"{address} {key} {value}" for key, value in (("saddr", rule.src),
                                                           ("daddr", rule.dst))
             if value != "any"]
    ports = [f"{rule.proto} {key} {value}" for key, value in (("sport", rule.sport),
                                                              ("dport", rule.dport))
             if value != ALL_PORTS]
    return " ".join(parts + (ports or [f"meta l4proto {rule.proto}"]))


def nft_linear(rules, family):
    lines = "".join(f"  {reader(rule, family)} {NFT_VERDICTS[rule.action]}\n" for rule in rules)
    return ("table inet bench {\n chain pre {\n  type filter hook prerouting priority raw;\n"
            f"{lines} }}\n}}\n")


def nft_map(key, lookup, elements):
    """One rule, one verdict map of intervals."""
    return (f"table inet bench {{\n map rules {{ type {key} : verdict; flags interval; "
            f"elements = {{ {', '.join(elements)} }} }}\n"
            " chain pre { type filter hook prerouting priority raw; "
            f"{lookup} vmap @rules; }}\n}}\n")


def nft_ports(rules, _family):
    return nft_map("inet_service", "tcp dport",
                   [f"{short(rule.dport)} : {NFT_VERDICTS[rule.action]}" for rule in rules])


def nft_pipapo(rules, family):
    """A concatenation with intervals. It keeps no order, so no two rules may meet."""
    address = "ip" if family == "4" else "ip6"
    everything = {"any": "0.0.0.0-255.255.255.255" if family == "4" else
                  "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}
    kind = f"ipv{family}_addr"
    return nft_map(
        f"{kind} . {kind} . inet_proto . inet_service . inet_service",
        f"{address} saddr . {address} daddr . meta l4proto . th sport . th dport",
        [f"{everything.get(rule.src, rule.src)} . {everything.get(rule.dst, rule.dst)} . "
         f"{rule.proto} . {short(rule.sport)} . {short(rule.dport)} : "
         f"{NFT_VERDICTS[rule.action]}" for rule in rules])


def iptables(rules, _family):
    return "*raw\n" + "".join(map(iptables_rule, rules)) + "COMMIT\n"


def iptables_rule(rule):
    parts = [f"-p {rule.proto} -m {rule.proto}"]
    parts += [f"{key} {value}" for key, value in (("-s", rule.src), ("-d", rule.dst))
              if value != "any"]
    parts += [f"{key} {short(value).replace('-', ':')}"
              for key, value in (("--sport", rule.sport), ("--dport", rule.dport))
              if value != ALL_PORTS]
    return f"-A PREROUTING {' '.join(parts)} -j {TARGETS[rule.action]}\n"
