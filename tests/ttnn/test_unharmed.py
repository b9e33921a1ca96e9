"""The program runs as without ttmem: on a wheel that is not known, on one that is, and where the allocator refuses."""

import json
import tempfile
import unittest

from test_acceptance import HERE, Run, python_or_skip


class Unharmed(unittest.TestCase):
    def test_wheel_0_78_runs_untracked_and_says_why(self):
        python = python_or_skip("0.78.0")
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, python, "blackhole-8", [str(HERE / "small.py")])
        self.assertEqual((run.plain.returncode, run.tracked.returncode), (0, 0), run.tracked.stderr)
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        extra = [line for line in run.tracked.stderr.splitlines() if line.startswith("ttmem:")]
        self.assertEqual(len(extra), 1, run.tracked.stderr)
        self.assertIn("_ZNK2tt8tt_metal6Buffer", extra[0])
        self.assertEqual(run.report["processes"], [])
        self.assertEqual(run.left_over, [])

    def test_known_wheel_says_nothing_on_standard_error(self):
        python = python_or_skip()
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, python, "blackhole-8", [str(HERE / "small.py")])
        self.assertEqual(run.tracked.stderr, run.plain.stderr)
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        self.assertGreater(run.report["processes"][0]["events"]["reported"], 0, json.dumps(run.report))

    def test_refusals_of_memories_without_banks_reach_the_program(self):
        python = python_or_skip()
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, python, "blackhole-8", [str(HERE / "refusals.py")])
        self.assertEqual(run.plain.stdout.count("RuntimeError"), 4, run.plain.stdout)
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        self.assertEqual((run.tracked.returncode, run.plain.returncode), (0, 0))
        refused = [event["memory"] for event in run.report["processes"][0]["out_of_memory"]]
        self.assertEqual(refused, ["L1_SMALL", "L1_SMALL", "TRACE", "L1"])


if __name__ == "__main__":
    unittest.main()
