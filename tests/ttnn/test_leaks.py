"""Verdicts on programs with a leak, and on the same programs without it.

A model of twenty layers leaks in three forms; the server of the documentation and the demo leak as well. Each leak has its
rate, and its file and line on the first screen.
"""

import json
import os
import subprocess
import unittest

import ledger_run
import wheel
from test_acceptance import HERE, TTMEM

ROOT = HERE.parent.parent
SOURCE = HERE / "leaking_model.py"
SERVER = ROOT / "docs" / "examples" / "server.py"
DEMO = HERE / "demo.py"
CHIPS = 8
#: Lines of a terminal, as it usually is.
SCREEN = 24
KIB, MIB = 1 << 10, 1 << 20
#: Exit code of `--fail-on-leak` and `--fail-on-leftover`, and that of neither.
FAILED, PASSED = 23, 0


def line(ending, source=SOURCE):
    numbers = [number for number, text in enumerate(source.read_text().splitlines(), 1) if text.endswith(ending)]
    assert len(numbers) == 1, ending
    return numbers[0]


def frame(function, mark):
    return f"{function} ({SOURCE}:{line(f'# {mark}')})"


class Judged:
    """A run under ttmem: its exit code, what the terminal shows first, and the only process of the report."""

    def __init__(self, done, report_path):
        self.returncode, self.errors = done.returncode, done.stderr
        # Sentences are wrapped to the width of the terminal.
        self.screen = " ".join("\n".join(done.stderr.splitlines()[:SCREEN]).split())
        [self.process] = json.loads(report_path.read_text())["processes"]
        self.verdict = self.process["verdict"]

    def loop(self, name):
        [growth] = [growth for growth in self.process["growth"] if (growth["point"], growth["name"]) == ("marks", name)]
        return growth


class LeaksTest(ledger_run.LedgerTest):
    def judged(self, cluster, source, *arguments, fail_on=("--fail-on-leak",)):
        report_path = self.folder / "report.json"
        report_path.unlink(missing_ok=True)
        environment = wheel.environment(cluster, self.folder) | {"TTMEM_DIR": str(self.folder / "rings")}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT / "python"), environment.get("PYTHONPATH")]))
        command = [TTMEM, "run", *fail_on, "--json", str(report_path), "--", self.python, str(source), *arguments]
        done = subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertTrue(report_path.exists(), done.stderr[-3000:])
        run = Judged(done, report_path)
        self.assertEqual(run.process["ended"], {"code": 0}, done.stderr[-3000:])
        self.assert_sound(run.process)
        return run

    def assert_leak(self, run, loop, op, frames, allocations, low, high):
        """A verdict of one leak: made there, at that rate, with its lines on the first screen."""
        self.assertEqual((run.verdict["answer"], run.returncode), ("leak", FAILED), run.errors)
        [leak] = run.verdict["leaks"]
        self.assertEqual((leak["point"], leak["name"], leak["memory"]), ("marks", loop, "DRAM"))
        self.assertEqual((leak["op"], leak["site"][: len(frames)]), (op, list(frames)))
        self.assertAlmostEqual(leak["allocations_per_iteration"], allocations, delta=allocations / 10)
        self.assertTrue(low <= leak["bytes_per_iteration"] <= high, leak["bytes_per_iteration"])
        self.assertEqual(run.loop(loop)["verdict"], "grows")
        self.assertIn("Leak: ", run.screen, run.errors)
        for each in frames:
            function, _, place = each.partition(" (")
            self.assertIn(f"{function} (", run.screen, run.errors)
            # The folder may be left out where the line is long.
            self.assertIn(place.rpartition("/")[2], run.screen, run.errors)
        self.assertIn(op, run.screen, run.errors)

    def assert_no_leak(self, run, loop, answer):
        self.assertEqual((run.verdict["answer"], run.verdict["leaks"]), (answer, []), run.errors)
        self.assertEqual(run.loop(loop)["verdict"], "baseline", run.errors)
        self.assertNotIn("Leak", run.screen, run.errors)


