"""The commands of docs/recipes.md and docs/troubleshooting.md work: each line of ttmem is run, in the order of the page.

`python` is the C program docs/examples/leak.c there, so that neither ttnn nor a device is needed.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from runs import BUILT, ROOT

# Stands for a launcher: four processes with a number each.
LAUNCHER = """#!/bin/sh
while [ "$1" != sh ]; do shift; done
for rank in 0 1 2 3; do env {variable}=$rank "$@" & done
wait
"""

# They wait for somebody.
ENDLESS = ("ttmem top", "ttmem serve", "ttmem attach 4242 --top")


def lines(page):
    """The commands of a page, those of most other tools left out, with the exit code that a comment names."""
    text = (ROOT / "docs" / page).read_text()
    blocks = "".join(re.findall(r"^```console\n(.*?)^```", text, re.M | re.S))
    for line in re.findall(r"^\$ ((?:ttmem|printf|srun|mpirun) .*)", blocks, re.M):
        code = re.search(r"# exit code (\d+)", line)
        if line.partition("#")[0].strip() not in ENDLESS:
            yield line, int(code[1]) if code else 0


class Recipes(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="ttmem-recipes-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        commands = self.folder / "commands"
        commands.mkdir()
        (commands / "ttmem").symlink_to(BUILT / "ttmem")
        self.variables = {name: value for name, value in os.environ.items() if not name.startswith(("TTMEM_", "TT_"))}
        self.variables |= {"PATH": f"{commands}:{os.environ['PATH']}", "TTMEM_DIR": str(self.folder / "rings"), "NO_COLOR": "1"}
        source = ROOT / "docs" / "examples" / "leak.c"
        flags = [f"-I{ROOT / 'include'}", f"-L{BUILT}", f"-Wl,-rpath,{BUILT}", "-lttmem"]
        subprocess.run(["cc", "-g", source, *flags, "-o", commands / "python"], check=True)
        for name, variable in (("srun", "SLURM_PROCID"), ("mpirun", "OMPI_COMM_WORLD_RANK")):
            launcher = commands / name
            launcher.write_text(LAUNCHER.format(variable=variable))
            launcher.chmod(0o755)

    def sh(self, line):
        return subprocess.run(["sh", "-c", line], cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=120)

    def attach(self, line):
        """Such a line, over a process that ends once it is tracked: its exit code and what it printed."""
        with subprocess.Popen(["sleep", "120"]) as target:
            try:
                command = ["sh", "-c", line.replace("4242", str(target.pid))]
                pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
                with subprocess.Popen(command, cwd=self.folder, env=self.variables, **pipes) as attach:
                    first = attach.stdout.readline()
                    target.kill()
                    text = first + attach.stdout.read()
                    return attach.wait(), text
            finally:
                target.kill()

    def check(self, page, at_least):
        ran = 0
        for line, expected in lines(page):
            if line.startswith("ttmem attach "):
                if shutil.which("gdb") is None:
                    continue
                code, text = self.attach(line)
            else:
                done = self.sh(line)
                code, text = done.returncode, done.stdout + done.stderr
            self.assertEqual(code, expected, f"{page}: {line}\n{text}")
            if "rank-*" in line:
                self.assertEqual(re.findall(r"^ *rank (\d) ", text.partition("\n\n")[0], re.M), list("0123"), text)
                for recording in self.folder.glob("rank-*"):
                    recording.unlink()
            ran += 1
        self.assertGreaterEqual(ran, at_least)

    def test_recipes(self):
        # A ring that a process without a reader left, and a recording with a region.
        self.assertEqual(self.sh("python").returncode, 0)
        source = ROOT / "docs" / "examples" / "regions.cpp"
        flags = f"-I{ROOT / 'include'} -L{BUILT} -Wl,-rpath,{BUILT} -lttmem"
        done = self.sh(f"c++ -std=c++17 {source} {flags} -o regions && ttmem record --quiet -o server.ttmem -- ./regions")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check("recipes.md", 25)

    def test_the_workflow(self):
        text = (ROOT / "docs" / "examples" / "device-memory.yml").read_text()
        install, *runs = re.findall(r"^ +(?:- )?run: (.*)$", text, re.M)
        self.assertRegex(install, r"^python -m pip install .*\$TTMEM_WHEEL")
        summary = self.folder / "summary"
        self.variables["GITHUB_STEP_SUMMARY"] = str(summary)
        # The program leaks.
        self.assertEqual([self.sh(line).returncode for line in runs], [23, 0, 0], runs)
        self.assertRegex(summary.read_text(), r"^```\n.*\nLeak: ")
        kept = re.search(r"path: \|\n((?: +\S+\n)+)", text)[1].split()
        self.assertEqual([name for name in kept if not (self.folder / name).stat().st_size], [], kept)
        # What the page shows of it.
        page = (ROOT / "docs" / "recipes.md").read_text()
        for line in re.findall(r"^ +(?:- )?run: (.*)$", page, re.M):
            self.assertIn(line, [install, *runs])

    def test_troubleshooting(self):
        self.check("troubleshooting.md", 4)


if __name__ == "__main__":
    unittest.main()
