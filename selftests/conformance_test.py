#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of conformance.py: how logs are read, and what counts as proven."""

import contextlib
import io
import os
import tempfile
import unittest

import conformance

KTAP = """TAP version 13
1..3
# selftests: rust_tcpfsm: path_open.sh
# TAP version 13
# 1..4
# ok 1 MUST-10: both open at once, MUST-11
# not ok 2 MUST-13: it lingers
# ok 3 # SKIP MUST-41: no such thing here
# ok 4 the must-see arcs
# # Totals: pass:2 fail:1 xfail:0 xpass:0 skip:1 error:0
not ok 1 selftests: rust_tcpfsm: path_open.sh # exit=1
# selftests: rust_tcpfsm: must_8_clock.sh
ok 2 selftests: rust_tcpfsm: must_8_clock.sh
# selftests: rust_tcpfsm: must_9_key.sh
ok 3 selftests: rust_tcpfsm: must_9_key.sh # SKIP
"""

NEXTEST = """    Starting 4 tests across 1 binary
        PASS [   0.005s] (1/4) rtcpfsm-host fsm::options::tests::must_4_end_and_nop
        PASS [   0.006s] rtcpfsm-host fsm::seq::tests::order
        FAIL [   0.007s] (3/4) rtcpfsm-host properties::must_64_alignment
  SIGABRT [   0.008s] (4/4) rtcpfsm-host properties::must_7_any
     Summary [   0.020s] 4 tests run: 2 passed, 2 failed, 0 skipped
"""

CARGO = """running 4 tests
test fsm::options::tests::must_4_end_and_nop ... ok
test tests::must_5_panics - should panic ... ok
test tests::must_6_unknown ... FAILED
test tests::must_7_slow ... ignored
test result: FAILED. 2 passed; 1 failed; 1 ignored
"""

SPEC = "# c\nid\tlevel\tscope\trequirement\nMUST-1\tMUST\tcore\tone\nMUST-2\tMUSTNOT\tcore\ttwo\nMAY-3\tMAY\thost\tthree\n"


def read(log):
    return list(conformance.results(log.splitlines(keepends=True)))


class Logs(unittest.TestCase):
    def test_ktap(self):
        self.assertEqual(
            read(KTAP),
            [
                ("guest: path_open.sh: MUST-10: both open at once, MUST-11", True),
                ("guest: path_open.sh: MUST-13: it lingers", False),
                ("guest: path_open.sh: the must-see arcs", True),
                ("guest: path_open.sh", False),
                ("guest: must_8_clock.sh", True),
            ],
        )

    def test_nextest(self):
        self.assertEqual(
            read(NEXTEST),
            [
                ("host: fsm::options::tests::must_4_end_and_nop", True),
                ("host: fsm::seq::tests::order", True),
                ("host: properties::must_64_alignment", False),
                ("host: properties::must_7_any", False),
            ],
        )

    def test_cargo(self):
        self.assertEqual(
            read(CARGO),
            [
                ("host: fsm::options::tests::must_4_end_and_nop", True),
                ("host: tests::must_5_panics", True),
                ("host: tests::must_6_unknown", False),
            ],
        )

    def test_colours_do_not_hide_a_result(self):
        line = "\x1b[32;1m        PASS\x1b[0m [   0.005s] \x1b[35mhost\x1b[0m tests::\x1b[34mmust_1_x\x1b[0m\n"
        self.assertEqual(read(line), [("host: tests::must_1_x", True)])


class Ids(unittest.TestCase):
    def test_both_spellings_and_several(self):
        self.assertEqual(conformance.ids_of("a::must_10_shld_4_rec_1"), {"MUST-10", "SHLD-4", "REC-1"})
        self.assertEqual(conformance.ids_of("x.sh: MUST-7, MAY-12: it holds"), {"MUST-7", "MAY-12"})

    def test_a_number_is_taken_whole_and_a_word_is_no_id(self):
        self.assertEqual(conformance.ids_of("must_64_x"), {"MUST-64"})
        self.assertEqual(conformance.ids_of("it must 4 dismay-3 the must-see"), set())


