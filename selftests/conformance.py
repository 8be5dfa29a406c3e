#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""conformance.py SPEC LOG..: RFC 9293 requirement by requirement, and the tests that prove each.

SPEC lists the requirements (id, level, scope, requirement, with tabs between); not_yet.tsv beside it gives, for each that no
test proves, the reason. LOG is what cargo or nextest printed of the host tests, or the KTAP output of the guest's. A
test proves the ids that stand in its name (must_10) or its line (MUST-10) if it ran and passed, and no
other test of that id failed. It is an error if an id has neither proof nor reason, or both, or if a
test or a reason names an id that there is not. The last line counts the proven of all, level by level.
"""

import os
import re
import sys

LEVELS = ("MUST", "MUSTNOT", "SHOULD", "SHOULDNOT", "MAY")
ID = re.compile(r"(?<![A-Za-z0-9])(MUST|SHLD|MAY|REC)[-_](\d+)(?!\d)", re.IGNORECASE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CARGO = re.compile(r"^test (?P<name>\S+)(?: - should panic)? \.\.\. (?P<result>ok|FAILED)\b")
NEXTEST = re.compile(
    r"^ *(?P<result>PASS|FAIL|TIMEOUT|ABORT|SIG[A-Z]+) +\[[^]]*\] +(?:\([^)]*\) +)?\S+ (?P<name>\S+)$"
)
SCRIPT = re.compile(r"^# selftests: (?:[^:]*: )?(?P<name>\S+)")
POINT = re.compile(r"^(?:#\s*)*(?P<bad>not )?ok \d+\s*(?:- )?(?P<name>.*)$")
# A point that was skipped, or is known to fail, proves nothing.
DIRECTIVE = re.compile(r"#\s*(SKIP|XFAIL|TODO)\b", re.IGNORECASE)


class Fault(Exception):
    """A file that cannot be read as what it should be."""


def rows(path, columns):
    """The lines of a table with tabs, less comments and a header that starts with "id"."""
    with open(path, encoding="utf-8") as table:
        for number, line in enumerate(table, 1):
            fields = line.rstrip("\n").split("\t")
            if not line.strip() or line.startswith("#") or fields[0] == "id":
                continue
            if len(fields) != columns or not all(field.strip() for field in fields):
                raise Fault(f"{path}:{number}: not {columns} columns with tabs between")
            yield number, fields


def read_spec(path):
    """The requirements by id, in the order of the file: level and text."""
    spec = {}
    for number, (name, level, _scope, text) in rows(path, 4):
        if level not in LEVELS:
            raise Fault(f"{path}:{number}: no level is called {level}")
        if name in spec:
            raise Fault(f"{path}:{number}: {name} is there twice")
        spec[name] = (level, text)
    if not spec:
        raise Fault(f"{path}: no requirement in it")
    return spec


def read_reasons(path):
    """The reasons by id."""
    reasons = {}
    for number, (name, reason) in rows(path, 2):
        if name in reasons:
            raise Fault(f"{path}:{number}: {name} is there twice")
        reasons[name] = reason
    return reasons


def results(lines):
    """The tests that a log tells of: name and whether it passed."""
    script = ""
    for line in lines:
        line = COLOUR.sub("", line).rstrip()
        if match := CARGO.match(line):
            yield "host: " + match["name"], match["result"] == "ok"
        elif match := NEXTEST.match(line):
            yield "host: " + match["name"], match["result"] == "PASS"
        elif match := SCRIPT.match(line):
            script = match["name"]
        elif match := POINT.match(line):
            if DIRECTIVE.search(match["name"]):
                continue
            name = match["name"].strip()
            if name.startswith("selftests: "):
                # The script as a whole: its points have spoken for themselves, its name may speak for it.
                name = name.split("#")[0].split(": ")[-1].strip()
                script = ""
            elif script:
                name = f"{script}: {name}"
            yield "guest: " + name, not match["bad"]


def ids_of(name):
    """The ids that a test's name or line holds."""
    return {f"{kind.upper()}-{int(number)}" for kind, number in ID.findall(name)}


def judge(spec, reasons, tests):
    """Who proves what: passed and failed tests by id, and what is wrong."""
    passed, failed, faults = {}, {}, []
    for name, good in tests:
        for one in ids_of(name):
            if one not in spec:
                faults.append(f"{one} is no requirement, but a test names it: {name}")
            else:
                (passed if good else failed).setdefault(one, {})[name] = True
    for one in reasons:
        if one not in spec:
            faults.append(f"{one} is no requirement, but has a reason")
    for one in spec:
        if one in failed:
            faults.append(f"{one}: a test of it failed: " + "; ".join(failed[one]))
        elif one in passed and one in reasons:
            faults.append(f"{one} is proven, but has a reason why not: {reasons[one]}")
        elif one not in passed and one not in reasons:
            faults.append(f"{one} has neither a test that passed nor a reason why not")
    return passed, failed, faults


def report(spec, reasons, passed, failed):
    """The lines of the table; the last one counts."""
    proven = dict.fromkeys(LEVELS, 0)
    total = dict.fromkeys(LEVELS, 0)
    for one, (level, text) in spec.items():
        total[level] += 1
        if one in failed:
            state = "FAILED"
        elif one in passed:
            state = "proven"
            proven[level] += 1
        else:
            state = "not yet"
        yield f"{one:<8} {level:<9} {state:<7} {text}"
        for name in failed.get(one, ()):
            yield f"{'':<27}failed {name}"
        for name in passed.get(one, ()):
            yield f"{'':<27}{name}"
        if one not in passed and one not in failed:
            yield f"{'':<27}because: {reasons.get(one, '(no reason is given)')}"
    yield " ".join(f"{level} {proven[level]}/{total[level]}" for level in LEVELS)


def main(arguments):
    """The command; returns its exit status."""
    if len(arguments) < 2:
        print("usage: conformance.py SPEC LOG.. (no LOG: run make test first)", file=sys.stderr)
        return 2
    try:
        spec = read_spec(arguments[0])
        reasons = read_reasons(os.path.join(os.path.dirname(arguments[0]), "not_yet.tsv"))
        tests = []
        for path in arguments[1:]:
            with open(path, encoding="utf-8", errors="replace") as log:
                tests += results(log)
    except (Fault, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    passed, failed, faults = judge(spec, reasons, tests)
    if not tests:
        faults.append("no test result in " + " ".join(arguments[1:]))
    lines = list(report(spec, reasons, passed, failed))
    for line in lines[:-1]:
        print(line)
    sys.stdout.flush()
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    sys.stderr.flush()
    print(lines[-1])
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
