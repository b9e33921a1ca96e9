"""The Debian package, the steps of the Dockerfile, and what a machine without tools gets for an answer."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import installed
from installed import ROOT, environment, folder, need, run

DOCKER = ROOT / "contrib" / "docker"


class Debian(unittest.TestCase):
    def test_the_package_has_what_works_below_usr(self):
        if not shutil.which("dpkg-deb"):
            self.skipTest("no dpkg-deb on PATH")
        place = folder() / "debian"
        run("make", "-C", ROOT, "deb-built", f"RELEASE={installed.RELEASE}", f"DEBIAN={place}")
        (package,) = place.glob("*.deb")
        self.assertRegex(package.name, rf"^ttmem_{re.escape(need.version())}_\w+\.deb$")
        run("dpkg-deb", "-x", package, place / "root")
        usr = place / "root" / "usr"
        for name in ("lib/libttmem.so", "include/ttmem.h", "share/man/man1/ttmem.1.gz", "share/doc/ttmem/copyright"):
            self.assertTrue((usr / name).is_file(), name)
        program = place / "client"
        run("cc", "-g", installed.CLIENT, f"-I{usr / 'include'}", f"-L{usr / 'lib'}", f"-Wl,-rpath,{usr / 'lib'}", "-lttmem", "-o", program)
        report = run("sh", "-c", f"{usr / 'bin' / 'ttmem'} run -- {program} 2>&1", env=environment())
        self.assertIn("18 events reported", report)


class Docker(unittest.TestCase):
    def test_its_step_installs_into_an_environment(self):
        self.assertIn("RUN /opt/ttmem/install.sh python3 /opt/ttmem\n", (DOCKER / "Dockerfile").read_text())
        python = folder() / "container" / "bin" / "python"
        run(sys.executable, "-m", "venv", python.parent.parent)
        said = run(DOCKER / "install.sh", python, installed.wheel().parent, env=os.environ | {"TTNN_VERSION": ""})
        self.assertTrue(said.startswith(f"ttmem {need.version()}"), said)

    def test_its_files_are_in_its_context(self):
        (sources,) = re.findall(r"^COPY (.*) /opt/ttmem/$", (DOCKER / "Dockerfile").read_text(), re.M)
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        self.assertEqual([f"!{source}" for source in sources.split()], ignored[1:])
        self.assertTrue((ROOT / sources.split()[0]).is_file())

    def test_it_refuses_a_folder_without_a_wheel(self):
        done = subprocess.run([DOCKER / "install.sh", sys.executable, str(DOCKER)], capture_output=True, text=True,
                              env=os.environ | {"TTNN_VERSION": ""})
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1))
        self.assertIn("make wheel", done.stderr)


class Needs(unittest.TestCase):
    """A machine on which PATH has nothing but what the script itself calls."""

    def machine(self, **commands):
        path = pathlib.Path(folder() / f"machine-{self.id()}")
        path.mkdir()
        (path / "dirname").symlink_to(shutil.which("dirname"))
        for name, said in commands.items():
            (path / name).write_text(f"#!/bin/sh\necho '{said}'\n")
            (path / name).chmod(0o755)
        return {"PATH": str(path)}

    def lacking(self, variables, *needs):
        done = subprocess.run(["/bin/sh", str(ROOT / "contrib" / "needs.sh"), *needs], capture_output=True, text=True, env=variables)
        self.assertEqual(done.returncode, 1 if done.stderr else 0)
        return done.stderr.splitlines()

    def test_a_line_for_each_that_is_missing(self):
        lines = self.lacking(self.machine(), "cargo", "cc", "python")
        for line, name, way in zip(lines, ("Rust", "C compiler", "Python"), ("rustup", "build-essential", "python3"), strict=True):
            self.assertIn(name, line)
            self.assertRegex(line, rf"Get it: .*{way}")

    def test_an_old_toolchain_is_named(self):
        (line,) = self.lacking(self.machine(cargo="cargo 1.85.1 (abcdef 2025-01-01)"), "cargo")
        self.assertIn("this is 1.85.1", line)

    def test_a_new_one_will_do(self):
        self.assertEqual(self.lacking(self.machine(cargo="cargo 2.0.0-nightly (abcdef 2027-01-01)", cc=""), "cargo", "cc"), [])

    def test_make_build_says_it_in_one_line(self):
        variables = {name: os.environ[name] for name in ("HOME",) if name in os.environ} | {"PATH": "/usr/bin:/bin"}
        done = subprocess.run(["make", "-s", "-C", str(ROOT), "build", "CARGO=no-cargo-here"], capture_output=True, text=True, env=variables)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("ttmem needs a Rust toolchain", done.stderr.splitlines()[0])


if __name__ == "__main__":
    unittest.main()
