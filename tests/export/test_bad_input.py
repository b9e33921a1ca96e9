"""Input that is damaged, cut short, empty or odd: one line on standard error, or an export that its reader accepts."""

import random
import unittest

import snapshot
from cases import ExportTest
from recording import KINDS, Recording


class BadInput(ExportTest):
    def assert_one_line(self, *arguments):
        output = self.ttmem(*arguments, code=2)
        self.assertEqual(output, b"")
        self.assertEqual(len(self.notes.splitlines()), 1, self.notes)
        self.assertTrue(self.notes.startswith("ttmem: "), self.notes)

    def test_is_one_line_and_exit_code_2(self):
        garbage = self.folder / "garbage"
        garbage.write_bytes(b"no recording at all")
        damaged = self.folder / "damaged.ttmem"
        data = bytearray(self.file.read_bytes())
        data[len(data) // 2] ^= 1
        damaged.write_bytes(data)
        for file in ("/no/such/file", self.folder, garbage, damaged):
            self.assert_one_line(file, "--format", "jsonl")
            self.assert_one_line(file, "--format", "perfetto", "-o", self.folder / "never")
            self.assert_one_line(file, "--format", "ttnn-visualizer", "-o", self.folder / "never-made")
        self.assert_one_line(self.file, "--format", "parquet")
        self.assert_one_line(self.file, "--format", "ttnn-visualizer")
        for folder in (damaged, "/no/such/folder/x", "/dev/null"):
            self.assert_one_line(self.file, "--format", "ttnn-visualizer", "-o", folder)
        self.assert_one_line(self.file, "--format", "csv", "-o", "/no/such/folder/x")
        self.assert_one_line(self.file, "--format", "csv", "--process", "7")
        self.assert_one_line(self.file, "--format", "csv", "--pid", "7")
        self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith("never")], [])

    def test_a_table_that_finds_no_room(self):
        tables = self.folder / "full"
        tables.mkdir()
        (tables / "events.parquet").symlink_to("/dev/full")
        self.assert_one_line(self.file, "--format", "parquet", "-o", tables)
        self.assertIn("No space left", self.notes)
        self.assertEqual([path.name for path in tables.iterdir()], ["events.parquet"], "the other is not whole")

    def test_a_recording_that_was_cut(self):
        cut = self.folder / "cut.ttmem"
        cut.write_bytes(self.file.read_bytes()[:-40])
        rows = self.ttmem(cut, "--format", "jsonl").splitlines()
        self.assertEqual(len(rows), self.scenario.events)
        self.assertIn(f"cut short after {self.scenario.recorded} events", self.notes)

    def test_events_that_make_no_sense(self):
        kinds = [kind for kind in KINDS if kind != "mark"] + ["allocate"] * 6
        for seed in range(12):
            chance, recording = random.Random(seed), Recording()
            number = lambda: chance.choice([0, 1, chance.randrange(5000), 2**64 - 1 - chance.randrange(3), 2**63])
            recording.process(0, 1, ["x"])
            recording.pool(0, 0, [0, 1])
            for at in range(240):
                recording.event(
                    0, chance.choice([at, 0, 2**64 - 1]), chance.choice(kinds), chance.choice(["DRAM", "L1", None, "CB"]),
                    device=chance.choice([0, -1, 5, -7, 2**31 - 1]), pool=chance.choice([None, 0, 9]), address=number(),
                    size=number(), per_bank=chance.choice([None, number()]), holder=chance.randrange(3),
                    flags=chance.choice([0, 4, 16, 32, 64, 128]),
                )
            if seed % 2:
                recording.status(0)
            odd = self.folder / "odd.ttmem"
            recording.write(odd)
            for name in ("perfetto", "pprof", "speedscope", "folded", "heaptrack", "csv", "jsonl", "pytorch-snapshot"):
                self.ttmem(odd, "--format", name, "--at", "peak", "-o", self.folder / "odd")
            self.ttmem(odd, "--format", "ttnn-visualizer", "-o", self.folder / "odd-report")
            snapshot.check(snapshot.load(self.folder / "odd"))

    def test_an_empty_recording(self):
        empty = self.folder / "empty.ttmem"
        Recording().write(empty)
        for name in ("perfetto", "pytorch-snapshot", "pprof", "speedscope", "folded", "heaptrack", "csv", "jsonl"):
            self.ttmem(empty, "--format", name, "--at", "peak", "-o", self.folder / "nothing")
        snapshot.check(snapshot.load(self.export("nothing.pickle", "--format", "pytorch-snapshot")))


if __name__ == "__main__":
    unittest.main()
