"""Every format, opened by a reader that is not ours where one can be had; what they say is compared with the truth.

Without the readers (no network) their tests are skipped; TTMEM_REQUIRE_ALL=1 makes that a failure.
"""

import collections
import csv
import gzip
import io
import json
import unittest

import readers
import snapshot
from cases import ExportTest
from readers import need
from recording import Recording
from scenario import BANKS, KIB


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


if __name__ == "__main__":
    unittest.main()
