"""What tests of exports have in common: a recording to export, and the command that does it."""

import collections
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import readers
from readers import need
from scenario import Scenario

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


class OfTheDemo(ExportTest):
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
