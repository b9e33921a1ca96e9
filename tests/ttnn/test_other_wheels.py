"""A wheel that ttmem does not know: one line, and the program runs as without."""

import json
import tempfile
import unittest

from test_acceptance import HERE, Run, python_or_skip


class UnknownWheel(unittest.TestCase):
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


if __name__ == "__main__":
    unittest.main()
