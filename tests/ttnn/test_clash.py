"""Circular buffers that find no room in L1: the report has the figures of ttnn's own message, and the program sees no
difference."""

import re
import unittest

import ledger_run
from test_acceptance import HERE

SOURCE = HERE / "clash.py"
CLASH = re.compile(
    r"Statically allocated (circular|dataflow) buffers in program \d+ clash with L1 buffers on core range (\[.*?\])\. "
    r"L1 buffer allocated at (\d+) and static \w+ buffer region ends at (\d+)"
)


class Clash(ledger_run.LedgerTest):
    def check(self, version):
        plain = self.call(SOURCE.name, (), ttmem=False, version=version)
        run = self.tracked(SOURCE.name, version=version)
        self.assertEqual(run.output, plain.output)
        self.assert_sound(run.process)
        said = [line.split(" | ", 1) for line in run.output.splitlines()]
        clashes = [(op, CLASH.search(text).groups()) for op, text in said if CLASH.search(text)]
        self.assertGreaterEqual(len(clashes), 2, run.output)
        told = [refusal for refusal in run.process["out_of_memory"] if refusal["memory"] == "CB"]
        self.assertEqual(len(told), len(clashes), run.output)
        line = next(number for number, text in enumerate(SOURCE.read_text().splitlines(), 1) if text.endswith("# ATTEMPT"))
        for refusal, (op, (buffers, cores, lowest, end)) in zip(told, clashes):
            clash = refusal["clash"]
            self.assertEqual((clash["buffers"], clash["cores"]), (buffers, cores))
            self.assertEqual((clash["lowest_address"], clash["region_end"]), (int(lowest), int(end)))
            self.assertEqual(clash["shortfall_bytes"], int(end) - int(lowest))
            self.assertEqual((refusal["op"], refusal["site"][0]), (op, f"attempt ({SOURCE}:{line})"))
            self.assertEqual(clash["lowest"]["address"], int(lowest))
            self.assertEqual(clash["lowest"]["op"], "ttnn.empty")
            self.assertIn("ledger_endings.py", clash["lowest"]["site"][0])
            # The program's own: as far up as tt-metal says that they reach.
            kinds = {"CB"} if buffers == "circular" else {"DFB", "SCRATCHPAD"}
            self.assertLessEqual({part["memory"] for part in clash["parts"]}, kinds)
            self.assertEqual(max(part["address"] + part["size"] for part in clash["parts"]), int(end))
            # What gives way, from the lowest on; once all of it is gone, the program fits.
            reliefs = [(each["buffer"]["address"], each["gained_bytes"]) for each in clash["reliefs"]]
            self.assertEqual(reliefs[0][0], int(lowest))
            self.assertEqual(reliefs, sorted(reliefs))
            if len(reliefs) == clash["in_the_way_regions"]:
                self.assertGreaterEqual(reliefs[-1][1], clash["shortfall_bytes"])
            # What is in the way is what lies below the end, by the report's own list.
            in_the_way = [each for each in run.process["live"] if each["memory"] == "L1" and each["address"] < int(end)]
            of_one_chip = [each for each in in_the_way if each["device_id"] == 0]
            self.assertEqual(clash["in_the_way_regions"], len(of_one_chip))
            self.assertEqual(sum(each["regions"] for each in refusal["holders_by_site"]), len(of_one_chip))

    def test_wheel_0_81(self):
        self.check(None)

    def test_wheel_0_80(self):
        self.check("0.80.0")

    def test_wheel_0_79(self):
        self.check("0.79.0")


if __name__ == "__main__":
    unittest.main()
