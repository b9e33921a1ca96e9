"""What ttmem sees of programs in L1 equals what a capture without dispatch says: byte for byte, on each range of cores.

    python3 test_program_memory.py --table [VERSION [CLUSTER]]      prints the table of docs/measurements/program-memory.md
"""

import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import wheel
from cluster_descriptors import CLUSTERS
from test_acceptance import HERE, TTMEM, python_or_skip

RANGE = re.compile(r"\[(\d+)-(\d+) - (\d+)-(\d+)\]")
MEMORIES = ("CB", "DFB", "SCRATCHPAD")


def cells(ranges):
    """The cores of rectangles as tt-metal writes them."""
    cores = set()
    for x0, y0, x1, y1 in (map(int, corners) for corners in RANGE.findall(ranges)):
        cores |= {(x, y) for x in range(x0, x1 + 1) for y in range(y0, y1 + 1)}
    return frozenset(cores)


class Placed:
    """The program memory of one operation, from the events of a recording."""

    def __init__(self):
        # By program and memory: address, size, cores.
        self.buffers = collections.defaultdict(list)

    def take(self, row):
        flags = row.get("flags", [])
        if row["event"] != "cb_allocate" or "globally_allocated" in flags:
            return
        buffers = self.buffers[row.get("holder"), row["memory"]]
        if "more_cores" in flags:
            buffers[-1][2] |= cells(row["cores"])
        else:
            buffers.append([row["address"], row["size"], cells(row["cores"])])

    def programs(self):
        """Of each program the bytes by memory and cores, and of each core those of all buffers."""
        sums = collections.defaultdict(collections.Counter)
        for (program, memory), buffers in self.buffers.items():
            for _, size, cores in buffers:
                sums[program][memory, cores] += size
        return {frozenset(counts.items()) for counts in sums.values()}

    def overlaps(self):
        """Buffers of one program that share bytes of a core: then a sum would be no union."""
        by_program = collections.defaultdict(list)
        for (program, _), buffers in self.buffers.items():
            by_program[program] += buffers
        return [
            (one, other)
            for buffers in by_program.values()
            for at, one in enumerate(buffers)
            for other in buffers[:at]
            if one[0] < other[0] + other[1] and other[0] < one[0] + one[1] and one[2] & other[2]
        ]


def truth_of(programs):
    found = set()
    for program in programs:
        sums = collections.Counter()
        for memory, size, cores in program:
            sums[memory, cells(cores)] += size
        if sums:
            found.add(frozenset((+sums).items()))
    return found


def fullest(programs):
    """Of the core that gets most of one program: the bytes by memory."""
    best = collections.Counter()
    for program in programs:
        by_core = collections.defaultdict(collections.Counter)
        for (memory, cores), size in program:
            for core in cores:
                by_core[core][memory] += size
        best = max([best, *by_core.values()], key=lambda counts: counts.total())
    return best


class ProgramMemory(unittest.TestCase):
    """Each set of operations is a process of its own."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)

    def run_set(self, name, version=wheel.DEFAULT_VERSION, cluster="blackhole-1"):
        python = python_or_skip(version)
        environment = wheel.environment(cluster, self.folder / version) | {"TTMEM_DIR": str(self.folder / "rings")}
        truth, recording = self.folder / "truth.jsonl", self.folder / "run.ttmemrec"
        chips = CLUSTERS[cluster]
        program = [str(HERE / "program_memory.py"), str(truth), name, str(chips.rows), str(chips.columns)]
        command = [TTMEM, "record", "-o", str(recording), "--", python, *program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        self.assertEqual(done.returncode, 0, done.stderr[-3000:])
        exported = subprocess.run([TTMEM, "export", str(recording), "--format", "jsonl"], capture_output=True, text=True,
                                  check=True, timeout=120)
        placed, at = {}, None
        for row in map(json.loads, exported.stdout.splitlines()):
            if row["event"] == "mark":
                at = placed.setdefault(row["name"], Placed()) if row["name"] != "captured" else None
            elif at is not None:
                at.take(row)
        return [json.loads(line) for line in truth.read_text().splitlines()], placed

    def check(self, name, least, **how):
        truth, placed = self.run_set(name, **how)
        known = [line for line in truth if "programs" in line]
        self.assertGreaterEqual(len(known), least, [line for line in truth if "error" in line])
        for line in known:
            with self.subTest(line["op"]):
                seen = placed[line["op"]]
                self.assertEqual(seen.programs(), truth_of(line["programs"]))
                self.assertEqual(seen.overlaps(), [])

    def test_eltwise(self):
        self.check("eltwise", 16)

    def test_matmul(self):
        self.check("matmul", 11)

    def test_reduce(self):
        self.check("reduce", 13)

    def test_data_movement(self):
        self.check("data movement", 18)

    def test_networks(self):
        self.check("networks", 9)


    def test_on_a_mesh(self):
        self.check("matmul", 11, cluster="blackhole-8")


def print_table(version=wheel.DEFAULT_VERSION, cluster="blackhole-1"):
    ProgramMemory.setUpClass()
    print("| op | programs | CB | DFB | SCRATCHPAD | equal |\n|---|---:|---:|---:|---:|---|")
    for name in ("eltwise", "matmul", "reduce", "data movement", "networks"):
        truth, placed = ProgramMemory().run_set(name, version=version, cluster=cluster)
        for line in truth:
            seen = placed[line["op"]].programs()
            equal = "no capture" if "error" in line else "yes" if seen == truth_of(line["programs"]) else "no"
            figures = [f"{fullest(seen)[memory]:,}" for memory in MEMORIES]
            print(f"| {line['op']} | {len(seen)} | {' | '.join(figures)} | {equal} |", flush=True)
    ProgramMemory.doClassCleanups()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--table"]:
        print_table(*sys.argv[2:])
    else:
        unittest.main()
