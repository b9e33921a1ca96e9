"""The wheel: what is in it, and what a user does with it."""

import json
import re
import subprocess
import unittest
import zipfile

import installed
from installed import environment, need, prefix, run

MOST_BYTES = 15 << 20
# Two workers that get nothing from their parent but its environment.
SPAWNS = """
import ctypes, multiprocessing

def work(size):
    ctypes.CDLL(None).report_allocation(0, ctypes.c_uint64(size), 0, ctypes.c_uint64(4096))

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2, maxtasksperchild=1) as pool:
        pool.map(work, [4096, 8192], chunksize=1)
        pool.close()
        pool.join()
"""


def python(*arguments, **more):
    return run(prefix() / "bin" / "python", *arguments, env=environment() | more)


class Wheel(unittest.TestCase):
    def test_it_has_one_tag_and_is_small(self):
        name = installed.wheel().name
        self.assertRegex(name, r"^ttmem-\d+\.\d+\.\d+-py3-none-manylinux_2_34_(x86_64|aarch64)\.whl$")
        with zipfile.ZipFile(installed.wheel()) as wheel:
            sizes = {entry.filename: entry.file_size for entry in wheel.infolist()}
        self.assertLess(sum(sizes.values()), MOST_BYTES, sizes)

    def test_it_has_the_licence(self):
        with zipfile.ZipFile(installed.wheel()) as wheel:
            (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
            self.assertIn("License-Expression: Apache-2.0\n", wheel.read(metadata).decode())
            licence = wheel.read(metadata.replace("METADATA", "licenses/LICENSE"))
        self.assertEqual(licence, (installed.ROOT / "LICENSE").read_bytes())

    def test_auditwheel_agrees_with_the_tag(self):
        tools = need.need(installed.tools)
        shown = " ".join(run(tools / "auditwheel", "show", installed.wheel()).split())
        tag = installed.wheel().stem.rsplit("-", 1)[1]
        self.assertIn("external versioned symbols", shown)
        consistent = re.search(r'consistent with the following platform tag: "([^"]+)"', shown)
        self.assertIsNotNone(consistent, shown)
        self.assertLessEqual(glibc(consistent[1]), glibc(tag), shown)

    def test_debug_information_is_in_files_beside_it(self):
        for name in ("ttmem", "libttmem.so"):
            file = installed.wheel().parent / "debug" / f"{name}.debug"
            self.assertIn(".debug_line", run("readelf", "-S", file))


class Installed(unittest.TestCase):
    def test_all_parts_have_the_version_of_the_workspace(self):
        version = need.version()
        said = run(prefix() / "bin" / "ttmem", "--version", env=environment())
        self.assertRegex(said, rf"^ttmem {re.escape(version)}( \([0-9a-f]{{7,}}(-dirty)?\))?\n$")
        self.assertEqual(python("-m", "ttmem", "--version"), said)
        code = "import ttmem, importlib.metadata as m; print(ttmem.__version__, m.version('ttmem'))"
        self.assertEqual(python("-c", code).split(), [version, version])
        self.assertIn(f"-{version}-", installed.wheel().name)

    def test_doctor_finds_the_library_without_an_activated_environment(self):
        command = [str(prefix() / "bin" / "python"), "-m", "ttmem", "doctor", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment() | {"PATH": "/usr/bin:/bin"})
        self.assertIn(done.returncode, (0, 1), done.stderr)
        (library,) = [check for check in json.loads(done.stdout)["checks"] if check["check"] == "library"]
        self.assertEqual(library["verdict"], "good", library)
        self.assertIn(str((prefix() / "lib" / "libttmem.so").resolve()), library["found"])

    def test_run_reports_what_a_c_client_left(self):
        program, report = installed.folder() / "client", installed.folder() / "client.json"
        include, lib = prefix() / "include", prefix() / "lib"
        run("cc", "-std=c11", "-g", installed.CLIENT, f"-I{include}", f"-L{lib}", f"-Wl,-rpath,{lib}", "-lttmem", "-o", program)
        said = run("ttmem", "run", "--json", report, "--", program, env=environment())
        self.assertIn("18 events reported", said)
        self.assertEqual(left(report), installed.LEFT)

    def test_python_finds_command_and_library(self):
        code = "from ttmem import _find; print(_find.find_command()); print(_find.find_library())"
        found = python("-c", code, PATH="/usr/bin:/bin").split()
        self.assertEqual(found, [str((prefix() / place).resolve()) for place in ("bin/ttmem", "lib/libttmem.so")])

    def test_workers_that_are_spawned_track_by_themselves_where_autostart_is_set(self):
        rings = installed.folder() / "autostart"
        rings.mkdir(mode=0o700)
        program = installed.folder() / "spawns.py"
        program.write_text(SPAWNS)
        run(prefix() / "bin" / "python", program, env=environment() | {"TTMEM_DIR": str(rings), "TTMEM_AUTOSTART": "1"})
        report = json.loads(run("ttmem", "report", "--quiet", "--json", "-", rings, env=environment()))
        live = sorted(allocation["size"] for process in report["processes"] for allocation in process["live"])
        self.assertEqual((len(report["processes"]), live), (2, [4096, 8192]))

    def test_the_plugin_comes_by_its_entry_point(self):
        code = "from importlib.metadata import entry_points as e; print(*[p.value for p in e(group='pytest11')])"
        self.assertEqual(python("-c", code).split(), ["ttmem.pytest_plugin"])


def left(report):
    """The bytes that are live at the end of the one process in the report."""
    (process,) = json.loads(report.read_text())["processes"]
    return sum(allocation["size"] for allocation in process["live"])


def glibc(tag):
    """The version of glibc in the name of a platform."""
    return tuple(int(part) for part in re.match(r"manylinux_(\d+)_(\d+)_", tag).groups())


if __name__ == "__main__":
    unittest.main()
