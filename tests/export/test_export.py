"""Every format, opened by a reader that is not ours where one can be had; what they say is compared with the truth.

Without the readers (no network) their tests are skipped; TTMEM_REQUIRE_ALL=1 makes that a failure.
"""

import collections
import csv
import gzip
import io
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

import heaptrack
import readers
import snapshot
from readers import need
from recording import KINDS, Recording
from scenario import BANKS, KIB, Scenario

TTMEM = os.environ.get("TTMEM_BIN") or str(readers.ROOT / "target" / "release" / "ttmem")


class ExportTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-export-")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = pathlib.Path(holder.name)
        cls.scenario = Scenario()
        cls.file = cls.folder / "run.ttmem"
        cls.scenario.recording.write(cls.file)

    def ttmem(self, *arguments, code=0):
        done = subprocess.run([TTMEM, "export", *map(str, arguments)], capture_output=True)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        self.notes = done.stderr.decode()
        return done.stdout

    def export(self, name, *arguments):
        path = self.folder / name
        self.ttmem(self.file, "-o", path, *arguments)
        return path

    def read(self, *command):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=readers.HERE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def at_the_end(self, pid):
        """Live bytes by device and memory."""
        live = collections.Counter()
        for (of, device, memory, _), (_, size) in self.scenario.live.items():
            if of == pid:
                live[device, memory] += size
        return live


class Perfetto(ExportTest):
    def trace(self, python, path):
        # Perfetto's package prints what it does; ours is the last line.
        return json.loads(self.read(python, readers.HERE / "read_perfetto.py", path).splitlines()[-1])

    def test_tracks_lifetimes_and_counters(self):
        python = need.need(readers.python)
        trace = self.export("run.pftrace", "--format", "perfetto")
        found = self.trace(python, trace)
        truth = collections.Counter()
        for pid, device, memory, address, size, born, ended in self.scenario.lifetimes:
            truth[pid, f"device {device}", f"{memory} allocations", address, size, born, ended] += 1
        for (pid, device, memory, address), (born, size) in self.scenario.live.items():
            truth[pid, f"device {device}", f"{memory} allocations", address, size, Recording.START + born, None] += 1
        told = collections.Counter(
            (*place, values["address"], values["size"], born, ended)
            for place, _, values, born, ended in found["slices"]
            if place[2].endswith(" allocations") and place[2] != "CB allocations"
        )
        self.assertEqual(told, truth)
        self.assertEqual(sum(place[2] == "CB allocations" for place, *_ in found["slices"]), 6)
        regions = [(place, name, born, ended) for place, name, _, born, ended in found["slices"] if "regions" in place[2]]
        self.assertEqual([region[1:] for region in regions], self.scenario.regions)
        self.assertEqual({tuple(place[::2]) for place, *_ in regions}, {(100, "regions of thread 7")})
        counters = {(pid, device, name): readings for pid, device, name, readings in found["counters"]}
        self.assertEqual(
            counters,
            {
                (pid, f"device {device}", f"{memory} live bytes"): list(map(list, readings))
                for (pid, device, memory), readings in self.scenario.counters.items()
            },
        )
        marks = [name for place, name, *_ in found["instants"] if place[2] == "marks"]
        self.assertEqual(marks, [f'step {step}, "half"' for step in (50, 150, 250)])
        [refusal] = [(place, name, values) for place, name, values, _ in found["instants"] if place[2] == "out of memory"]
        self.assertEqual(refusal[1], "out of DRAM: 1.0 TiB asked for")
        self.assertEqual(refusal[2]["free_per_bank"], 5 * KIB)
        processor = found["trace_processor"]
        if "unavailable" in processor:
            # The binary is on a server of its own, not in the package. The descriptors have said that the bytes are right.
            print(f"\nno trace processor ({processor['unavailable'][-80:]}): checked with Perfetto's descriptors alone")
        else:
            self.assertEqual(processor["errors"], [])
            # The six are circular buffers.
            slices = len(self.scenario.lifetimes) + len(self.scenario.live) + len(self.scenario.regions) + 6
            self.assertEqual(processor["slices"], slices)
            self.assertEqual(processor["unfinished"], len(self.scenario.live))
            self.assertEqual(processor["counters"], sum(map(len, self.scenario.counters.values())))

    def test_too_many_lanes(self):
        python = need.need(readers.python)
        trace = self.export("few.pftrace", "--format", "perfetto", "--max-lanes", "3")
        self.assertIn("lifetimes are not drawn", self.notes)
        found = self.trace(python, trace)
        self.assertEqual(len(found["counters"]), len(self.scenario.counters))


