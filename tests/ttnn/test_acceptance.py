"""The acceptance program under ttmem: every step equal to what ttnn itself says, on one, eight and 32 chips."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import comparison
import wheel
from wheel import need

HERE = pathlib.Path(__file__).resolve().parent
TTMEM = os.environ.get("TTMEM_BIN") or str(HERE.parent.parent / "target" / "release" / "ttmem")


def python_or_skip(version=wheel.DEFAULT_VERSION):
    return need.need(wheel.python_with_ttnn, version)


class Run:
    """One run of a program under ttmem, and one without, in a folder of its own."""

    def __init__(self, folder, python, cluster, arguments, variables=None):
        self.folder = pathlib.Path(folder)
        rings = self.folder / "rings"
        environment = wheel.environment(cluster, self.folder) | {"TTMEM_DIR": str(rings)} | (variables or {})
        command = [python, *arguments]
        self.report_path = self.folder / "report.json"
        # Without ttmem first: it compiles the kernels, and its standard error is what a quiet run looks like.
        self.plain = self.call(command, environment)
        tracked = [TTMEM, "run", "--quiet", "--live-at-marks", "--json", str(self.report_path), "--", *command]
        self.tracked = self.call(tracked, environment)
        self.report = json.loads(self.report_path.read_text()) if self.report_path.exists() else None
        self.left_over = [str(path) for path in rings.rglob("*.ring")]

    def call(self, command, environment):
        run = {"env": environment, "cwd": self.folder, "timeout": 900}
        return subprocess.run(command, capture_output=True, text=True, **run)


class Acceptance(unittest.TestCase):
    def run_and_compare(self, cluster, rows, columns, version=wheel.DEFAULT_VERSION):
        python = python_or_skip(version)
        with tempfile.TemporaryDirectory() as folder:
            truth_path = os.path.join(folder, "truth.jsonl")
            program = [str(HERE / "acceptance.py"), truth_path, str(rows), str(columns)]
            run = Run(folder, python, cluster, program)
            truth = comparison.read_truth(truth_path)
        self.assertEqual(run.plain.returncode, 0, run.plain.stderr[-3000:])
        self.assertEqual(run.tracked.returncode, 0, run.tracked.stderr[-3000:])
        self.assertEqual(run.tracked.stdout, run.plain.stdout)
        self.assertEqual(run.left_over, [])
        # The device compilers, dozens of processes, report nothing.
        self.assertEqual(len(run.report["processes"]), 1)
        process = run.report["processes"][0]
        self.assertGreater(len(truth), 25)
        self.assertEqual(comparison.differences(truth, process["marks"]), [])
        lines, compared = comparison.memory_stats_differences(truth)
        self.assertEqual(lines, [])
        self.assertGreater(compared, 60)
        self.check_end(process, rows * columns)

    def check_end(self, process, chips):
        events = process["events"]
        self.assertEqual((events["lost"], events["reported"]), (0, events["drained"]))
        self.assertEqual(process["live"], [])
        self.assertEqual(process["ended"], {"code": 0})
        self.assertEqual(process["unmatched_frees"], 0)
        self.assertEqual(process["anomalies"]["unknown_pools"], 0)
        self.assertGreater(process["anomalies"]["pretended_allocations"], 0)
        self.assertEqual([event["memory"] for event in process["out_of_memory"]], ["L1"])
        closed = [region for region in process["released_at_close"] if region["device_id"] == chips - 1]
        # On the last chip, which no submesh has: the three tensors that were alive when the mesh was closed.
        survivors = sorted((region["memory"], region["size"]) for region in closed)
        self.assertEqual(survivors, [("DRAM", 64 * 64 * 2), ("DRAM", 256 * 256 * 2), ("L1", 32 * 32 * 2)])

    def test_one_blackhole_chip(self):
        self.run_and_compare("blackhole-1", 1, 1)

    def test_one_wormhole_chip(self):
        self.run_and_compare("wormhole-1", 1, 1)

    def test_eight_blackhole_chips(self):
        self.run_and_compare("blackhole-8", 2, 4)

    def test_32_wormhole_chips(self):
        self.run_and_compare("wormhole-32", 8, 4)

    def test_wheel_0_80(self):
        self.run_and_compare("blackhole-8", 2, 4, version="0.80.0")

    def test_wheel_0_78(self):
        self.run_and_compare("blackhole-8", 2, 4, version="0.78.0")

    def test_wheel_0_77(self):
        self.run_and_compare("blackhole-8", 2, 4, version="0.77.0")

    def test_wheel_0_79(self):
        self.run_and_compare("blackhole-8", 2, 4, version="0.79.0")


if __name__ == "__main__":
    unittest.main()
