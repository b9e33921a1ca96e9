"""What the program cache holds: it is counted while it is there, does not grow, and is gone when the cache is cleared.

No region is ever held by fewer than reported it: of some 60 calls tried on 0.79.0, 0.80.0 and 0.81.1 (ops, views,
reshapes, tensors of single devices, global semaphores, global circular buffers) none had an address reported twice.
Kernel binaries, a buffer on the mesh and one over its address for each program, are reported once as well; on mock chips
tt-metal leaves them out, so kernel_binaries.c brings them back.
"""

import collections
import subprocess
import unittest

import comparison
from ledger_run import HERE, LedgerTest, live_bytes, memories, regions_by_device

CHIPS = 8

# Circular buffers on each chip that an op reports when its program is placed; ops that are missing report none.
OF_BOTH = {"add": 3, "add into L1": 3, "multiply": 3, "to_layout": 2, "copy": 1, "repeat": 1, "where": 4, "rand": 8}
REPORTED = {
    "0.79.0": OF_BOTH
    | {"matmul": 3, "relu": 2, "gelu": 2, "to_memory_config": 2, "concat": 1, "max_pool2d": 17},
    "0.81.1": OF_BOTH | {"max_pool2d": 15},
}


def union(ranges):
    """Bytes that at least one of the (start, end) covers."""
    covered, reached = 0, 0
    for start, end in sorted(ranges):
        covered += max(0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def circular_buffers(mark):
    """Live ones by device."""
    by_device = collections.defaultdict(list)
    for region in mark["live"]:
        if region["memory"] == "CB":
            by_device[region["device_id"]].append(region)
    return by_device


class Buffers(LedgerTest):
    def test_buffers_of_cached_programs(self):
        run = self.tracked("ledger_cache.py", "buffers")
        self.assert_agrees(run.process, run.truth, steps=31)
        marks = run.by_name()
        first = regions_by_device(marks["cache 1"])
        # A table for sum and one for reshape, and the circular buffers of add.
        self.assertEqual(memories(first), {chip: ["CB"] * 3 + ["DRAM"] * 2 for chip in range(CHIPS)})
        # The tables are the program cache's; the source and three results beside them are the program's own.
        for name, of_program in {"cache 1": 0, "source 1 again": 1, "results 1 first": 4, "results 1 again": 4}.items():
            tensors = [region for region in marks[name]["live"] if region["memory"] in ("DRAM", "L1")]
            self.assertEqual(sum(region["cached"] for region in tensors), 2 * CHIPS, name)
            self.assertEqual(sum(not region["cached"] for region in tensors), of_program * CHIPS, name)
        self.assertEqual(live_bytes(marks["cache 1"], "DRAM"), [1024 + 4096] * CHIPS)
        for time in (1, 2, 3, 4):
            # The second round came from the cache.
            placed, from_cache = marks[f"source {time} first"], marks[f"source {time} again"]
            self.assertEqual(regions_by_device(from_cache), regions_by_device(placed))
            self.assertEqual(regions_by_device(marks[f"cache {time}"]), first)
            self.assertEqual(marks[f"closed {time}"]["live"], [])
            if time < 4:
                self.assertEqual(marks[f"cleared {time}"]["live"], [])
        self.assertEqual(run.process["live"], [])


class KernelBinaries(LedgerTest):
    """A buffer of 4096 bytes for each program in the cache, made by tt-metal's own load_binaries."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.library = cls.folder / "kernel_binaries.so"
        command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(cls.library), str(HERE / "kernel_binaries.c"), "-ldl"]
        subprocess.run(command, check=True)

    def test_beside_the_tensors_of_three_iterations(self):
        run = self.tracked("ledger_mesh.py", 3, preload=self.library)
        self.assert_agrees(run.process, run.truth, steps=39)
        marks = run.by_name()
        # The marks of one name are those of the third iteration, but for "iteration 1" to "iteration 3".
        baseline = regions_by_device(marks["iteration 1"])
        self.assertEqual(memories(baseline), {chip: ["CB"] * 3 + ["DRAM"] * 2 for chip in range(CHIPS)})
        for name in ("iteration 2", "iteration 3"):
            self.assertEqual(regions_by_device(marks[name]), baseline)
        first_sum = next(mark for mark in run.process["marks"] if mark["name"].endswith(" a b sum"))
        self.assertEqual(live_bytes(first_sum, "DRAM"), [12_582_912 + 4096] * CHIPS)
        self.assertEqual(live_bytes(marks["a b sum"], "DRAM"), [12_582_912 + 2 * 4096] * CHIPS)
        self.assertEqual(live_bytes(marks["nothing"], "DRAM"), [2 * 4096] * CHIPS)
        self.assertEqual(marks["program cache cleared"]["live"], [])

    def test_of_four_meshes_one_after_the_other(self):
        run = self.tracked("ledger_cache.py", "buffers", preload=self.library)
        self.assert_agrees(run.process, run.truth, steps=31)
        marks = run.by_name()
        first = regions_by_device(marks["cache 1"])
        # sum is two programs, reshape and add are one each; sum and reshape have a table beside.
        self.assertEqual(memories(first), {chip: ["CB"] * 3 + ["DRAM"] * (4 + 2) for chip in range(CHIPS)})
        self.assertEqual(live_bytes(marks["cache 1"], "DRAM"), [4 * 4096 + 1024 + 4096] * CHIPS)
        for time in (2, 3, 4):
            self.assertEqual(regions_by_device(marks[f"cache {time}"]), first)
        empty = [marks[name]["live"] for name in marks if name.startswith(("cleared", "closed"))]
        self.assertEqual(empty, [[]] * 7)
        self.assertEqual(run.process["live"], [])


class CircularBuffers(LedgerTest):
    def check(self, version):
        run = self.tracked("ledger_cache.py", "circular-buffers", version=version)
        self.assert_sound(run.process)
        marks = run.by_name()
        names = list(marks)
        pool = names.index("max_pool2d, placed")
        # Behind it L1_SMALL holds pages that are counted in another way (test_ledger.SmallPages), until they are gone.
        for part in (slice(0, pool), slice(-2, None)):
            self.assertEqual(comparison.differences(run.truth[part], run.process["marks"][part]), [])
        self.check_sums(marks)
        self.check_reports(version, marks)
        self.assertEqual(len(circular_buffers(marks[names[-3]])), CHIPS)
        for name in ("cleared", "closed"):
            self.assertEqual(circular_buffers(marks[name]), {})
            self.assertEqual(live_bytes(marks[name], "CB"), [0] * CHIPS)

    def check_sums(self, marks):
        shared = False
        for name, mark in marks.items():
            by_device = circular_buffers(mark)
            for device in mark["devices"]:
                regions = by_device[device["device_id"]]
                own = [each for each in regions if not each["globally_allocated"]]
                ranges = [(each["address"], each["address"] + each["size"]) for each in own]
                totals = device["memory"].get("CB", {"live_bytes": 0, "live_buffers": 0})
                self.assertEqual((totals["live_bytes"], totals["live_buffers"]), (union(ranges), len(regions)), name)
                shared |= union(ranges) < sum(each["size"] for each in own)
        # Programs lie on each other; else a sum would have passed for a union.
        self.assertTrue(shared)
        placed = [each for mark in marks.values() for regions in circular_buffers(mark).values() for each in regions]
        self.assertTrue(any(each["globally_allocated"] for each in placed))

    def check_reports(self, version, marks):
        reported, before = {}, marks["start"]
        for name, mark in marks.items():
            op, comma, how = name.rpartition(", ")
            if how == "placed":
                count = len(circular_buffers(mark)[0]) - len(circular_buffers(before)[0])
                if count:
                    reported[op] = count
            elif comma:
                # From the cache: the same program, placed where it was.
                self.assertEqual(regions_by_device(mark), regions_by_device(before), name)
                events = [device["memory"]["CB"]["allocations"] for device in mark["devices"]]
                self.assertEqual(events, [device["memory"]["CB"]["allocations"] for device in before["devices"]])
            before = mark
        self.assertEqual(reported, REPORTED[version])

    # tt-metal's tracker names the device when a program goes, not the program; ttmem knows it.
    def test_cache_of_a_submesh(self):
        run = self.tracked("ledger_cache.py", "submesh")
        self.assert_agrees(run.process, run.truth, steps=4)
        counts = [[len(circular_buffers(mark)[chip]) for chip in (0, 7)] for mark in run.process["marks"]]
        self.assertEqual(counts, [[3, 3], [6, 3], [3, 3], [0, 0]])

    def test_wheel_0_81(self):
        self.check("0.81.1")

    def test_wheel_0_79(self):
        self.check("0.79.0")


if __name__ == "__main__":
    unittest.main()
