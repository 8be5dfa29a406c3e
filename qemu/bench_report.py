#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tables, JSON and a picture of what qemu/bench.sh has measured.

usage: bench_report.py DIRECTORY KERNEL-VERSION
  reads   lines.A and lines.B (the guest's), profile.N and kallsyms (mode A)
  writes  bench.json, bench.svg, report.md; prints the table
"""
import collections
import datetime
import json
import os
import statistics
import sys

import insnprof

NATIVE, MODULE, FLOOR = "6", "253", "17"
# Repeats further apart than this are marked as noisy.
NOISY = 0.10
PROFILE_ROWS = 40
# The names in their order, what one operation is, and how many of them a figure is for.
ROUND_TRIP, CYCLE, OCTETS = ("round trip", 1), ("cycle", 1), ("KiB", 1024)
WHAT = {
    "short_conn": CYCLE,
    "short_conn_req": CYCLE,
    "rr_1b": ROUND_TRIP,
    "rr_1k": ROUND_TRIP,
    "bulk_lo": OCTETS,
    "bulk_veth": OCTETS,
    "bulk_veth_8": OCTETS,
    "slab_idle": ("connection", 1),
    "slab_time_wait": ("TIME-WAIT", 1),
    "slab_half_open": ("request", 1),
    "lookup_1k": ("segment", 1),
    "lookup_100k": ("segment", 1),
    "lookup_1m": ("segment", 1),
    "flood_goodput": ("second", 1),
    "proc_read_100k": ("line", 1),
}
# What is the better the more there is of it; all else are costs. Connections by the guest's clock, which in mode A counts instructions.
RATES = ("flood_goodput",)
# The figure of the module as a part of native TCP's, at most; of a rate at least.
TARGETS = {
    "short_conn": 0.85,
    "short_conn_req": 0.85,
    "rr_1b": 0.95,
    "rr_1k": 0.95,
    "bulk_lo": 1.10,
    "bulk_veth": 1.10,
    "bulk_veth_8": 1.10,
    "slab_idle": 0.65,
    "slab_time_wait": 0.75,
    "flood_goodput": 1.00,
}
# The cost at a million connections as a part of that at a thousand, at most; of the module itself.
LOOKUP_TARGET = 1.10
PROFILED = ("short_conn", "rr_1b", "bulk_lo", "bulk_veth")


def runs(path):
    """(name, protocol, operations, value) of each run; a run that the guest did not finish is none."""
    title = None
    with open(path) as lines:
        for line in lines:
            words = line.split()
            if words[:1] == ["run"]:
                title = words[1:3]
            elif words[:1] == ["bench"]:
                yield title[0], title[1], int(words[3]), int(words[4]), int(words[5])


def figures_a(directory, profiles):
    """Instructions (bytes for slabs) for each operation by name and protocol; the profiles go into `profiles`."""
    symbols = insnprof.Symbols(os.path.join(directory, "kallsyms"))
    out, number = collections.defaultdict(dict), 0
    for name, protocol, count, value, packets in runs(os.path.join(directory, "lines.A")):
        if not name.startswith("slab_"):
            number += 1
            profile = insnprof.profile(os.path.join(directory, f"profile.{number}"), symbols)
            profiles[name, protocol] = profile, count, packets
            if name in RATES:
                out[name][protocol] = [count * 1e9 / value]
                continue
            value = sum(profile.values())
        out[name][protocol] = [value / count]
    return out


def figures_b(directory):
    """Nanoseconds for each operation, all repeats."""
    out = collections.defaultdict(lambda: collections.defaultdict(list))
    for name, protocol, count, value, _ in runs(os.path.join(directory, "lines.B")):
        out[name][protocol].append(value / count)
    return out


def floor_factors(profiles, figures):
    """The floor is measured for each packet: as many as native TCP had for one operation."""
    for (name, protocol), (_, count, packets) in profiles.items():
        if protocol == NATIVE and FLOOR in figures[name]:
            yield name, packets / count


def entries(mode, figures, factors):
    for name, (operation, size) in WHAT.items():
        by = figures.get(name)
        if not by or NATIVE not in by or MODULE not in by:
            continue
        unit = ("connections" if name in RATES else "bytes" if name.startswith("slab_") else "instructions" if mode == "A"
                else "ns")
        if not statistics.median(by[NATIVE]):
            sys.exit(f"error: {name}: nothing was measured of native TCP")
        native, module = (statistics.median(by[p]) * size for p in (NATIVE, MODULE))
        floor = statistics.median(by[FLOOR]) * size * factors[name] if FLOOR in by and name in factors else None
        spread = max((max(v) - min(v)) / statistics.median(v) if max(v) else 0 for v in by.values())
        entry = {"name": name, "mode": mode, "unit": f"{unit}/{operation}", "native": round(native, 1), "module": round(module, 1),
                 "ratio": round(module / native, 3), "floor": None if floor is None else round(floor, 1)}
        if mode == "B":
            entry["spread"] = round(spread, 3)
            entry["noisy"] = spread > NOISY
        yield entry


def misses(row):
    """Is the target of this figure missed?"""
    name, ratio = row["name"], row["ratio"]
    return ratio < TARGETS[name] if name in RATES else ratio > TARGETS[name]


def table(rows):
    out = ["| Workload | Mode | Unit | Native TCP | Module | Ratio | Target | Floor (UDP) |", "|---|---|---|--:|--:|--:|--:|--:|"]
    for row in rows:
        target = TARGETS.get(row["name"])
        bad = " (!)" if target and row["mode"] == "A" and misses(row) else ""
        noisy = f" +-{row['spread'] / 2:.0%}{' noisy' if row['noisy'] else ''}" if row["mode"] == "B" else ""
        floor = "" if row["floor"] is None else f"{row['floor']:,.0f}"
        wanted = f"{target:.2f}" if target and row["mode"] == "A" else ""
        out.append(f"| {row['name']} | {row['mode']} | {row['unit']} | {row['native']:,.0f} | {row['module']:,.0f} "
                   f"| {row['ratio']:.2f}{bad}{noisy} | {wanted} | {floor} |")
    return "\n".join(out)


def picture(rows, caption):
    """Bars of the module's figures beside native TCP's, which are all 1; a tick where the target is, a dot where the floor is."""
    left, unit, height, top = 180, 260, 26, 56
    largest = max([2.0] + [row["ratio"] for row in rows])
    scale = unit if largest <= 2.0 else 2.0 * unit / largest
    width = int(left + largest * scale + 130)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top + height * len(rows) + 16}" '
           'font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="#ffffff"/>',
           f'<text x="8" y="18" font-size="14">{caption}</text>',
           '<text x="8" y="36" fill="#555555">Cost (or rate) beside native TCP (= 1, grey line); black tick: target; circle: the floor, UDP</text>']
    for i, row in enumerate(rows):
        y = top + i * height
        target = TARGETS.get(row["name"]) if row["mode"] == "A" else None
        colour = "#888888" if target is None else "#c62828" if misses(row) else "#2e7d32"
        kind = f'{row["mode"]}, rate' if row["name"] in RATES else row["mode"]
        out.append(f'<text x="8" y="{y + 14}">{row["name"]} ({kind})</text>')
        out.append(f'<rect x="{left}" y="{y + 3}" width="{row["ratio"] * scale:.1f}" height="15" fill="{colour}"/>')
        out.append(f'<text x="{left + max(row["ratio"], 1.0) * scale + 8:.1f}" y="{y + 15}">{row["ratio"]:.2f}</text>')
        if target is not None:
            out.append(f'<rect x="{left + target * scale - 1:.1f}" y="{y}" width="2" height="21" fill="#000000"/>')
        if row["floor"] is not None:
            out.append(f'<circle cx="{left + row["floor"] / row["native"] * scale:.1f}" cy="{y + 10}" r="4" fill="#ffffff" stroke="#000000"/>')
    out.append(f'<line x1="{left + scale:.1f}" y1="{top - 6}" x2="{left + scale:.1f}" y2="{top + height * len(rows)}" stroke="#999999"/>')
    out.append("</svg>")
    return "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    directory, kernel = sys.argv[1:]
    profiles, rows, factors = {}, [], {}
    if os.path.exists(os.path.join(directory, "lines.A")):
        figures = figures_a(directory, profiles)
        factors = dict(floor_factors(profiles, figures))
        rows += entries("A", figures, factors)
    if os.path.exists(os.path.join(directory, "lines.B")):
        rows += entries("B", figures_b(directory), factors)
    if not rows:
        sys.exit("error: nothing was measured")
    caption = f"rust_tcpfsm beside native TCP, Linux {kernel}, {datetime.date.today()}"
    with open(os.path.join(directory, "bench.json"), "w") as f:
        json.dump(rows, f, indent=1)
        f.write("\n")
    with open(os.path.join(directory, "bench.svg"), "w") as f:
        f.write(picture(rows, caption))
    text = [caption, "", table(rows), ""]
    lookups = {row["name"]: row for row in rows if row["name"].startswith("lookup_")}
    if "lookup_1k" in lookups and "lookup_1m" in lookups:
        grows = [lookups["lookup_1m"][side] / lookups["lookup_1k"][side] for side in ("native", "module")]
        bad = " (!)" if grows[1] > LOOKUP_TARGET else ""
        text += [f"A segment for one of a million connections costs {grows[1]:.2f}{bad} times as much as on one of a thousand "
                 f"(target {LOOKUP_TARGET:.2f}; native TCP: {grows[0]:.2f}).", ""]
    print("\n".join(text))
    for name in PROFILED:
        if (name, NATIVE) in profiles and (name, MODULE) in profiles:
            operation, size = WHAT[name]
            pair = [profiles[name, p] for p in (NATIVE, MODULE)]
            packets = [packets / count * size for _, count, packets in pair]
            text += [f"## {name}: instructions for each {operation}; packets: native {packets[0]:.2f}, module {packets[1]:.2f}", "",
                     insnprof.side_by_side(pair[0][0], pair[1][0], pair[0][1] / size, PROFILE_ROWS), ""]
    with open(os.path.join(directory, "report.md"), "w") as f:
        f.write("\n".join(text))


main()
