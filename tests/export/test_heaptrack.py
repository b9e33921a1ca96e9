"""The heaptrack format, read by heaptrack_print; what it says is compared with the truth and with `ttmem report --json`."""

import collections
import gzip
import json
import pathlib
import subprocess
import tempfile
import unittest

import heaptrack
import readers
from cases import TTMEM, ExportTest
from readers import need
from recording import Recording

MS = 1_000_000


class Heaptrack(ExportTest):
    def setUp(self):
        need.need(readers.system, "heaptrack_print")

    def summed(self, pid):
        """What is live at the end, by memory over all devices."""
        sums = collections.Counter()
        for (_, memory), size in self.at_the_end(pid).items():
            sums[memory] += size
        return sums

    def test_leaked_peak_and_allocations(self):
        path = self.export("run.heaptrack.gz", "--format", "heaptrack")
        self.assertIn("it shows python a, \"b\"; c.py (pid 100); 1 others are left out", self.notes)
        self.assertEqual(path.read_bytes()[:2], b"\x1f\x8b")
        self.assertEqual(heaptrack.by_memory(path, "leaked"), self.summed(100))
        peak, by_place = self.scenario.peaks[100]
        found = heaptrack.by_memory(path, "peak")
        self.assertEqual(sum(found.values()), peak)
        by_memory = collections.Counter()
        for (_, _, memory), size in by_place.items():
            by_memory[memory] += size
        self.assertEqual(found, {memory: size for memory, size in by_memory.items() if size})
        lives = [life[2] for life in self.scenario.lifetimes if life[0] == 100]
        lives += [key[2] for key in self.scenario.live if key[0] == 100]
        allocations = dict(collections.Counter(lives)) | {"CB": 6}
        self.assertEqual(heaptrack.by_memory(path, "allocations"), allocations)
        told = heaptrack.told(path)
        self.assertEqual(told["allocations"], sum(allocations.values()))
        self.assertEqual(told["command"], 'python a, "b"; c.py')

    def test_it_says_what_the_report_says(self):
        report = subprocess.run([TTMEM, "report", "--quiet", "--json", "-", str(self.file)], capture_output=True)
        for process in json.loads(report.stdout)["processes"]:
            pid = process["pid"]
            for device in process["devices"]:
                number, memories = device["device_id"], device["memory"]
                path = self.export("one", "--format", "heaptrack", "--pid", pid, "--device", number)
                allocations = {name: memory["allocations"] for name, memory in memories.items()}
                self.assertEqual(heaptrack.by_memory(path, "allocations"), allocations)
                leaked = {name: memory["live_bytes"] for name, memory in memories.items() if memory["live_bytes"]}
                self.assertEqual(heaptrack.by_memory(path, "leaked"), leaked)
                if len(memories) == 1:
                    [memory] = memories.values()
                    self.assertEqual(sum(heaptrack.by_memory(path, "peak").values()), memory["peak_bytes"])

    def test_plain_and_compressed_are_the_same(self):
        plain = self.ttmem(self.file, "--format", "heaptrack", "--pid", "200")
        packed = self.export("two.gz", "--format", "heaptrack", "--pid", "200").read_bytes()
        self.assertEqual(gzip.decompress(packed), plain)
        self.ttmem(self.file, "--format", "heaptrack", "-o", self.folder / "two.zst", code=2)
        self.assertIn("zstd", self.notes)
        self.assertFalse((self.folder / "two.zst").exists())


class Stacks(unittest.TestCase):
    """Call sites, times, circular buffers that overlap: a recording of its own, since the numbers can be told by heart."""

    @classmethod
    def setUpClass(cls):
        need.need(readers.system, "heaptrack_print")
        holder = tempfile.TemporaryDirectory(prefix="ttmem-heaptrack-")
        cls.addClassCleanup(holder.cleanup)
        folder = pathlib.Path(holder.name)
        run = Recording()
        run.process(0, 100, ["python", "train.py"])
        python = [
            {"function": "forward", "file": "/home/u/model (1).py", "line": 12},
            {"function": "main", "file": "/home/u/train.py", "line": 3},
        ]
        native = [
            {"module": "/usr/lib/libmine.so", "build_id": "", "address": 0x1F, "symbol": "place", "line": ["mine.cpp", 9]},
            {"module": "/usr/bin/tool", "build_id": "", "address": 0x2F, "symbol": None, "line": None},
        ]
        run.meta(type="sites", process=0, sites=[{"id": 1, "python": python}, {"id": 2, "native": native}])
        tensor = dict(memory="DRAM", address=4096, size=3 * 4096, site=1)
        run.event(0, 0, "allocate", **tensor)
        run.event(0, 10 * MS, "allocate", memory="L1", address=64, size=100, site=2)
        run.event(0, 20 * MS, "free", **tensor)
        # A second report of the same region is larger: both at once would be a peak that never was.
        run.event(0, 25 * MS, "allocate", memory="L1", address=512, size=38_000, site=2)
        run.event(0, 30 * MS, "allocate", memory="L1", address=512, size=39_000, site=2)
        for at, (address, size) in enumerate([(8192, 2048), (8192 + 1024, 2048), (8192, 512)]):
            run.event(0, 40 * MS + at, "cb_allocate", memory="CB", address=address, size=size, extra=4)
        run.event(0, 50 * MS, "cb_free_all", memory="CB")
        run.event(0, 1000 * MS, "free", memory="L1", address=64)
        run.status(0)
        file = folder / "sites.ttmem"
        run.write(file)
        cls.path = folder / "sites.heaptrack.gz"
        subprocess.run([TTMEM, "export", file, "--format", "heaptrack", "-o", cls.path], check=True)

    def test_frames(self):
        python = ("memory DRAM", "main() (train.py)", "forward (model (1).py)")
        native = ("memory L1", "0x2f", "place (mine.cpp)")
        circular = ("memory CB", "circular buffers together")
        self.assertEqual(heaptrack.by_stack(self.path, "allocations"), {python: 1, native: 3, circular: 3})
        self.assertEqual(heaptrack.by_stack(self.path, "leaked"), {python: 0, native: 39_000, circular: 0})
        # 100 and 39,000 bytes of L1 and a union of 3 KiB: never the 38,000 too.
        self.assertEqual(heaptrack.by_stack(self.path, "peak"), {python: 0, native: 39_100, circular: 3072})
        text = heaptrack.told(self.path)["text"]
        for place in ("at /home/u/model (1).py:12", "at /home/u/train.py:3", "at mine.cpp:9", "in libmine.so", "in tool"):
            self.assertIn(place, text)

    def test_times(self):
        self.assertEqual(heaptrack.told(self.path)["runtime"], 1.0)
        most = dict(heaptrack.over_time(self.path))
        # The most between a time stamp and the next is told at the next.
        self.assertEqual([most[time] for time in (0.01, 0.02, 0.03, 0.05)], [12_288, 12_388, 38_100, 42_172])


if __name__ == "__main__":
    unittest.main()
