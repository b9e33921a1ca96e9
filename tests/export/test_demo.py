"""A real program, recorded and exported: every format says what the report says."""

import collections
import json
import subprocess
import unittest

import heaptrack
import readers
import snapshot
from cases import TTMEM, OfTheDemo
from readers import need


class RealProgram(OfTheDemo):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        report = subprocess.run([TTMEM, "report", "--quiet", "--json", "-", str(cls.file)], capture_output=True, check=True)
        [cls.process] = json.loads(report.stdout)["processes"]

    def test_formats_say_what_the_report_says(self):
        devices = {device["device_id"]: device["memory"] for device in self.process["devices"]}
        found = snapshot.load(self.export("demo.pickle", "--format", "pytorch-snapshot"))
        dram = {device: memory["DRAM"]["live_bytes"] for device, memory in devices.items()}
        self.assertEqual(snapshot.check(found), dram)
        self.assertEqual(len(dram), 8)
        folded = self.ttmem(self.file, "--format", "folded").decode()
        live = sum(memory["live_bytes"] for each in devices.values() for memory in each.values())
        self.assertGreater(live, sum(dram.values()), "no dataflow buffers")
        self.assertEqual(sum(int(line.rpartition(" ")[2]) for line in folded.splitlines()), live)
        python = need.need(readers.python)
        trace = self.export("demo.pftrace", "--format", "perfetto")
        told = json.loads(self.read(python, readers.HERE / "read_perfetto.py", trace).splitlines()[-1])
        peaks = {(device, name): max(value for _, value in readings) for _, device, name, readings in told["counters"]}
        truth = {
            (f"device {device}", f"{name} live bytes"): memory["peak_bytes"]
            for device, memories in devices.items() for name, memory in memories.items()
        }
        self.assertEqual(peaks, truth)

    def test_perfetto_has_the_op_and_the_tensor_of_what_is_live_too(self):
        trace = self.export("named.pftrace", "--format", "perfetto")
        told = json.loads(self.read(need.need(readers.python), readers.HERE / "read_perfetto.py", trace).splitlines()[-1])
        lives = [values for place, _, values, *_ in told["slices"] if place[2] in ("DRAM allocations", "L1 allocations")]
        found = collections.Counter((values["address"], values.get("op", ""), values.get("tensor", "")) for values in lives)
        lines = [json.loads(line) for line in self.ttmem(self.file, "--format", "jsonl").splitlines()]
        tensors, truth = {}, collections.Counter()
        for line in lines:
            if line["event"] == "tensor":
                tensors.setdefault((line["address"], line["holder"]), line["tensor"])
        for line in lines:
            if line["event"] == "allocate":
                key = (line["address"], line.get("op", ""), tensors.get((line["address"], line["holder"]), ""))
                truth[key] += len(line["devices"])
        self.assertEqual(found, truth)
        self.assertGreater(sum(number for (_, _, tensor), number in truth.items() if tensor), 8)

    def test_parquet_has_the_call_sites_of_jsonl(self):
        python = need.need(readers.python)
        folder = self.export("demo-tables", "--format", "parquet")
        columns = ["devices", "memory", "address", "name", "site", "op", "tensor"]
        query = f"select {', '.join(columns)} from read_parquet(?)"
        found = json.loads(self.read(python, readers.HERE / "read_parquet.py", query, folder / "events.parquet"))
        truth = []
        for line in map(json.loads, self.ttmem(self.file, "--format", "jsonl").splitlines()):
            line |= {"devices": " ".join(map(str, line.get("devices", []))), "site": "\n".join(line.get("site", []))}
            truth.append([line.get(column, None if column == "address" else "") for column in columns])
        self.assertEqual(found, truth)
        self.assertGreater(len({tuple(row[4:]) for row in truth}), 5)

    def test_heaptrack_shows_the_lines_of_the_program(self):
        need.need(readers.system, "heaptrack_print")
        path = self.export("demo.heaptrack.gz", "--format", "heaptrack")
        memories = [device["memory"] for device in self.process["devices"]]
        for cost, member in (("allocations", "allocations"), ("leaked", "live_bytes")):
            sums = collections.Counter()
            for memory in memories:
                sums.update({name: totals[member] for name, totals in memory.items() if totals[member]})
            self.assertEqual(heaptrack.by_memory(path, cost), sums)
        stacks = heaptrack.by_stack(path, "allocations")
        self.assertIn(("memory DRAM", "(module) (demo.py)", "main() (demo.py)", "weights (demo.py)"), set(stacks))


if __name__ == "__main__":
    unittest.main()
