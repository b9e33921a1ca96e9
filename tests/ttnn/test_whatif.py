"""`ttmem whatif` on the real wheel: today's policy gives today's addresses exactly, and another one other figures."""

import json
import subprocess
import unittest

import ledger_run
from test_acceptance import HERE, TTMEM


class WhatIf(ledger_run.LedgerTest):
    RECORD_SECONDS = 600

    def recording(self, program, *arguments, **how):
        return self.record(program, *arguments, **how)[1]

    def ask(self, recording, *arguments):
        command = [TTMEM, "whatif", str(recording), "--json", "-", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [memory for process in json.loads(done.stdout)["processes"] for memory in process["memories"]]

    def check_today(self, recording, at_least, by_threads=False):
        memories = self.ask(recording)
        for memory in memories:
            where = f"{memory['memory']} of devices {memory['devices']}"
            if by_threads:
                # What threads do at once may be noted in another order than the allocator saw.
                self.assertGreater(memory["as_predicted"], memory["allocations"] * 0.8, where)
                continue
            self.assertEqual(memory["as_predicted"], memory["allocations"], where)
            self.assertEqual(memory["left_out"], 0, where)
            self.assertEqual(memory["was"], memory["would"], where)
            self.assertEqual(memory["refused_that_fit"], 0, where)
        self.assertGreater(sum(memory["allocations"] for memory in memories), at_least)
        return memories

    def test_every_address_of_the_acceptance_program(self):
        self.check_today(self.recording("acceptance.py", 1, 1), 50, by_threads=True)

    def test_every_address_on_a_mesh(self):
        self.check_today(self.recording("acceptance.py", 2, 4, cluster="blackhole-8"), 50, by_threads=True)
        self.check_today(self.recording("ledger_mesh.py", 1, cluster="blackhole-8"), 5)

    def test_every_address_of_many_operations(self):
        self.check_today(self.recording("ops.py"), 100)

    def test_a_refusal_that_fits_without_what_stands_between(self):
        recording = self.recording("fragmentation.py")
        (l1,) = [memory for memory in self.check_today(recording, 50) if memory["memory"] == "L1"]
        refused = l1["refused"][-1]
        self.assertEqual((refused["op"], refused["fits"]), ("ttnn.empty", False))
        lines = (HERE / "fragmentation.py").read_text().splitlines()
        small = next(number for number, text in enumerate(lines, 1) if text.endswith("# SMALL"))
        (l1,) = [one for one in self.ask(recording, "--without", f"fragmentation.py:{small}") if one["memory"] == "L1"]
        self.assertTrue(l1["refused"][-1]["fits"])
        self.assertLess(l1["would"]["peak_per_bank"], l1["was"]["peak_per_bank"])
        (l1,) = [one for one in self.ask(recording, "--size", "L1=100KiB") if one["memory"] == "L1"]
        self.assertGreater(l1["would"]["refusals"], l1["was"]["refusals"])
        self.assertLessEqual(l1["would"]["peak_per_bank"], 100 * 1024)


if __name__ == "__main__":
    unittest.main()