class Model(LeaksTest):
    STEPS = "step #"

    def of_form(self, form, **how):
        return self.judged("blackhole-1", SOURCE, "none", form, **how)

    def assert_clean(self, form):
        run = self.of_form(form, fail_on=("--fail-on-leak", "--fail-on-leftover"))
        self.assert_no_leak(run, self.STEPS, "clean")
        self.assertEqual((run.returncode, run.verdict["leftover_allocations"]), (PASSED, 0), run.errors)

    def test_a_list_that_keeps_outputs(self):
        size = 2 * 128 * 128
        frames = (frame("forward", "RELU"), frame("forward", "LAYERS"))
        run = self.of_form("list")
        self.assert_leak(run, self.STEPS, "ttnn.relu", frames, allocations=1, low=size, high=size)

    def test_a_list_that_keeps_the_last_outputs(self):
        self.assert_clean("bounded-list")

    def test_a_cache_that_is_keyed_by_shape(self):
        frames = (frame("tensor", "TENSOR"), frame("mask_of", "MASK"))
        # Another 32 KiB more in each of 24 steps; 12.5 on the average, 13.5 of them without the first two.
        run = self.of_form("shapes")
        self.assert_leak(run, self.STEPS, "ttnn.empty", frames, allocations=1, low=11 * 32 * KIB, high=15 * 32 * KIB)

    def test_a_cache_that_is_keyed_by_few_shapes(self):
        self.assert_clean("few-shapes")

    def test_a_device_that_is_never_closed(self):
        """What is left does not grow by step, so it is no leak; tt-metal closes the device when Python ends."""
        run = self.of_form("unclosed")
        self.assert_no_leak(run, self.STEPS, "leftover")
        self.assertEqual(run.returncode, PASSED, run.errors)
        self.assertEqual((run.verdict["leftover_allocations"], run.verdict["leftover_bytes"]), (20, 20 * 2 * 64 * 64))
        self.assertIn("Leftover: 20 allocations (160.0 KiB)", run.screen)
        [weights] = {tuple(region["site"][:2]) for region in run.process["released_at_close"] if not region["cached"]}
        self.assertEqual(weights, (frame("tensor", "TENSOR"), frame("__init__", "WEIGHT")))
        # On the first screen too.
        self.assertIn("__init__ (", run.screen, run.errors)
        self.assertIn(f"{SOURCE.name}:{line('# WEIGHT')})", run.screen, run.errors)
        self.assertEqual(self.of_form("unclosed", fail_on=("--fail-on-leftover",)).returncode, FAILED)

    def test_a_device_that_is_closed(self):
        self.assert_clean("closed")


class Server(LeaksTest):
    def test_the_loop_that_keeps_every_fourth_cache(self):
        run = self.judged("blackhole-8", SERVER, "1")
        helper, loop = line("memory_config=memory)", SERVER), line("cache = tensor(1024 * (1 + request % 3), 4096)", SERVER)
        frames = (f"tensor ({SERVER}:{helper})", f"<module> ({SERVER}:{loop})")
        # On each chip a quarter of a cache of 8, 16 or 24 MiB.
        rate = {"allocations": CHIPS / 4, "low": 0.9 * CHIPS * 4 * MIB, "high": 1.1 * CHIPS * 4 * MIB}
        self.assert_leak(run, "request #", "ttnn.empty", frames, **rate)
        self.assertEqual(run.verdict["leaks"][0]["devices"], list(range(CHIPS)))


class Demo(LeaksTest):
    def test_the_output_that_every_step_keeps(self):
        run = self.judged("blackhole-8", DEMO)
        frames = [f"main ({DEMO}:{line('ttnn.relu(ttnn.matmul(activation, layer))', DEMO)})"]
        size = CHIPS * 2 * 512 * 512
        self.assert_leak(run, "step #", "ttnn.relu", frames, allocations=CHIPS, low=size, high=size)


if __name__ == "__main__":
    unittest.main()
