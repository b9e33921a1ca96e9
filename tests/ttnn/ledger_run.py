"""Runs a program of this folder under ttmem, and hands out what ttmem reports and what ttnn said."""

import json
import pathlib
import subprocess
import tempfile
import unittest

import comparison
import wheel
from test_acceptance import HERE, TTMEM, python_or_skip

# Anything else that a report counts as odd may be there: a free that comes after the close is "late", and right.
NEVER = ("duplicate_holders", "double_frees", "unmatched_frees", "unknown_pools", "unreadable_events", "without_memory")


class Tracked:
    """One run: its exit code and output, the report's processes, and the truth of the program."""

    def __init__(self, done, report_path, truth_path):
        self.returncode, self.output, self.errors = done.returncode, done.stdout, done.stderr
        self.processes = json.loads(report_path.read_text())["processes"] if report_path.exists() else []
        self.process = self.processes[0] if self.processes else None
        self.truth_path = truth_path
        self.truth = comparison.read_truth(truth_path) if truth_path.exists() else []

    def by_name(self):
        """Marks by what they are called behind their number."""
        return {mark["name"].partition(" ")[2]: mark for mark in self.process["marks"]}


class LedgerTest(unittest.TestCase):
    """The programs of one class share a folder, so each kernel is compiled once."""

    #: How long a recorded program may take.
    RECORD_SECONDS = 300

    @classmethod
    def setUpClass(cls):
        cls.python = python_or_skip()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.runs = 0

    def call(self, name, arguments, ttmem, cluster="blackhole-8", version=None, preload=None):
        type(self).runs += 1
        python = python_or_skip(version) if version else self.python
        environment = wheel.environment(cluster, self.folder) | {"TTMEM_DIR": str(self.folder / "rings")}
        if preload:
            environment["LD_PRELOAD"] = str(preload)
        truth_path = self.folder / f"truth-{self.runs}.jsonl"
        report_path = self.folder / f"report-{self.runs}.json"
        command = [python, str(HERE / name), str(truth_path), *map(str, arguments)]
        if ttmem:
            command = [TTMEM, "run", "--quiet", "--live-at-marks", "--json", str(report_path), "--", *command]
        options = {"env": environment, "cwd": self.folder, "timeout": 300}
        done = subprocess.run(command, capture_output=True, text=True, **options)
        return Tracked(done, report_path, truth_path)

    def record(self, program, *arguments, cluster="blackhole-1"):
        """Records a run on mock chips; returns its truth and the recording."""
        type(self).runs += 1
        environment = wheel.environment(cluster, self.folder) | {"TTMEM_DIR": str(self.folder / "rings")}
        truth, recording = self.folder / f"truth-{self.runs}", self.folder / f"{self.runs}.ttmem"
        command = [self.python, str(HERE / program), str(truth), *map(str, arguments)]
        done = subprocess.run(
            [TTMEM, "record", "-o", str(recording), "--", *command],
            env=environment, cwd=self.folder, timeout=self.RECORD_SECONDS, capture_output=True, text=True,
        )
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        return comparison.read_truth(truth) if truth.exists() else [], recording

    def without_ttmem(self, name, *arguments):
        return self.call(name, arguments, ttmem=False)

    def tracked(self, name, *arguments, returncode=0, **how):
        """A run that ends as it should and leaves no ring."""
        run = self.call(name, arguments, ttmem=True, **how)
        self.assertEqual(run.returncode, returncode, run.errors[-3000:])
        self.assertEqual([str(path) for path in self.folder.rglob("*.ring")], [])
        return run

    def assert_sound(self, process):
        """Nothing was lost, and every free found what it frees."""
        events = process["events"]
        self.assertEqual((events["lost"], events["drained"]), (0, events["reported"]))
        self.assertGreater(events["reported"], 0)
        self.assertEqual(process["unmatched_frees"], 0)
        self.assertEqual({name: process["anomalies"][name] for name in NEVER}, dict.fromkeys(NEVER, 0))

    def assert_agrees(self, process, truth, steps):
        self.assertEqual(len(truth), steps)
        self.assertEqual(comparison.differences(truth, process["marks"]), [])
        self.assertEqual(comparison.memory_stats_differences(truth)[0], [])
        self.assert_sound(process)
        # On mock chips no address is reported twice (see test_program_cache), so each region is held by its one report.
        regions = [region for mark in process["marks"] for region in mark["live"]]
        self.assertEqual([each for each in regions if (each["holders"], each["reports"]) != (1, 1)], [])


def live_bytes(mark, memory):
    """Live bytes by device; a device that never had any of this memory has 0."""
    return [device["memory"].get(memory, {"live_bytes": 0})["live_bytes"] for device in mark["devices"]]


def regions_by_device(mark):
    """Live regions of each device: memory, address and size, in order. test_program_memory has what is left out here."""
    by_device = {}
    for region in mark["live"]:
        if region["memory"] in ("DFB", "SCRATCHPAD"):
            continue
        by_device.setdefault(region["device_id"], []).append((region["memory"], region["address"], region["size"]))
    return {device: sorted(regions) for device, regions in by_device.items()}


def memories(by_device):
    """Of regions by device, their memories alone."""
    return {device: [memory for memory, *_ in regions] for device, regions in by_device.items()}
