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

    def test_refusals_reach_the_program_and_have_the_allocators_own_figures(self):
        python = python_or_skip()
        with tempfile.TemporaryDirectory() as folder:
            run = Run(folder, python, "blackhole-8", [str(HERE / "refusals.py")])
        said = [line.partition("RuntimeError ")[2] for line in run.plain.stdout.splitlines() if "RuntimeError" in line]
        self.assertEqual(len(said), 6, run.plain.stdout)
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        self.assertEqual((run.tracked.returncode, run.plain.returncode), (0, 0))
        refused = run.report["processes"][0]["out_of_memory"]
        memories = [event["memory"] for event in refused]
        self.assertEqual(memories, ["L1_SMALL", "L1_SMALL", "TRACE", "L1", "TRACE", "L1_SMALL"])
        # Out of memory is what tt-metal calls so.
        self.assertEqual(refused[0]["other_reason"], said[0])
        self.assertEqual([refused[0][key] for key in ("size_per_bank", "free_bytes_per_bank")], [None, None])
        for event, message in zip(refused[1:], said[1:]):
            self.assertNotIn("other_reason", event)
            numbers = {
                "size": "to allocate ", "size_per_bank": "each bank needs to store ", "free_bytes_per_bank": " free: ",
                "largest_free_block_per_bank": "largest free block: ",
            }
            figures = {key: int(message.partition(words)[2].split()[0]) for key, words in numbers.items()}
            self.assertEqual({key: event[key] for key in figures}, figures, message)


if __name__ == "__main__":
    unittest.main()
