"""Buffers with an address of their own on each core: as ttnn says of each tensor, core by core; and where that can't be read."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from test_acceptance import HERE, Run, python_or_skip

MODE = {"TT_METAL_ALLOCATOR_MODE_HYBRID": "1"}
ADDRESSES = "_ZN2tt8tt_metal12experimental19per_core_allocation22get_per_core_addressesERKNS0_6BufferE"


def live(mark):
    return sorted([each["device_id"], each.get("core", ""), each["address"], each["size"]] for each in mark["live"])


class Hybrid(unittest.TestCase):
    def run_it(self, version="0.81.1", **variables):
        python = python_or_skip(version)
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, python, "blackhole-8", [str(HERE / "hybrid.py")], variables)
        self.assertEqual((run.plain.returncode, run.tracked.returncode), (0, 0), run.tracked.stderr)
        self.assertEqual((run.tracked.stdout, run.tracked.stderr), (run.plain.stdout, run.plain.stderr))
        self.said = [json.loads(line) for line in run.plain.stdout.splitlines()]
        (self.process,) = run.report["processes"]
        self.assertEqual((self.process["unmatched_frees"], self.process["events"]["lost"]), (0, 0))
        return self.process["marks"]

    def check(self, version):
        marks = self.run_it(version, **MODE)
        self.assertEqual(len(self.said), 6)
        self.assertEqual([[mark["name"], live(mark)] for mark in marks], self.said)
        two = [part for part in self.said[1][1] if part[0] == 0 and part[1]]
        self.assertEqual((len(two), two[0][2]), (2, two[1][2]), "two buffers at one address")
        for mark in marks:
            for device in mark["devices"]:
                held = sum(part[3] for part in live(mark) if part[0] == device["device_id"])
                self.assertEqual(device["memory"]["L1"]["live_bytes"], held)
        self.assertEqual({finding["id"] for finding in self.process["findings"]}, set())

    def test_wheel_0_81(self):
        self.check("0.81.1")

    def test_wheel_0_80(self):
        self.check("0.80.0")

    def test_without_the_mode_it_is_refused_and_nothing_has_run_out(self):
        self.run_it()
        reason = "Per-core allocation requires AllocatorMode::HYBRID when opening the device"
        self.assertEqual(self.said[1], ["refused", reason])
        (refusal,) = self.process["out_of_memory"]
        self.assertEqual((refusal["memory"], refusal["other_reason"]), ("L1", reason))
        for figure in ("size_per_bank", "free_bytes_per_bank", "missing_bytes_per_bank", "is_fragmented"):
            self.assertIsNone(refusal[figure], figure)

    def test_addresses_that_cannot_be_read_are_named(self):
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "other_build.so"
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(HERE / "other_build.c"), "-ldl"], check=True)
            marks = self.run_it(OTHER_BUILD_LACKS=ADDRESSES, LD_PRELOAD=str(library), **MODE)
        sizes = lambda parts: sum(part[3] for part in parts)
        for mark, (name, truth) in zip(marks, self.said, strict=True):
            self.assertEqual((mark["name"], sizes(live(mark))), (name, sizes(truth)), "sizes are exact")
        cores = {part[1] for part in live(marks[2])}
        self.assertEqual(cores, {"", "unknown"})
        self.assertEqual(len(live(marks[2])), 8 * 5, "one for each buffer on each chip")


if __name__ == "__main__":
    unittest.main()
