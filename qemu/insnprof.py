# SPDX-License-Identifier: GPL-2.0
"""What insnprof.c has counted, by function. Used by bench_report.py."""
import bisect
import collections
import re
import subprocess

USER = "(programs)"
MODULE = "[rust_tcpfsm]"
# Native TCP proper: its own functions, and those of the layer that only it and its kin use.
NATIVE = re.compile(r"^_*(tcp|inet_csk|inet_twsk|inet_tw|inet_reqsk|reqsk|inet_ehash|inet_hash|inet_unhash|inet_bind|inet_put_port"
                    r"|inet_lookup|inet_child|cubictcp|bictcp|cookie_|sk_stream|lookup_reqsk)")


def demangled(names):
    """The readable forms of Rust's symbols, by c++filt (binutils), without the crate and hash parts."""
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    short = {}
    for name, line in zip(names, text.split("\n")):
        line = re.sub(r"\[[0-9a-f]{8,}\]", "", line)
        line = line.replace("rust_tcpfsm_rs::src::", "").replace("rust_tcpfsm::src::", "")
        short[name] = line
    return short


class Symbols:
    """The functions of a guest, by its /proc/kallsyms (without address randomization)."""

    def __init__(self, path):
        rows = []
        with open(path) as lines:
            for line in lines:
                parts = line.split()
                if parts[1] in "tTwW":
                    rows.append((int(parts[0], 16), parts[2], parts[3] if len(parts) > 3 else ""))
        rows.sort()
        names = demangled([name for _, name, _ in rows])
        self.starts = [start for start, _, _ in rows]
        self.names = [(names[name] + " " + module).strip() for _, name, module in rows]

    def name(self, address):
        # The upper half of the addresses is the kernel's.
        if address < 1 << 63:
            return USER
        at = bisect.bisect_right(self.starts, address) - 1
        return self.names[at] if at >= 0 else "(unknown)"


def profile(path, symbols):
    """Instructions by function; a block counts to the function that it starts in."""
    counts = collections.Counter()
    with open(path) as lines:
        for line in lines:
            address, executed = line.split()
            counts[symbols.name(int(address, 16))] += int(executed)
    return counts


def is_tcp(name):
    """Is it the protocol's own work, native's or the module's?"""
    return name.endswith(MODULE) or bool(NATIVE.match(name))


def side_by_side(native, module, operations, rows):
    """A table of two profiles, instructions for each operation; the costliest functions first."""
    out = []
    for what, wanted in (("all", lambda _: True), ("TCP proper", is_tcp), ("programs", lambda name: name == USER)):
        sums = [sum(n for name, n in p.items() if wanted(name)) / operations for p in (native, module)]
        out.append(f"| **{what}** | {sums[0]:,.1f} | {sums[1]:,.1f} |")
    names = sorted(native.keys() | module.keys(), key=lambda name: -max(native[name], module[name]))
    for name in names[:rows]:
        text = name.replace("|", "\\|")
        out.append(f"| `{text}` | {native[name] / operations:,.1f} | {module[name] / operations:,.1f} |")
    return "\n".join(["| Function | Native | Module |", "|---|--:|--:|"] + out)
