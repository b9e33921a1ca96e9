"""Call sites in programs that are put together oddly: nothing breaks, and the stack is the best that can be had."""

import json
import shutil
import subprocess
import sysconfig
import tempfile
import unittest
from pathlib import Path

import environment
import wheel
from wheel import need

LIBRARY = Path(environment.TTMEM).parent / "libttmem.so"
LATE = environment.HERE / "late_python.c"


def python_or_skip():
    return need.need(wheel.find_python)


def sites_of(process, device=0):
    return {region["address"]: region["site"] for region in process["live"] if region["device_id"] == device}


class Odd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_traced(self, *command, **variables):
        report = self.folder / "report.json"
        run = [environment.TTMEM, "run", "--quiet", "--json", str(report), "--", *map(str, command)]
        environ = environment.clean_environment(TTMEM_DIR=str(self.folder / "rings"), **variables)
        done = subprocess.run(run, env=environ, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        [process] = json.loads(report.read_text())["processes"]
        self.assertEqual(process["events"]["lost"], 0)
        return done, process

    def test_greenlets_have_stacks_of_their_own(self):
        python = python_or_skip()
        packages = need.need(environment.packages_beside, python, "greenlet", "greenlet", "gevent")
        done, process = self.run_traced(python, environment.HERE / "greenlets.py", LIBRARY, PYTHONPATH=str(packages))
        truth = {int(address): [f"{name} ({file}:{line})" for name, file, line in frames] for address, frames in json.loads(done.stdout).items()}
        self.assertGreater(len(truth), 40)
        self.assertEqual(sites_of(process), truth)

    def test_a_python_that_is_loaded_later_does_no_harm(self):
        # The library looks for an interpreter once, as it is loaded itself.
        config = sysconfig.get_config_vars()
        library = Path(config.get("LIBDIR", "")) / str(config.get("LDLIBRARY", ""))
        compiler = shutil.which("cc")
        if ".so" not in library.name or not library.exists() or compiler is None:
            raise unittest.SkipTest("no shared libpython beside this python, or no C compiler")
        program = self.folder / "late"
        subprocess.run([compiler, "-g", "-o", program, LATE, "-ldl"], check=True)
        done, process = self.run_traced(program, library, LIBRARY)
        self.assertEqual(done.stdout, "before\nfrom Python\nafter\n")
        sites = sites_of(process)
        self.assertEqual(sorted(sites), [0x1000, 0x2000, 0x3000])
        for address in (0x1000, 0x3000):
            self.assertIn("main (late+0x", sites[address][0])
        # What can be had: the interpreter's own frames, or those below it.
        self.assertTrue(sites[0x2000], "some frame of the call from Python")


if __name__ == "__main__":
    unittest.main()
