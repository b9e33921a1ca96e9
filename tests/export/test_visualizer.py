"""The export for ttnn-visualizer, opened by the package from PyPI: what its server answers is what `ttmem report` says."""

import collections
import json
import subprocess
import tempfile
import unittest

import readers
from cases import TTMEM, ExportTest, OfTheDemo
from readers import need
from recording import Recording
from scenario import KIB

#: tt-metal's BufferType.
TYPES = {"DRAM": 0, "L1": 1, "L1_SMALL": 3}


class VisualizerTest(ExportTest):
    def open(self, name, *arguments, file=None):
        """What the viewer's server answers, by rank."""
        folder = self.folder / name
        self.ttmem(file or self.file, "--format", "ttnn-visualizer", "-o", folder, *arguments)
        self.assertEqual([path.name for path in folder.iterdir()], ["db.sqlite"])
        python = need.need(readers.visualizer)
        with tempfile.TemporaryDirectory(dir=self.folder) as own:
            output = self.read(python, readers.HERE / "read_visualizer.py", folder, own)
        return json.loads(output.splitlines()[-1])

    def report(self, file=None):
        command = [TTMEM, "report", "--quiet", "--json", "-", str(file or self.file)]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["processes"]

    def assert_peaks(self, rank, process):
        """By device and memory: the most that any operation has in each bank is the peak of the report."""
        most = collections.Counter()
        for _, kind, device, per_bank, _ in rank["totals"]:
            most[device, kind] = max(most[device, kind], per_bank)
        peaks = {
            (device["device_id"], TYPES[name]): memory["peak_bytes_per_bank"]
            for device in process["devices"] for name, memory in device["memory"].items() if name in TYPES
        }
        self.assertEqual(dict(most), {place: bytes for place, bytes in peaks.items() if bytes})
        return len(peaks)


