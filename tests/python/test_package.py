"""The package without pytest: names, regions, sizes; with the library in the process, and without."""

import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import environment

sys.path.insert(0, str(environment.ROOT / "python"))

from ttmem import _library, _sizes  # noqa: E402

PROGRAM = """
import asyncio, ctypes, threading, ttmem
here = ctypes.CDLL(None)
def allocate(address, size):
    getattr(here, "report_allocation", lambda *_: None)(0, ctypes.c_uint64(size), 0, ctypes.c_uint64(address))
def free(address):
    getattr(here, "report_deallocation", lambda *_: None)(0, ctypes.c_uint64(address))

@ttmem.region("decorated")
def decorated(): allocate(0x1000, 100); return 7

@ttmem.region("generated")
def generated():
    allocate(0x2000, 10)
    yield 1
    free(0x2000)

@ttmem.region("awaited")
async def awaited():
    await asyncio.sleep(0)
    allocate(0x3000, 1)

ttmem.mark("a mark")
assert decorated() == 7 and decorated.__name__ == "decorated"
assert list(generated()) == [1]
asyncio.run(awaited())
step = ttmem.region("outer \\u00e9" * 60)
with step:
    with step, ttmem.region("inner", apart=True):
        allocate(0x4000, 1000)
try:
    with ttmem.region("raises"):
        raise KeyError
except KeyError:
    pass
def thread():
    with ttmem.region("threaded"):
        pass
worker = threading.Thread(target=thread)
with ttmem.region("around a thread"):
    worker.start(); worker.join()
ttmem.mark("\\x1fregion:begin:1:not mine")
print(ttmem.enabled(), ttmem.flush(), ttmem.flush(timeout=0.5) , ttmem.library_version() is not None)
"""


def run(*prefix, program=PROGRAM):
    variables = environment.clean_environment(PYTHONPATH=str(environment.ROOT / "python"))
    command = [*prefix, sys.executable, "-X", "dev", "-W", "error", "-c", program]
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)


AUTOSTART = """
import site, sys
before = "ttmem" in sys.modules
site.addsitedir(sys.argv[1])
by_itself = "ttmem" in sys.modules
import ttmem
print(before, by_itself, ttmem.enabled())
"""


class Package(unittest.TestCase):
    def test_without_the_library_everything_does_nothing(self):
        done = run()
        self.assertEqual((done.returncode, done.stdout), (0, "False True True False\n"), done.stderr)
        self.assertEqual(done.stderr, "")

    def test_autostart_starts_as_python_does_where_it_is_asked_for(self):
        """The .pth file of the wheel, read from the source tree as Python reads it from site-packages."""
        packages = str(environment.ROOT / "python")
        command = [sys.executable, "-W", "error", "-c", AUTOSTART, packages]
        for value, told in (("1", "False True True"), ("on", "False True True"), ("0", "False False False"), ("", "False False False")):
            variables = environment.clean_environment(TTMEM_AUTOSTART=value)
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, told + "\n", ""), value)

    def test_autostart_without_a_library_is_one_line(self):
        variables = environment.clean_environment(TTMEM_AUTOSTART="1", TTMEM_LIBRARY="/no/such.so")
        command = [sys.executable, "-c", AUTOSTART, str(environment.ROOT / "python")]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout), (0, "False True False\n"), done.stderr)
        self.assertRegex(done.stderr, r"\Attmem: TTMEM_AUTOSTART: .* no libttmem\.so.*\n\Z")

    def test_regions_are_in_the_report(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            done = run(environment.TTMEM, "run", "--json", str(path), "--")
            self.assertEqual((done.returncode, done.stdout), (0, "True True True True\n"), done.stderr)
            [process] = json.loads(path.read_text())["processes"]
        self.assertEqual([mark["name"] for mark in process["marks"]], ["a mark", "region:begin:1:not mine"])
        regions = process["regions"]
        names = [region["name"].partition(" ")[0] for region in regions]
        nested = ["outer", "outer", "inner", "raises", "around", "threaded"]
        self.assertEqual(names, ["decorated", "generated", "awaited", *nested])
        self.assertEqual([region["depth"] for region in regions], [0, 0, 0, 0, 1, 2, 0, 0, 0])
        self.assertTrue(all(region["end_ns"] >= region["begin_ns"] for region in regions))
        outer, again, inner = regions[3:6]
        self.assertEqual((again["parent"], inner["parent"], inner["apart"]), (outer["number"], again["number"], True))
        self.assertLessEqual(len(outer["name"].encode()), 240)
        self.assertTrue(outer["name"].startswith("outer é" * 20))
        left = [region["left_behind"]["bytes"] for region in regions]
        self.assertEqual(left, [100, 0, 1, 0, 0, 1000, 0, 0, 0])
        self.assertEqual(outer["left_apart"], {"buffers": 1, "bytes": 1000})
        dram = regions[1]["devices"][0]["memory"]["DRAM"]
        self.assertEqual((dram["begin_bytes"], dram["peak_bytes"], dram["own_peak_bytes"]), (100, 110, 10))
        self.assertRegex(done.stderr, r"\nRegions +times +peak +added +growth +left\n  decorated +1 +100 B +100 B  DRAM +\+100 B +100 B\n")
        self.assertRegex(done.stderr, r"\n  generated +1 +110 B +10 B  DRAM +0 B +0 B\n")

    def test_memory_stats(self):
        program = PROGRAM[: PROGRAM.index("def free")] + (
            "allocate(0x1000, 100); allocate(0x2000, 20)\n"
            "print(ttmem.memory_stats(0), ttmem.memory_stats(0, 'L1'))\n"
            "try: ttmem.memory_stats(0, 'L2')\n"
            "except ValueError as error: print(error)\n"
        )
        self.assertIn("None None\n", run(program=program).stdout)
        with tempfile.TemporaryDirectory() as folder:
            done = run(environment.TTMEM, "run", "--json", str(Path(folder) / "report.json"), "--", program=program)
        told = {"banks": 0, "bytes_limit": 0, "bytes_in_use": 120, "peak_bytes_in_use": 120}
        told |= {"largest_free_block_bytes": 0, "num_allocs": 2}
        error = "ttmem.memory_stats: 'L2' is none of DRAM, L1, L1_SMALL, TRACE"
        self.assertEqual(done.stdout, f"{told} None\n{error}\n", done.stderr)

    def test_names_are_cut_between_characters(self):
        self.assertEqual(_library.cut("é" * 200), "é".encode() * 127)
        self.assertEqual(_library.cut("a\0b"), b"a b")

    def test_sizes(self):
        for text, size in {
            "24 MB": 24 * 10**6,
            "24 MiB": 24 * 2**20,
            "24mib": 24 * 2**20,
            "0 B": 0,
            "1.5 KB": 1500,
            "1.5KiB": 1536,
            " 7 ": 7,
            4096: 4096,
            "2 TB": 2 * 10**12,
            "0.1 GB": 10**8,
        }.items():
            self.assertEqual(_sizes.parse_size(text), size, text)
        for bad in ("", "24 XB", "-1 B", "1e3", "MB", None, 1.5, True, -4, "1 2 B"):
            with self.assertRaisesRegex(ValueError, "is no size"):
                _sizes.parse_size(bad)
        self.assertEqual([_sizes.show_bytes(size) for size in (0, 1023, 1536, 2**20)], ["0 B", "1023 B", "1.5 KiB", "1.0 MiB"])


if __name__ == "__main__":
    unittest.main()
