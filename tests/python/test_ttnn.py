"""pytest with the plugin over tests of the real ttnn wheel, on mock devices."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import environment
import wheel
from wheel import need
from test_plugin import SUITES, Outcome, rings_after_exit

LEAKING = {5, 18, 31}


def pythons_or_skip(version):
    python = need.need(wheel.python_with_ttnn, version)
    return python, need.need(environment.pytest_beside, python)


def sums(part):
    """Bytes and allocations that are live, by device and memory."""
    return {
        (device["device_id"], memory): (row["live_bytes"], row["live_buffers"])
        for device in part["devices"]
        for memory, row in device["memory"].items()
        if row["live_buffers"]
    }


class Mesh(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def pytest(self, *arguments, version=wheel.DEFAULT_VERSION, leftover="0 B"):
        python, beside = pythons_or_skip(version)
        junit = self.folder / "junit.xml"
        packages = f"{environment.ROOT / 'python'}:{beside}"
        variables = environment.clean_environment(**wheel.environment("blackhole-8", self.folder))
        variables |= {"PYTHONPATH": packages, "TTMEM_DIR": str(self.folder / "rings"), "TTMEM_BIN": environment.TTMEM}
        command = [python, "-m", "pytest", "-p", "ttmem.pytest_plugin", "-p", "no:cacheprovider"]
        command += [f"--junit-xml={junit}", "--ttmem", f"--ttmem-limit-leftover={leftover}", *arguments]
        # tt-metal leaves files where it runs.
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, timeout=600)
        self.assertEqual(rings_after_exit(self.folder / "rings"), 0)
        return Outcome(done, junit)

    def check(self, outcome):
        expected = {f"test_number[{number}]" for number in LEAKING}
        expected |= {"test_l1_is_over_the_limit", "test_a_leak_after_an_op_that_was_refused"}
        self.assertEqual(outcome.named("failure"), expected, outcome.text)
        self.assertEqual((outcome.code, len(outcome.named("passed"))), (1, 37), outcome.text)
        self.assertIn("4 with leftover allocations (", outcome.text)
        self.assertIn(", 5 over a limit", outcome.text)
        self.assertIn("fixture weights (module)", outcome.text)
        self.assertRegex(outcome.text, r"events: [0-9,]+ reported, 0 lost")
        for number in LEAKING:
            message = outcome.messages[f"test_number[{number}]"]
            self.assertRegex(message, r"leftover: 8 allocations \(\S+ \S+\) never freed by the owner, 0 B allowed")
            self.assertIn("on devices 0-7, each", message)
        message = outcome.messages["test_l1_is_over_the_limit"]
        self.assertIn("added 24.0 KiB of L1 to device 0 during call, 16.0 KiB allowed", message)

    def test_exactly_those_that_leak_fail_on_a_mesh_that_stays_open(self):
        self.check(self.pytest(str(SUITES / "test_mesh.py")))

    def test_a_recording_of_each_test_holds_what_the_summary_says(self):
        folder = self.folder / "recordings"
        outcome = self.pytest(str(SUITES / "test_mesh.py"), f"--ttmem-recordings={folder}")
        self.check(outcome)
        self.assertEqual(len(list(folder.iterdir())), 42)
        before = None
        for number in (30, 31, 32):
            nodeid = f"test_number[{number}]"
            (path,) = folder.glob(f"*test_mesh.py-test_number-{number}.ttmem")
            done = subprocess.run([environment.TTMEM, "report", "--json", "-", path], capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            (process,) = json.loads(done.stdout)["processes"]
            counts, anomalies = process["events"], process["anomalies"]
            self.assertEqual((counts["reported"], counts["lost"], anomalies["unmatched_frees"]), (counts["drained"], 0, 0))
            (region,) = [region for region in process["regions"] if region["name"].endswith(f"::{nodeid}")]
            left = sum(row["left_behind"]["bytes"] for device in region["devices"] for row in device["memory"].values())
            self.assertEqual(str(left), outcome.properties[nodeid]["device_memory_left_behind_bytes"])
            begin, end = (sums(part) for part in (process["marks"][0], process))
            if before is not None:
                self.assertEqual(begin, before, "each begins with what the one before it held at its end")
            before = end

    def test_a_failure_has_what_was_refused(self):
        for workers in ((), ("-n", "1")):
            # A failed test's traceback keeps its tensors; each test is to begin with all of L1.
            for name in ("fails_for_want_of_l1", "fails_by_a_clash", "passes_though_it_was_refused", "fails_for_another_reason"):
                outcome = self.pytest(str(SUITES / "test_refused.py"), *workers, "-k", name, leftover="1 TB")
                self.assertEqual(outcome.code, 0 if name.startswith("passes") else 1, outcome.text)
                text = " ".join(outcome.text.split())
                told = text.count("ttmem: out of memory: ")
                self.assertEqual(told, 1 if name in ("fails_for_want_of_l1", "fails_by_a_clash") else 0, outcome.text)
                if name == "fails_for_want_of_l1":
                    self.assertRegex(text, r"256\.0 MiB \(\S+ \S+ per bank\) of L1 on devices 0-7, asked by ttnn\.empty at test_refused\.py:16")
                    self.assertRegex(text, r"exhausted, \S+ \S+ missing per bank")
                    self.assertIn("1 allocation of ttnn.empty", text)
                if name == "fails_by_a_clash":
                    self.assertRegex(text, r"buffers of a program end at \d+ on cores \[\S+ - \S+\]; the lowest buffer in L1 lies at \d+")
                    self.assertIn("asked by ttnn.softmax at test_refused.py:28", text)

    def test_wheel_0_79(self):
        self.check(self.pytest(str(SUITES / "test_mesh.py"), version="0.79.0"))

    def test_wheel_0_80(self):
        self.check(self.pytest(str(SUITES / "test_mesh.py"), version="0.80.0"))

    def test_with_xdist(self):
        self.check(self.pytest(str(SUITES / "test_mesh.py"), "-n", "2"))


if __name__ == "__main__":
    unittest.main()