class OfAScenario(VisualizerTest):
    def test_peaks_tensors_and_refusals(self):
        mesh, single = self.open("report")
        self.assertIn("each process is a rank: 0 is pid 100, 1 is pid 200", self.notes)
        self.assertNotIn("--max-rows", self.notes)
        [process, _] = self.report()
        self.assertEqual(self.assert_peaks(mesh, process), 4)
        # Of this one the bytes a bank are not known: both lie in one.
        totals = {(kind, device): total for _, kind, device, total, _ in single["totals"]}
        self.assertEqual(totals, {(0, 3): 36 * KIB, (3, 5): 100})
        for operation in mesh["operations"] + single["operations"]:
            self.assertTrue(0 <= operation["duration"] < 1, operation)
        [refusal] = mesh["errors"]
        self.assertEqual((refusal["error_type"], refusal["attached"]), ("out of memory", True))
        self.assertIn("DRAM: 1.0 TiB asked for; in each bank 5.0 KiB were free", refusal["error_message"])
        self.assertEqual({device["device_id"] for device in mesh["devices"]}, {0, 1})
        self.assertEqual({device["device_id"] for device in single["devices"]}, {3, 5})
        [graph] = [operation["device_operations"] for operation in mesh["operations"] if operation["device_operations"]]
        circular = [node["params"] for node in graph if node["node_type"] == "circular_buffer_allocate"]
        told = [(int(one["device_id"]), int(one["address"]), int(one["size"])) for one in circular]
        truth = [(device, address, 2 * KIB) for address in (0x1000, 0x1400, 0x1400) for device in (0, 1)]
        self.assertEqual(told, truth)
        metadata = mesh["metadata"]
        self.assertEqual(metadata["process_of_rank_1"], "./a.out (pid 200)")

    def test_what_is_live_after_each_operation(self):
        [[mesh], truth] = [self.open("one", "--pid", "100"), self.live_after_each_run()]
        told = [
            {(each["device_id"], each["buffer_type"], each["address"]) for each in operation["buffers"]}
            for operation in mesh["operation-buffers"]
        ]
        self.assertEqual(told, truth)
        self.assertGreater(len(truth), 50)

    def live_after_each_run(self):
        """By the plainest rule: a free or the end comes after a run, and so does another thread; a refusal ends its own."""
        lines = map(json.loads, self.ttmem(self.file, "--format", "jsonl", "--pid", "100").splitlines())
        live, runs, thread = set(), [], None
        for line in lines:
            makes = line["event"] in ("allocate", "cb_allocate", "out_of_memory")
            is_end = line["event"] == "free" or makes and line["thread"] != thread
            if thread is not None and is_end:
                runs.append(set(live))
                thread = None
            if line["event"] == "out_of_memory":
                runs.append(set(live))
                thread = None
            of = {(device, TYPES.get(line.get("memory")), line.get("address")) for device in line.get("devices", [])}
            if makes and line["event"] != "out_of_memory":
                thread = line["thread"]
            if line["event"] == "allocate":
                live |= of
            if line["event"] == "free":
                live -= of
        return runs + [live] if thread is not None else runs

    def test_a_limit_keeps_the_peaks(self):
        [full] = self.open("full", "--pid", "100")
        rows = sum(len(operation["buffers"]) for operation in full["operation-buffers"])
        most = rows // 10
        [thin] = self.open("thin", "--pid", "100", "--max-rows", most)
        self.assertRegex(self.notes, r"\d+ of %d operations are in it" % len(full["operations"]))
        written = sum(len(operation["buffers"]) for operation in thin["operation-buffers"])
        widest = max(len(operation["buffers"]) for operation in full["operation-buffers"])
        self.assertLessEqual(written, most + 4 * widest)
        self.assertLess(written, rows // 2)
        self.assert_peaks(thin, self.report()[0])
        self.assertEqual([each["id"] for each in thin["operations"]], list(range(1, len(thin["operations"]) + 1)))
        self.assertEqual(len(thin["errors"]), 1, "a refusal is never left out")

    def test_one_device_alone(self):
        [found] = self.open("device", "--pid", "100", "--device", "1")
        self.assertEqual({device["device_id"] for device in found["devices"]}, {1})
        self.assertEqual({row[2] for row in found["totals"]}, {1})
        nodes = [node["params"].get("device_id") for operation in found["operations"] for node in operation["device_operations"]]
        self.assertEqual(set(nodes), {None, "1"})

    def test_an_empty_recording(self):
        empty = self.folder / "empty.ttmem"
        Recording().write(empty)
        self.ttmem(empty, "--format", "ttnn-visualizer", "-o", self.folder / "nothing")
        self.assertIn("nothing was allocated", self.notes)


class OfARealProgram(OfTheDemo, VisualizerTest):
    def test_operations_tensors_and_peaks(self):
        [found] = self.open("demo")
        [process] = self.report()
        self.assertGreaterEqual(self.assert_peaks(found, process), 8)
        lines = [json.loads(line) for line in self.ttmem(self.file, "--format", "jsonl").splitlines()]
        made = [line for line in lines if line["event"] == "allocate"]
        names = {operation["name"] for operation in found["operations"]}
        self.assertLessEqual({line["op"] for line in made if line.get("op")}, names)
        self.assertGreaterEqual(len(names), 3)
        for operation in found["operations"]:
            self.assertIn('demo.py", line ', operation["stack_trace"])
        [l1] = {(device["worker_l1_size"], device["l1_num_banks"]) for device in found["devices"]}
        self.assertGreater(l1[0], 1 << 20)
        self.assertGreater(l1[1], 50)
        outputs = [output for operation in found["operations"] for output in operation["outputs"]]
        sizes = collections.Counter(output["size"] for output in outputs)
        described = {(line["address"], line["holder"]) for line in lines if line["event"] == "tensor"}
        truth = collections.Counter(line["size"] for line in made if (line["address"], line["holder"]) in described)
        self.assertEqual(sizes, truth)
        for output in outputs:
            self.assertRegex(output["shape"], r"^Shape\(\[[\d, ]+\]\)$")
            self.assertEqual(len(output["device_addresses"]), 8)
            self.assertIn(output["memory_config"]["memory_layout"], ("TensorMemoryLayout::INTERLEAVED",))
        placed = [(line["address"], line["size"], device) for line in lines if line["event"] == "cb_allocate"
                  and "more_cores" not in line.get("flags", []) for device in line["devices"]]
        nodes = [node for operation in found["operations"] for node in operation["device_operations"]
                 if node["node_type"] == "circular_buffer_allocate"]
        told = [tuple(int(node["params"][key]) for key in ("address", "size", "device_id")) for node in nodes]
        self.assertEqual(collections.Counter(told), collections.Counter(placed))
        self.assertGreater(len(told), 8)
        for node in nodes:
            self.assertRegex(node["params"]["core_range_set"], r"^\{\[\d+-\d+ - \d+-\d+\](, \[.*\])*\}$")
        last = found["last operation"]
        self.assertEqual(len(last["buffers"]), sum(row[4] for row in found["totals"] if row[0] == last["id"]))


if __name__ == "__main__":
    unittest.main()
