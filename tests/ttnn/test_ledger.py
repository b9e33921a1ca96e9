"""The sums and regions that ttmem reports, equal to what ttnn says at every step: on meshes, and at bad ends."""

import signal
import unittest

import comparison
from ledger_run import LedgerTest, live_bytes, memories, regions_by_device

KIB, MIB = 1 << 10, 1 << 20
CHIPS = 8
# On each of the eight chips of a 2x4 mesh: an eighth of the tensor of (8, 8, 512, 512) bfloat16, and so on.
ON_A_CHIP = {"a": 4 * MIB, "b": 4 * MIB, "sum": 4 * MIB, "left": 512 * KIB, "right": 512 * KIB, "product": MIB}


class ShardedTensors(LedgerTest):
    """Tensors sharded over both axes of a mesh, a sum and a product."""

    def test_every_step(self):
        run = self.tracked("ledger_mesh.py", 1)
        self.assert_agrees(run.process, run.truth, steps=15)
        marks = run.by_name()
        self.assertEqual(live_bytes(marks["a"], "DRAM"), [4_194_304] * CHIPS)
        self.assertEqual(live_bytes(marks["a b"], "DRAM"), [8_388_608] * CHIPS)
        # On mock chips the cache holds no kernel binaries beside it; test_program_cache.KernelBinaries brings them in.
        self.assertEqual(live_bytes(marks["a b sum"], "DRAM"), [12_582_912] * CHIPS)
        for held, mark in marks.items():
            if set(held.split()) <= set(ON_A_CHIP):
                expected = sum(ON_A_CHIP[name] for name in held.split())
                self.assertEqual(live_bytes(mark, "DRAM"), [expected] * CHIPS, held)
        # add has three circular buffers; they stay with the cached program, and with nothing else.
        in_cache = regions_by_device(marks["nothing"])
        self.assertEqual(memories(in_cache), {chip: ["CB"] * 3 for chip in range(CHIPS)})
        for name in ("program cache cleared", "closed"):
            self.assertEqual(marks[name]["live"], [])
            self.assertEqual(live_bytes(marks[name], "DRAM") + live_bytes(marks[name], "CB"), [0] * 2 * CHIPS)
        self.assertEqual(run.process["live"], [])
        self.assertEqual(run.process["released_at_close"], [])

    def test_three_iterations_do_not_grow(self):
        run = self.tracked("ledger_mesh.py", 3)
        self.assert_agrees(run.process, run.truth, steps=39)
        marks = run.by_name()
        baseline = regions_by_device(marks["iteration 1"])
        # What the cache holds, on every chip; else the next two say nothing.
        self.assertEqual({device: len(regions) for device, regions in baseline.items()}, dict.fromkeys(range(CHIPS), 3))
        self.assertEqual(regions_by_device(marks["iteration 2"]), baseline)
        self.assertEqual(regions_by_device(marks["iteration 3"]), baseline)
        peaks = [device["memory"]["DRAM"]["peak_bytes"] for device in marks["iteration 3"]["devices"]]
        self.assertEqual(peaks, [sum(ON_A_CHIP.values())] * CHIPS)


class Meshes(LedgerTest):
    """Meshes inside each other, beside each other, and one after the other."""

    def agrees(self, scenario, steps):
        run = self.tracked("ledger_meshes.py", scenario)
        self.assert_agrees(run.process, run.truth, steps)
        self.assertEqual(run.process["live"], [])
        return run

    def test_submesh_closed_while_its_parent_stays_open(self):
        run = self.agrees("submesh closed first", steps=7)
        closed = {(each["device_id"], each["memory"], each["size"]) for each in run.process["released_at_close"]}
        # The submesh's own: two tensors of 128x128 and one in L1, on its two chips.
        self.assertEqual(closed, {(chip, *of) for chip in (0, 1) for of in (("DRAM", 32 * KIB), ("L1", 8 * KIB))})

    def test_parent_closed_before_its_submesh(self):
        run = self.agrees("parent closed first", steps=6)
        self.assertEqual({region["device_id"] for region in run.by_name()["parent closed"]["live"]}, {0, 1})

    def test_submeshes_of_submeshes(self):
        self.agrees("nested submeshes", steps=7)

    def test_two_meshes_in_one_process(self):
        run = self.agrees("two meshes", steps=5)
        self.assertEqual(live_bytes(run.by_name()["sums"], "DRAM"), [16 * KIB] * 4 + [32 * KIB] * 4)

    def test_two_meshes_on_one_chip(self):
        run = self.agrees("two meshes on one chip", steps=5)
        self.assertEqual(live_bytes(run.by_name()["sum"], "DRAM"), [8 * KIB + 16 * KIB + 8 * KIB])

    def test_the_same_chips_opened_four_times(self):
        run = self.agrees("reopened", steps=14)
        marks = run.by_name()
        first = regions_by_device(marks["tensors 1"])
        self.assertEqual({device: len(regions) for device, regions in first.items()}, dict.fromkeys(range(CHIPS), 5))
        for time in (2, 3, 4):
            self.assertEqual(regions_by_device(marks[f"tensors {time}"]), first)
        empty = [mark["live"] for name, mark in marks.items() if name.startswith(("open", "closed"))]
        self.assertEqual(empty, [[]] * 8)

    def test_sub_device_manager_that_is_never_loaded(self):
        self.agrees("sub device manager", steps=5)

    def test_two_processes_on_the_same_chips(self):
        run = self.tracked("ledger_meshes.py", "two processes")
        self.assertEqual(len(run.processes), 2)
        parent, child = sorted(run.processes, key=lambda process: process["command"].endswith(" child"))
        self.assert_agrees(parent, run.truth, steps=5)
        of_child = comparison.read_truth(f"{run.truth_path}.child")
        self.assert_agrees(child, of_child, steps=4)
        # At the same time the one had let go of a tensor and the other had not.
        self.assertEqual(live_bytes(parent["marks"][2], "DRAM"), [32 * KIB] * CHIPS)
        self.assertEqual(live_bytes(child["marks"][1], "DRAM"), [128 * KIB] * CHIPS)


