#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of wire_sanity: a decent connection passes every check, and each fault fails the check that is for it."""
import os
import struct
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
LOCAL, REMOTE = bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2])
CHECKS = ("acked", "sacked", "mss", "nagle", "ratio", "prompt", "window", "ackback")
FIN, SYN, ACK = 1, 2, 16
# MSS 1000, window scale 4.
SYN_OPTIONS = bytes([2, 4, 1000 >> 8, 1000 & 255, 3, 3, 4, 1])


class Capture:
    """A capture being made; times in milliseconds, sequence numbers relative to the SYNs."""

    def __init__(self):
        self.packets = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 256, 1)]
        self.add(0, "out", 0, 0, 0, SYN, options=SYN_OPTIONS)
        self.add(10, "in", 0, 1, 0, SYN | ACK, options=SYN_OPTIONS)
        self.add(10, "out", 1, 1)

    def add(self, ms, way, seq, ack, length=0, flags=ACK, window=1000, options=b""):
        source, target, isn, other = (LOCAL, REMOTE, 2**32 - 500, 7000) if way == "out" else (REMOTE, LOCAL, 7000, 2**32 - 500)
        header = struct.pack(">HHIIBBHHH", 1, 2, (seq + isn) % 2**32, (ack + other) % 2**32 if flags & ACK else 0,
                             (20 + len(options)) // 4 << 4, flags, window, 0, 0) + options
        ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(header) + length, 0, 0, 64, 253, 0, source, target)
        frame = bytes(12) + b"\x08\x00" + ip + header + bytes(length)
        kept = frame[:160]
        self.packets.append(struct.pack("<IIII", ms // 1000, ms % 1000 * 1000, len(kept), len(frame)) + kept)


class WireSanity(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory()
        cls.program = os.path.join(cls.dir.name, "wire_sanity")
        subprocess.run(["gcc", "-O1", "-Wall", "-o", cls.program, os.path.join(HERE, "wire_sanity.c")], check=True)

    @classmethod
    def tearDownClass(cls):
        cls.dir.cleanup()

    def violated(self, capture, checks=CHECKS):
        """The checks that fail."""
        path = os.path.join(self.dir.name, "pcap")
        with open(path, "wb") as f:
            f.write(b"".join(capture.packets))
        failed = set()
        for check in checks:
            done = subprocess.run([self.program, path, "10.0.0.1", "253", check], capture_output=True, text=True, check=False)
            self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)
            if done.returncode:
                self.assertIn(check, done.stdout)
                failed.add(check)
        return failed

    def sender(self):
        """Four segments out, the first two acknowledged at 40 ms."""
        c = Capture()
        for i in range(4):
            c.add(20 + i, "out", 1 + 1000 * i, 1, 1000)
        c.add(40, "in", 1, 2001)
        return c

    SENDER = ("acked", "sacked", "mss", "nagle", "window", "ackback")

    def test_decent_sender(self):
        c = self.sender()
        c.add(60, "out", 2001, 1, 1000)
        c.add(61, "out", 4001, 1, 10)
        c.add(80, "in", 1, 4011)
        c.add(90, "out", 4011, 1, 10)
        self.assertEqual(self.violated(c, self.SENDER), set())

    def test_sent_again_though_acknowledged(self):
        c = self.sender()
        c.add(60, "out", 1001, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), {"acked"})

    def test_sent_again_though_partly_acknowledged(self):
        c = self.sender()
        c.add(60, "out", 1501, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), {"acked"})

    def test_ack_that_has_just_come(self):
        c = self.sender()
        c.add(40, "out", 1001, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), set())

    def test_ack_in_an_old_segment(self):
        c = self.sender()
        c.add(50, "in", 1, 2001, 100)
        c.add(51, "out", 4001, 101, 1000)
        c.add(60, "in", 1, 3001, 100)
        c.add(70, "out", 2001, 101, 1000)
        self.assertEqual(self.violated(c, self.SENDER), set())

    def test_sent_again_though_selectively_acknowledged(self):
        block = bytes([1, 1, 5, 10]) + struct.pack(">II", 3001 - 500, 4001 - 500)
        c = self.sender()
        c.add(41, "in", 1, 2001, options=block)
        c.add(60, "out", 2001, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), set())
        c.add(61, "out", 3001, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), {"sacked"})

    def test_selectively_acknowledged_by_an_ack_that_was_overtaken(self):
        for stamp, violated in ((8, set()), (9, {"sacked"})):
            block = bytes([1, 1, 5, 10]) + struct.pack(">II", 3001 - 500, 4001 - 500)
            stamped = bytes([1, 1, 8, 10])
            c = self.sender()
            c.add(50, "in", 1, 2001, options=stamped + struct.pack(">II", 9, 0))
            c.add(51, "in", 1, 2001, options=stamped + struct.pack(">II", stamp, 0) + block)
            c.add(61, "out", 3001, 1, 1000)
            self.assertEqual(self.violated(c, self.SENDER), violated)

    def test_too_long(self):
        c = self.sender()
        c.add(60, "out", 4001, 1, 1001)
        self.assertEqual(self.violated(c, self.SENDER), {"mss"})
        c = self.sender()
        c.add(60, "out", 4001, 1, 989, options=bytes([1] * 12))
        self.assertEqual(self.violated(c, self.SENDER), {"mss"})

    def test_tinygrams(self):
        c = self.sender()
        c.add(60, "out", 4001, 1, 10)
        c.add(61, "out", 4011, 1, 10)
        self.assertEqual(self.violated(c, self.SENDER), {"nagle"})

    def test_full_behind_small_is_none(self):
        c = self.sender()
        c.add(60, "out", 4001, 1, 10)
        c.add(61, "out", 4011, 1, 1000)
        self.assertEqual(self.violated(c, self.SENDER), set())

    def receiver(self, every, delay=1, segments=20):
        """Segments in, one each 10 ms, each so-manieth acknowledged."""
        c = Capture()
        for i in range(segments):
            c.add(20 + 10 * i, "in", 1 + 1000 * i, 1, 1000)
            if i % every == every - 1:
                c.add(20 + 10 * i + delay, "out", 1, 1 + 1000 * (i + 1))
        return c

    RECEIVER = ("ratio", "prompt", "window", "ackback")

    def test_decent_receiver(self):
        self.assertEqual(self.violated(self.receiver(2), self.RECEIVER), set())

    def test_too_many_acks(self):
        self.assertEqual(self.violated(self.receiver(1), self.RECEIVER), {"ratio"})

    def test_too_few_acks(self):
        self.assertEqual(self.violated(self.receiver(4), self.RECEIVER), {"ratio"})

    def test_late_ack(self):
        c = self.receiver(2)
        c.add(300, "in", 20001, 1, 1000)
        c.add(350, "out", 1, 21001)
        self.assertEqual(self.violated(c, self.RECEIVER), {"prompt"})

    def test_ack_back(self):
        c = self.receiver(2)
        c.add(300, "out", 1, 19001, window=2000)
        self.assertEqual(self.violated(c, self.RECEIVER), {"ackback"})

    def test_window_shrinks(self):
        c = self.receiver(2)
        c.add(300, "out", 1, 20001, window=999)
        self.assertEqual(self.violated(c, self.RECEIVER), {"window"})

    def test_window_rounded(self):
        c = self.receiver(2)
        c.add(300, "in", 20001, 1, 15)
        c.add(301, "out", 1, 20016, window=999)
        c.add(302, "in", 20016, 1, 1)
        c.add(303, "out", 1, 20017, window=999)
        self.assertEqual(self.violated(c, ("window",)), set())
        c.add(304, "out", 1, 20017, window=998)
        self.assertEqual(self.violated(c, ("window",)), {"window"})

    def test_nothing_seen(self):
        self.assertTrue(self.violated_status(Capture()))

    def violated_status(self, capture):
        path = os.path.join(self.dir.name, "pcap")
        with open(path, "wb") as f:
            f.write(b"".join(capture.packets))
        return subprocess.run([self.program, path, "10.0.0.1", "253"], capture_output=True, check=False).returncode


if __name__ == "__main__":
    unittest.main()
