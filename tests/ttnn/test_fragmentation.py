"""Free blocks by replay: those of ttnn's block table, at every step; and what stands between them."""

import json
import subprocess
import unittest

import ledger_run
from test_acceptance import HERE, TTMEM

MEMORIES = ("DRAM", "L1", "L1_SMALL")


def free_blocks(table, base):
    """Of ttnn's block table, whose addresses begin at 0; neighbours are one."""
    blocks = []
    for address, size in sorted((address, size) for address, size, allocated in table if allocated == "no"):
        if blocks and blocks[-1][0] + blocks[-1][1] == base + address:
            blocks[-1][1] += size
        else:
            blocks.append([base + address, size])
    return blocks


class Fragmentation(ledger_run.LedgerTest):
    def report(self, recording, *arguments):
        command = [TTMEM, "report", str(recording), "--quiet", "--json", "-", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout)["processes"][0]

    def check_blocks(self, truth, recording):
        compared, most = 0, 0
        for step in truth:
            told = self.report(recording, "--mark", step["step"], "--fragmentation")["at"].get("fragmentation", [])
            told = {(device, one["memory"]): one for one in told for device in one["devices"]}
            chips = [chip for mesh in step["meshes"] for chip in mesh["chips"]]
            for mesh in step["meshes"]:
                for memory in MEMORIES:
                    one, view = told.get((mesh["chips"][0], memory)), mesh["views"][memory]
                    if one is None or chips.count(mesh["chips"][0]) > 1:
                        continue
                    where = f"{step['step']} {memory}"
                    self.assertEqual(one["capacity_per_bank"], view["capacity"], where)
                    self.assertEqual(one["free_bytes_per_bank"], view["free"], where)
                    self.assertEqual(one["largest_free_block_per_bank"], view["largest"], where)
                    got = [[block["address"], block["size"]] for block in one["blocks"]]
                    # Where the bank begins, one free block of the table tells.
                    table = free_blocks(view["blocks"], 0)
                    base = got[0][0] - table[0][0] if got and table else 0
                    self.assertEqual(got, free_blocks(view["blocks"], base), where)
                    compared, most = compared + 1, max(most, len(got))
        return compared, most

    def test_every_step_of_the_acceptance_program(self):
        truth, recording = self.record("acceptance.py", 1, 1)
        compared, _ = self.check_blocks(truth, recording)
        self.assertGreater(compared, 40)

    def test_a_refusal_names_who_stands_between(self):
        truth, recording = self.record("fragmentation.py")
        compared, most = self.check_blocks(truth, recording)
        self.assertGreater(compared, 4)
        self.assertGreater(most, 5)
        process = self.report(recording)
        refused = process["out_of_memory"][-1]
        self.assertTrue(refused["is_fragmented"])
        cheapest, other = refused["ways_out"]
        self.assertGreaterEqual(cheapest["block_per_bank"], refused["size_per_bank"])
        self.assertLessEqual(cheapest["released_per_bank"], other["released_per_bank"])
        lines = (HERE / "fragmentation.py").read_text().splitlines()
        line = lambda mark: next(number for number, text in enumerate(lines, 1) if text.endswith(f"# {mark}"))
        sites = {one["site"][-1].rpartition(":")[2].rstrip(")") for one in cheapest["released"]}
        self.assertLessEqual(sites, {str(line("SMALL")), str(line("LARGE"))})
        self.assertIn(str(line("SMALL")), sites)
        self.assertEqual({one["op"] for one in cheapest["released"]}, {"ttnn.empty"})


if __name__ == "__main__":
    unittest.main()