class PytorchSnapshot(ExportTest):
    def test_blocks_tile_and_events_pair(self):
        path = self.export("run.pickle", "--format", "pytorch-snapshot")
        self.assertIn("program memory is left out", self.notes)
        self.assertIn("--pid PID", self.notes)
        found = snapshot.load(path)
        live = snapshot.check(found)
        truth = collections.Counter()
        for (device, _), size in self.at_the_end(100).items():
            truth[device] += size
        self.assertEqual(live, dict(truth))
        actions = collections.Counter(event["action"] for event in found["device_traces"][0])
        freed = sum(life[0] == 100 and life[1] == 0 for life in self.scenario.lifetimes)
        self.assertEqual(actions["free_requested"], freed)
        self.assertEqual(actions["alloc"], freed + sum(key[:2] == (100, 0) for key in self.scenario.live))
        [refusal] = [event for event in found["device_traces"][0] if event["action"] == "oom"]
        self.assertEqual(refusal["device_free"], 5 * KIB * BANKS)
        self.assertEqual(refusal["size"], 1 << 40)

    def test_the_newest_events_alone(self):
        path = self.export("few.pickle", "--format", "pytorch-snapshot", "--max-entries", "10")
        self.assertIn("events are left out", self.notes)
        found = snapshot.load(path)
        self.assertEqual(sum(event["action"] != "free_requested" for event in found["device_traces"][1]), 10)
        snapshot.check(found)

    def test_addresses_that_would_overlap(self):
        path = self.export("other.pickle", "--format", "pytorch-snapshot", "--pid", "200")
        self.assertEqual(snapshot.check(snapshot.load(path)), {3: 36 * KIB})


class Stacks(ExportTest):
    def profile(self, *arguments):
        node = need.need(readers.node)
        path = self.export("run.pb.gz", "--format", "pprof", *arguments)
        return json.loads(self.read("node", readers.HERE / "read_pprof.js", node, path))

    def sums(self, profile, value, pid):
        sums = collections.Counter()
        for sample in profile["samples"]:
            if sample["labels"]["pid"] == pid and sample["values"][value]:
                sums[sample["labels"]["device"], sample["labels"]["memory"]] += sample["values"][value]
        return sums

    def test_pprof(self):
        profile = self.profile()
        self.assertEqual(
            profile["types"],
            [["live_bytes", "bytes"], ["live_objects", "count"], ["alloc_bytes", "bytes"], ["alloc_objects", "count"]],
        )
        self.assertEqual(int(profile["started"]), Recording.START)
        for pid in (100, 200):
            self.assertEqual(self.sums(profile, 0, pid), self.at_the_end(pid))
        lives = collections.Counter(
            [life[:3] for life in self.scenario.lifetimes] + [key[:3] for key in self.scenario.live]
        )
        self.assertEqual(
            self.sums(profile, 3, 100),
            {key[1:]: count for key, count in lives.items() if key[0] == 100} | {(0, "CB"): 3, (1, "CB"): 3},
        )
        self.assertIn(["size 24576", "memory DRAM"], [sample["stack"] for sample in profile["samples"]])

    def test_pprof_at_the_peak(self):
        profile = self.profile("--at", "peak")
        for pid in (100, 200):
            peak, by_place = self.scenario.peaks[pid]
            sums = self.sums(profile, 0, pid)
            self.assertEqual(sum(sums.values()), peak)
            self.assertEqual(sums, {place[1:]: bytes for place, bytes in by_place.items() if bytes})

    def test_speedscope(self):
        path = self.export("run.speedscope.json", "--format", "speedscope", "--at", "peak")
        found = json.loads(path.read_text())
        peak = sum(peak for peak, _ in self.scenario.peaks.values())
        self.assertEqual(sum(found["profiles"][0]["weights"]), peak)
        schema = need.need(readers.node) / "node_modules" / "speedscope" / "dist" / "release" / "file-format-schema.json"
        self.read(need.need(readers.python), readers.HERE / "check_json.py", schema, path)

    def test_folded(self):
        text = self.ttmem(self.file, "--format", "folded", "--at", "peak").decode()
        stacks = {stack.rpartition(" ")[0]: int(stack.rpartition(" ")[2]) for stack in text.splitlines()}
        self.assertEqual(sum(stacks.values()), sum(peak for peak, _ in self.scenario.peaks.values()))
        # A semicolon in a command would be one frame more.
        self.assertTrue(all(stack.count(";") == 2 for stack in stacks), stacks)
        one = self.ttmem(self.file, "--format", "folded", "--pid", "200").decode()
        self.assertEqual(one, "memory DRAM;size_12288 12288\nmemory DRAM;size_24576 24576\n")