class BadEnds(LedgerTest):
    def ended(self, how, returncode, expected, state):
        run = self.tracked("ledger_endings.py", "ended", how, returncode=returncode)
        self.assertEqual(run.process["ended"], expected)
        self.assert_agrees(run.process, run.truth, steps=1)
        self.assertEqual(comparison.expected(run.truth[0])[0][0, "DRAM"], 2 * (1024 * 1024 * 2) // 8)
        self.assertEqual({region["state"] for region in run.process["live"]}, {state} if state else set())
        return run

    def left_as_at_the_last_step(self, how, returncode, expected, state):
        run = self.ended(how, returncode, expected, state)
        at_end = {"devices": run.process["devices"], "live": run.process["live"]}
        self.assertEqual(comparison.reported(at_end), comparison.expected(run.truth[-1]))
        self.assertEqual(regions_by_device(at_end), regions_by_device(run.process["marks"][-1]))
        self.assertEqual(run.process["released_at_close"], [])

    def test_killed(self):
        self.left_as_at_the_last_step("kill", 128 + signal.SIGKILL, {"signal": signal.SIGKILL}, "orphaned")

    def test_aborted(self):
        self.left_as_at_the_last_step("abort", 128 + signal.SIGABRT, {"signal": signal.SIGABRT}, "orphaned")

    def test_left_at_once(self):
        self.left_as_at_the_last_step("exit", 3, {"code": 3}, "live_at_exit")

    def test_never_closed(self):
        """tt-metal closes the mesh itself when Python ends."""
        run = self.ended("return", 0, {"code": 0}, None)
        closed = [each for each in run.process["released_at_close"] if each["device_id"] == 7]
        sizes = sorted((each["memory"], each["size"]) for each in closed)
        self.assertEqual(sizes, [("DRAM", 2 * MIB), ("DRAM", 2 * MIB), ("L1", 8 * KIB)])

    def out_of_memory(self, memory):
        plain = self.without_ttmem("ledger_endings.py", "out-of-memory", memory)
        run = self.tracked("ledger_endings.py", "out-of-memory", memory)
        self.assertIn("RuntimeError: ", run.output)
        self.assertIn("Out of Memory", run.output)
        self.assertEqual((run.output, run.returncode), (plain.output, plain.returncode))
        self.assert_agrees(run.process, run.truth, steps=4)
        (refusal,) = run.process["out_of_memory"]
        view = run.truth[0]["meshes"][0]["views"][memory]
        self.assertEqual((refusal["memory"], refusal["devices"]), (memory, list(range(CHIPS))))
        self.assertEqual(refusal["live_bytes"], view["per_bank"] * view["banks"])
        # What tt-metal says that it was asked for.
        self.assertIn(f"allocate {refusal['size']} B {memory} buffer", run.output)
        # And what it says that it had left.
        self.assertIn(f"free: {refusal['free_bytes_per_bank']} B", run.output)
        self.assertIn(f"largest free block: {refusal['largest_free_block_per_bank']} B", run.output)
        self.assertFalse(refusal["is_fragmented"])
        missing = refusal["size_per_bank"] - refusal["free_bytes_per_bank"]
        self.assertEqual(refusal["missing_bytes_per_bank"], missing)
        largest = [region["size"] for region in refusal["holders"]]
        self.assertEqual(largest, sorted(largest, reverse=True))
        self.assertGreaterEqual(len(largest), 10)

    def test_out_of_dram(self):
        self.out_of_memory("DRAM")

    def test_out_of_l1(self):
        self.out_of_memory("L1")

    def clash(self):
        run = self.tracked("ledger_endings.py", "clash")
        self.assertIn("clash with L1 buffers", run.output)
        self.assert_agrees(run.process, run.truth, steps=7)
        return run

    def test_circular_buffers_that_clash_with_tensors(self):
        plain = self.without_ttmem("ledger_endings.py", "clash")
        self.assertEqual(self.clash().output, plain.output)

    # tt-metal's tracker names no more than the device of the program that was refused; ttmem knows the program.
    def test_circular_buffers_of_cached_programs_outlive_a_clash(self):
        marks = self.clash().by_name()
        buffers = {name: mark["devices"][0]["memory"]["CB"]["live_buffers"] for name, mark in marks.items()}
        # The refused program is not in the cache, and holds nothing; when there is room it is placed after all.
        self.assertEqual([buffers[name] for name in ("add", "full", "clash", "multiply", "cleared")], [3, 3, 3, 6, 0])


class SmallPages(LedgerTest):
    def agrees(self, memory):
        run = self.tracked("small_pages.py", memory, cluster="blackhole-1")
        self.assert_sound(run.process)
        sums = [comparison.expected(step)[0] for step in run.truth]
        self.assertEqual(sums[0][0, memory], 64)
        self.assertEqual([comparison.reported(mark)[0] for mark in run.process["marks"]], sums)

    def test_in_dram(self):
        self.agrees("DRAM")

    # The allocator rounds up to 64 bytes (Wormhole: 32) in L1 as in DRAM; aligned_size_per_bank() is rounded to 16 there.
    def test_in_l1(self):
        self.agrees("L1")


if __name__ == "__main__":
    unittest.main()
