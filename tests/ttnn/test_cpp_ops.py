"""A C++ program on the simulated libtt_metal, with a stand-in for _ttnncpp.so: ops by the names of C++, and a captured trace."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from test_acceptance import TTMEM

C = pathlib.Path(__file__).resolve().parent.parent / "c"
CXX = os.environ.get("CXX", "c++").split()


def compile_to(folder):
    """The program, its libraries beside it."""
    def build(output, sources, *flags):
        command = [*CXX, "-std=c++17", "-O2", "-g", "-D_GNU_SOURCE", *map(str, sources), *flags, "-pthread"]
        subprocess.run([*command, "-o", str(folder / output)], check=True)

    shared = ("-shared", "-fPIC", "-fvisibility=default", "-fsemantic-interposition")
    simulation = [path for path in sorted((C / "sim").glob("*.cpp")) if path.name != "scenarios.cpp"]
    beside = (f"-L{folder}", "-Wl,-rpath,$ORIGIN")
    build("libtt_metal.so", simulation, *shared, "-Wl,-soname,libtt_metal.so")
    build("_ttnncpp.so", [C / "ops" / "ttnncpp.cpp"], *shared, *beside, "-ltt_metal", "-Wl,-soname,_ttnncpp.so")
    build("model", [C / "ops" / "model.cpp"], *beside, "-l:_ttnncpp.so", "-ltt_metal")
    return folder / "model"


@unittest.skipUnless(shutil.which(CXX[0]), "no C++ compiler")
class CppOperations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        folder = pathlib.Path(holder.name)
        report = folder / "report.json"
        command = [TTMEM, "run", "--quiet", "--json", str(report), "--", str(compile_to(folder))]
        environment = os.environ | {"TTMEM_DIR": str(folder / "rings")}
        subprocess.run(command, check=True, env=environment, timeout=120)
        (cls.process,) = json.loads(report.read_text())["processes"]

    def ops(self, memory):
        live = [one for one in self.process["live"] if one["device_id"] == 0 and one["memory"] == memory]
        return sorted(one.get("op") or "" for one in live)

    def test_an_op_is_the_outermost_function_of_ttnn(self):
        self.assertEqual(self.ops("DRAM"), ["", "", "ttnn::linear"])
        self.assertEqual(self.ops("L1"), ["ttnn::transformer::concatenate_heads"])

    def test_programs_have_it_too(self):
        self.assertEqual(self.ops("CB"), ["ttnn::linear"])
        self.assertEqual(self.ops("DFB"), ["ttnn::linear"])

    def test_what_is_younger_than_a_captured_trace_is_found(self):
        (text,) = [one["text"] for one in self.process["findings"] if one["id"] == "after-trace"]
        # On each of two chips; `safe` came after a trace that was released before.
        self.assertTrue(text.startswith("2 allocations were made after a trace was captured"), text)
        self.assertIn("192.0 KiB", text)

    def test_the_trace_region_has_its_peak(self):
        trace = self.process["devices"][0]["memory"]["TRACE"]
        self.assertEqual((trace["peak_bytes"], trace["live_bytes"]), (32 << 10, 16 << 10))


if __name__ == "__main__":
    unittest.main()