class Verdicts(unittest.TestCase):
    def run_main(self, reasons, log):
        with tempfile.TemporaryDirectory() as directory:
            paths = {name: os.path.join(directory, name) for name in ("spec.tsv", "not_yet.tsv", "log")}
            for name, text in (("spec.tsv", SPEC), ("not_yet.tsv", reasons), ("log", log)):
                with open(paths[name], "w", encoding="utf-8") as out:
                    out.write(text)
            stdout, stderr = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                status = conformance.main([paths["spec.tsv"], paths["log"]])
        return status, stdout.getvalue().splitlines(), stderr.getvalue()

    def test_proof_or_reason_for_each_is_well(self):
        status, lines, errors = self.run_main(
            "MAY-3\tlater\n", "test a::must_1_x ... ok\n# ok 1 MUST-2: no\n"
        )
        self.assertEqual((status, errors), (0, ""))
        self.assertEqual(lines[-1], "MUST 1/1 MUSTNOT 1/1 SHOULD 0/0 SHOULDNOT 0/0 MAY 0/1")
        self.assertIn("host: a::must_1_x", lines[1])
        self.assertIn("because: later", "\n".join(lines))

    def test_neither_proof_nor_reason_is_an_error(self):
        status, lines, errors = self.run_main("MAY-3\tlater\n", "test a::must_1_x ... ok\n")
        self.assertEqual(status, 1)
        self.assertIn("MUST-2 has neither", errors)
        self.assertEqual(lines[-1], "MUST 1/1 MUSTNOT 0/1 SHOULD 0/0 SHOULDNOT 0/0 MAY 0/1")

    def test_a_reason_for_a_proven_id_is_an_error(self):
        status, _, errors = self.run_main(
            "MAY-3\tlater\nMUST-2\tlater\nMUST-1\tlater\n", "test a::must_1_x ... ok\n"
        )
        self.assertEqual(status, 1)
        self.assertIn("MUST-1 is proven, but has a reason", errors)

    def test_a_failed_test_outweighs_a_passed_one(self):
        status, lines, errors = self.run_main(
            "MAY-3\tlater\nMUST-2\tlater\n", "test a::must_1_x ... ok\n# not ok 1 MUST-1: y\n"
        )
        self.assertEqual(status, 1)
        self.assertIn("MUST-1: a test of it failed", errors)
        self.assertTrue(lines[-1].startswith("MUST 0/1 "))

    def test_a_test_or_reason_of_no_requirement_is_an_error(self):
        status, _, errors = self.run_main(
            "MAY-3\tlater\nMUST-2\tlater\nMUST-8\tx\n", "test must_1_x ... ok\ntest must_99 ... ok\n"
        )
        self.assertEqual(status, 1)
        self.assertIn("MUST-99", errors)
        self.assertIn("MUST-8", errors)

    def test_a_log_without_results_is_an_error(self):
        status, _, errors = self.run_main("MAY-3\tx\nMUST-2\tx\nMUST-1\tx\n", "nothing ran\n")
        self.assertEqual(status, 1)
        self.assertIn("no test result", errors)

    def test_a_table_that_is_none_is_refused(self):
        status, _, errors = self.run_main("MAY-3 later\n", "test must_1_x ... ok\n")
        self.assertEqual(status, 2)
        self.assertIn("not_yet.tsv:1", errors)


class Specification(unittest.TestCase):
    def test_the_levels_of_the_real_one(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "spec", "rfc9293.tsv")
        spec = conformance.read_spec(path)
        last = list(conformance.report(spec, {}, {}, {}))[-1]
        self.assertEqual(last, "MUST 0/63 MUSTNOT 0/6 SHOULD 0/27 SHOULDNOT 0/5 MAY 0/18")


if __name__ == "__main__":
    unittest.main()
