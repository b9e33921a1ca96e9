"""The program runs as without ttmem: on a wheel that is not known, on one that is, and where the allocator refuses."""

import json
import pathlib
import subprocess
import tempfile
import unittest

from test_acceptance import HERE, Run, python_or_skip


class Unharmed(unittest.TestCase):
    def check_untracked(self, version, reason, **other_build):
        """The program runs, and one line says why it is not tracked."""
        python = python_or_skip(version)
        with tempfile.TemporaryDirectory() as folder:
            library = pathlib.Path(folder) / "other_build.so"
            source = HERE / "other_build.c"
            command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"]
            subprocess.run(command, check=True)
            variables = other_build | {"LD_PRELOAD": str(library)}
            run = Run(folder, python, "blackhole-8", [str(HERE / "small.py")], variables)
        self.assertEqual((run.plain.returncode, run.tracked.returncode), (0, 0), run.tracked.stderr)
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        extra = [line for line in run.tracked.stderr.splitlines() if line.startswith("ttmem:")]
        self.assertEqual(len(extra), 1, run.tracked.stderr)
        self.assertIn(reason, extra[0])
        self.assertEqual(run.left_over, [])
        return run.report["processes"]

    def test_a_build_without_a_getter_runs_untracked_and_says_why(self):
        name = "_ZNK2tt8tt_metal6Buffer7addressEv"
        self.assertEqual(self.check_untracked("0.81.1", name, OTHER_BUILD_LACKS=name), [])

    def test_a_build_with_other_fields_runs_untracked_and_says_why(self):
        name = "_ZNK2tt8tt_metal6Buffer9num_pagesEv"
        processes = self.check_untracked("0.78.0", "laid out in a way", OTHER_BUILD_CHANGES=name)
        # Nothing is told of its buffers, and all of them are told to be lost.
        self.assertEqual([region for process in processes for region in process["live"]], [])
        self.assertGreater(sum(process["events"]["lost"] for process in processes), 0)

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
