"""A recording for each test: `--ttmem-recordings`."""

import json
import os
import re
import subprocess
import time
import unittest

import environment
from test_plugin import SUITES, PluginTest, rings_after_exit


def rows(part):
    """The sums of a part of a report, by device and memory."""
    return [row for device in part["devices"] for row in device["memory"].values()]


class Recordings(PluginTest):
    def record(self, *arguments, **more):
        outcome = self.pytest(*arguments, "--ttmem", f"--ttmem-recordings={self.folder / 'recordings'}", **more)
        self.assertNotIn("no whole recording", outcome.text)
        self.assertRegex(outcome.text, r"events: [0-9,]+ reported, 0 lost")
        return outcome

    def files(self):
        return sorted(path.name for path in (self.folder / "recordings").iterdir())

    def ttmem(self, *arguments, code=0):
        command = [environment.TTMEM, *arguments]
        run = {"cwd": self.folder / "recordings", "env": environment.clean_environment(), "timeout": 60}
        done = subprocess.run(command, capture_output=True, text=True, **run)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def process(self, name):
        report = json.loads(self.ttmem("report", "--json", "-", name))
        self.assertEqual(len(report["processes"]), 1)
        return report["processes"][0]

    def region(self, name, nodeid):
        regions = [region for region in self.process(name)["regions"] if region["name"] == nodeid]
        self.assertEqual(len(regions), 1)
        return regions[0]

    def test_each_has_what_was_live_and_what_its_test_did(self):
        self.record("test_forty.py")
        self.assertEqual(self.files(), sorted(f"test_forty.py-test_number-{number}.ttmem" for number in range(40)))
        # Test 7 leaves 16 KiB on each of two devices, which test 8 finds; its own are gone at the end.
        for number, left in ((7, 32_768), (8, 0), (33, 139_264)):
            name, nodeid = f"test_forty.py-test_number-{number}.ttmem", f"test_forty.py::test_number[{number}]"
            process = self.process(name)
            counts = process["events"]
            self.assertEqual((counts["reported"], counts["lost"]), (counts["drained"], 0), counts)
            self.assertEqual(process["verdict"]["answer"], "clean", "what was live before is no leftover of it")
            region = self.region(name, nodeid)
            self.assertEqual(sum(row["left_behind"]["bytes"] for row in rows(region)), left, region)
            mark = process["marks"][0]
            self.assertEqual(mark["name"], "recording begins")
            live = sum(row["live_bytes"] for row in rows(mark))
            forgotten = sum(2 * 2048 * (1 + leaking) for leaking in (7, 19, 33) if leaking < number)
            self.assertEqual(live, (4 << 20) + (1 << 16) + forgotten)
            self.assertEqual(sum(row["live_bytes"] for row in rows(process)), live + left)
        # The frame that made it is known, also where that was in an earlier test.
        lines = {frame for one in self.process("test_forty.py-test_number-8.ttmem")["live"] for frame in one["site"]}
        self.assertTrue(any(re.search(r"test_number \(.*test_forty.py:\d+\)", line) for line in lines), lines)
        self.assertTrue(any(re.search(r"weights \(.*test_forty.py:\d+\)", line) for line in lines), lines)

    def test_the_command_reads_them(self):
        self.record("test_forty.py", "-k", "7 or 8")
        seventh, eighth = (f"test_forty.py-test_number-{number}.ttmem" for number in (7, 8))
        self.assertRegex(self.ttmem("report", seventh), r"test_forty.py::test_number\[7\] .* 32\.0 KiB\n")
        self.assertIn("test_number", self.ttmem("export", seventh, "--format", "folded"))
        left = self.ttmem("report", "--region", "test_forty.py::test_number[7]", seventh)
        self.assertRegex(left, r"Left, largest first\n +16\.0 KiB  DRAM +at 0x[0-9a-f]+ +device 0\n")
        # What the one left, the other finds and leaves: its own is gone.
        self.assertIn("No difference", self.ttmem("diff", seventh, eighth))
        self.ttmem("report", "--html", "page.html", seventh)

    def test_with_xdist(self):
        self.record("test_forty.py", "-n", "2")
        names = sorted(f"test_forty.py-test_number-{number}.ttmem" for number in range(40))
        self.assertEqual(self.files(), names)
        region = self.region("test_forty.py-test_number-33.ttmem", "test_forty.py::test_number[33]")
        self.assertEqual(sum(row["left_behind"]["bytes"] for row in rows(region)), 139_264)
        for path in (self.folder / "recordings").iterdir():
            path.unlink()
        self.record("test_forty.py", "-k", "33", "-n", "2", "--dist", "each")
        self.assertEqual(self.files(), [f"test_forty.py-test_number-33@gw{worker}.ttmem" for worker in (0, 1)])

    def test_odd_names(self):
        self.record("test_odd_names.py")
        files = self.files()
        self.assertEqual(len(files), 9, files)
        for name in files:
            self.assertRegex(name, r"^test_odd_names\.py-test_name[A-Za-z0-9_.-]*\.ttmem$")
            self.process(name)
        again = files
        self.record("test_odd_names.py")
        self.assertEqual(self.files(), again, "the same names in each run")

    def test_a_test_that_runs_again_has_a_recording_for_each_run(self):
        self.record("test_forty.py", "-k", "number[7]", "--ttmem-limit-leftover=0 B", "--reruns=1")
        self.assertEqual(self.files(), ["test_forty.py-test_number-7+2.ttmem", "test_forty.py-test_number-7.ttmem"])

    def test_it_ends_before_the_device_is_closed(self):
        self.record("test_last.py")
        process = self.process("test_last.py-TestLeak-test_fails_before_the_close.ttmem")
        self.assertEqual(sum(row["live_bytes"] for row in rows(process)), 64)
        self.assertEqual(process["verdict"]["answer"], "clean")

    def test_one_that_crashes_has_what_came_until_then(self):
        self.pytest("test_crash.py", "--ttmem", f"--ttmem-recordings={self.folder / 'recordings'}")
        # The follower reads what the process left after it is gone.
        self.assertEqual(rings_after_exit(self.folder / "rings"), 0)
        deadline = time.monotonic() + 10
        while (process := self.process("test_crash.py-test_crash.ttmem"))["ended"] is None and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertIsNotNone(process["ended"], "the recording is whole")
        self.assertEqual([one["size"] for one in process["live"]], [4096])

    def test_from_the_ini_file(self):
        ini = self.folder / "pytest.ini"
        ini.write_text("[pytest]\nttmem_recordings = recordings\n")
        arguments = ("test_forty.py", "-k", "number[7]", "-c", str(ini), "--rootdir", str(SUITES))
        self.pytest(*arguments, "--ttmem")
        self.assertEqual(self.files(), ["test_forty.py-test_number-7.ttmem"])
        # Without --ttmem nothing is measured, and nothing is written.
        (self.folder / "recordings" / self.files()[0]).unlink()
        self.assertEqual(self.pytest(*arguments).code, 0)
        self.assertEqual(self.files(), [])

    def test_a_folder_that_cannot_be_written_is_one_line(self):
        in_the_way = self.folder / "file"
        in_the_way.write_text("")
        for workers in ((), ("-n", "2")):
            outcome = self.pytest("test_forty.py", "--ttmem", f"--ttmem-recordings={in_the_way}/x", *workers)
            self.assertEqual(outcome.code, 4, outcome.text)
            self.assertEqual(outcome.text.count(f"--ttmem-recordings: {in_the_way}/x: cannot be written: Not a directory"), 1)
        self.assertIn("--ttmem-recordings needs --ttmem", self.pytest("test_forty.py", "--ttmem-recordings=x").text)

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs /dev/full")
    def test_a_disk_that_fills_up_is_in_the_summary(self):
        folder = self.folder / "recordings"
        folder.mkdir()
        (folder / "test_forty.py-test_number-7.ttmem").symlink_to("/dev/full")
        outcome = self.pytest("test_forty.py", "--ttmem", f"--ttmem-recordings={folder}", "-k", "7 or 8")
        self.assertEqual(outcome.code, 0, outcome.text)
        self.assertRegex(outcome.text, r"no whole recording of 1 of them: .*test_number-7.ttmem: cannot be written: No space left")


if __name__ == "__main__":
    unittest.main()