class Tables(ExportTest):
    def test_csv_of_what_is_live(self):
        rows = list(csv.DictReader(io.StringIO(self.ttmem(self.file, "--format", "csv").decode())))
        told = {
            (int(row["pid"]), int(row["device"]), row["memory"], int(row["address"])):
                (int(row["allocated_at_ns"]) - Recording.START, int(row["size"]))
            for row in rows
        }
        self.assertEqual(told, self.scenario.live)
        self.assertEqual({row["state"] for row in rows if row["pid"] == "200"}, {"orphaned"})

    def test_csv_and_jsonl_of_events(self):
        rows = list(csv.DictReader(io.StringIO(self.ttmem(self.file, "--format", "csv", "--events").decode())))
        lines = [json.loads(line) for line in self.ttmem(self.file, "--format", "jsonl").decode().splitlines()]
        self.assertEqual(len(rows), self.scenario.events)
        self.assertEqual(len(lines), self.scenario.events)
        for row, line in zip(rows, lines):
            self.assertEqual(None, row.get(None), row)
            for name, value in row.items():
                told = line.get(name, 0 if value == "0" else "")
                if name == "devices":
                    told = " ".join(map(str, line.get(name, [])))
                self.assertEqual(value, str(told), (name, line))
        self.assertEqual([line["name"] for line in lines if line["event"] == "mark"][0], 'step 50, "half"')
        regions = [(line["event"], line["name"], line["region"]) for line in lines if line["event"].startswith("region_")]
        self.assertEqual(
            regions,
            [("region_begin", "warm: up", 1), ("region_begin", "inner", 2), ("region_end", "warm: up", 1),
             ("region_end", "inner", 2)],
        )

    def test_what_is_reserved_is_in_no_format(self):
        formats = ["perfetto", "pytorch-snapshot", "pprof", "speedscope", "folded", "heaptrack", "csv", "jsonl", "parquet"]
        for name in formats:
            path = self.export(f"reserved.{name}", "--format", name)
            for file in path.iterdir() if path.is_dir() else [path]:
                content = file.read_bytes()
                if content.startswith(b"\x1f\x8b"):
                    content = gzip.decompress(content)
                for text in (b"region:begin", b"region:end", b"sync:4711"):
                    self.assertFalse(text in content, f"{text} in {name}")

    def test_moments(self):
        live = lambda *arguments: {
            (int(row["pid"]), int(row["device"]), row["memory"], int(row["address"]))
            for row in csv.DictReader(io.StringIO(self.ttmem(self.file, "--format", "csv", *arguments).decode()))
        }
        self.assertEqual(live("--at", "exit"), set(self.scenario.live))
        self.assertEqual(live("--at", "100000"), set(self.scenario.live))
        self.assertEqual(live("--at", "0s"), {(200, 3, "DRAM", 0x3FFFF000)} | self.scenario.first)
        # A mark that one process passed says nothing of the other.
        lines = [json.loads(line) for line in self.ttmem(self.file, "--format", "jsonl").decode().splitlines()]
        held = set()
        for line in lines:
            if line.get("name") == 'step 150, "half"':
                break
            for device in line.get("devices", []):
                key = (line["pid"], device, line.get("memory"), line.get("address"))
                if line["event"] == "allocate":
                    held.add(key)
                if line["event"] == "free":
                    held.remove(key)
        told = live("--at", 'step 150, "half"')
        self.assertEqual({key for key in told if key[2] != "CB"}, held)
        self.assertEqual(live("--at", 'step 150, "half":1'), told)
        self.ttmem(self.file, "--format", "csv", "--at", "step 151", code=2)
        self.assertIn('no mark "step 151"; there are "step 50, \\"half\\"", ', self.notes)

    def test_parquet(self):
        python = need.need(readers.python)
        folder = self.export("tables", "--format", "parquet")
        ask = lambda query, table: json.loads(
            self.read(python, readers.HERE / "read_parquet.py", query, folder / f"{table}.parquet")
        )
        self.assertEqual(ask("select count(*) from read_parquet(?)", "events"), [[self.scenario.events]])
        regions = ask(
            "select pid, device, memory, address, size, epoch_ns(allocated_at_ns), epoch_ns(ended_at_ns) "
            "from read_parquet(?) where memory != 'CB'", "regions",
        )
        truth = [list(life) for life in self.scenario.lifetimes]
        truth += [[*key, size, Recording.START + born, None] for key, (born, size) in self.scenario.live.items()]
        order = lambda rows: sorted(rows, key=str)
        self.assertEqual(order(regions), order(truth))
        states = ask("select state, count(*) from read_parquet(?) where pid = 200 group by 1 order by 1", "regions")
        self.assertEqual(states, [["orphaned", 2], ["released_at_close", 1]])


class RealProgram(ExportTest):
    """The demo on the real ttnn wheel and eight mock chips, recorded."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        sys.path.insert(0, str(readers.ROOT / "tests" / "ttnn"))
        import wheel

        python = need.need(wheel.python_with_ttnn)
        cls.file = cls.folder / "demo.ttmem"
        command = [TTMEM, "record", "-o", str(cls.file), "--", python, str(readers.ROOT / "tests" / "ttnn" / "demo.py")]
        environment = wheel.environment("blackhole-8", cls.folder) | {"TTMEM_DIR": str(cls.folder / "rings")}
        subprocess.run(command, env=environment, cwd=cls.folder, check=True, capture_output=True, timeout=300)
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
