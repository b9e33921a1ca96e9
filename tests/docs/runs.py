"""What a screen of the documentation is made of: a kind and its arguments, and the run that gives its text.

Each run has a folder of its own and sees nobody else's rings, so what it prints depends on nothing but this repository.
"""

import contextlib
import functools
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "docs" / "examples"
# The build of TTMEM_BIN, else the one of this repository.
BUILT = pathlib.Path(os.environ.get("TTMEM_BIN", ROOT / "target" / "release" / "ttmem")).resolve().parent

sys.path.insert(0, str(ROOT / "tests" / "ttnn"))
import wheel  # noqa: E402


class Wrong(Exception):
    """A screen that cannot be made."""


def lasting(text):
    """Without what differs from run to run."""
    text = re.sub(r"pid \d+", "pid 4242", text)
    text = re.sub(r"run-\d+-[0-9a-f]{8}/\d+-[0-9a-f]{16}", "run-4241-5a1be69f/4242-983fd702d36e1548", text)
    text = re.sub(r"\d+\.\d+ s after the start", "4.215 s after the start", text)
    # Where in a program a compiler puts a function.
    text = re.sub(r"\+0x[0-9a-f]+", "+0x11e9", text)
    # In a table the columns stay where they are.
    return re.sub(r"^( *)(\d+)(?= +(?:alive|dead|[\d.,~]+ ))", lambda found: "4242".rjust(len(found[0])), text, flags=re.M)


class Place:
    """A folder to run in, with the examples, and rings of its own."""

    def __init__(self, folder, variables):
        self.folder, self.variables = folder, variables

    def run(self, command, **options):
        """What the command prints, both streams as a terminal shows them."""
        done = subprocess.run(command, env=self.variables, cwd=self.folder, text=True, timeout=300,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if "Traceback" in done.stdout:
            raise Wrong(f"{shlex.join(map(str, command))}: {done.stdout}")
        return done.stdout

    def type(self, line):
        """The same with the prompt and the line before it, as somebody typed it."""
        return f"$ {line}\n" + self.run(shlex.split(line))


@contextlib.contextmanager
def place(variables=None):
    with tempfile.TemporaryDirectory() as folder:
        rings = pathlib.Path(folder, "rings")
        rings.mkdir(mode=0o700)
        for example in EXAMPLES.iterdir():
            shutil.copy(example, folder)
        plain = {name: value for name, value in os.environ.items()
                 if not name.startswith("TTMEM_") and name not in ("LD_PRELOAD", "PYTHONPATH")}
        plain |= {"TTMEM_DIR": str(rings), "NO_COLOR": "1", "COLUMNS": "100"}
        plain["PATH"] = f"{BUILT}:{plain.get('PATH', os.defpath)}"
        yield Place(folder, plain | (variables(folder, plain) if variables else {}))


def ttnn(cluster="blackhole-1"):
    """A place with the real ttnn on mock chips. `python` is its interpreter, as a user types it."""
    python = wheel.python_with_ttnn()

    def variables(folder, plain):
        metal = wheel.environment(cluster, folder)
        metal = {name: value for name, value in metal.items() if name not in os.environ or os.environ[name] != value}
        path = f"{pathlib.Path(python).parent}:{plain['PATH']}"
        return metal | {"PATH": path, "PYTHONPATH": str(ROOT / "python")}

    return place(variables)


def help_screen(command=""):
    line = " ".join(filter(None, ["ttmem", command, "--help"]))
    with place() as here:
        return here.type(line)


def ttnn_screen(*words):
    with ttnn() as here:
        return here.type(shlex.join(["ttmem", "run", "--", "python", *words]))


def demo_screen():
    """The demo of the README: not one of the examples, and on eight chips."""
    with ttnn("blackhole-8") as here:
        shutil.copy(ROOT / "tests" / "ttnn" / "demo.py", here.folder)
        return here.type("ttmem run -- python demo.py")


def diff_screen():
    with ttnn() as here:
        lines = ["ttmem record --quiet -o before.ttmem -- python model.py",
                 "ttmem record --quiet -o after.ttmem -- python model.py fixed", "ttmem diff before.ttmem after.ttmem"]
        return "".join(map(here.type, lines))


def report_screen(*options):
    """A report of a recording, with these options."""
    with ttnn() as here:
        here.type("ttmem record --quiet -o run.ttmem -- python model.py")
        return here.type(shlex.join(["ttmem", "report", *options, "run.ttmem"]))


def marks_screen():
    """Two moments of one run."""
    with ttnn() as here:
        here.type("ttmem record --quiet -o run.ttmem -- python model.py")
        return here.type("ttmem diff run.ttmem --from 'step 1' --to 'step 3'")


def meanwhile(*lines):
    """What these lines say while the model runs and waits."""
    with ttnn() as here:
        model = subprocess.Popen(["ttmem", "run", "--quiet", "--", "python", "model.py", "wait"], env=here.variables,
                                 cwd=here.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            if model.stdout.readline() != "4 steps done\n":
                raise Wrong("model.py wait: it did not come to its end")
            time.sleep(0.5)
            text = "".join(map(here.type, lines))
        finally:
            model.stdin.close()
            model.wait(60)
        return text.replace(here.folder, "").replace("/rings/", "/dev/shm/ttmem-0/")


def c_screen(source):
    """A program in C or C++, built as its page says, and its report."""
    compiler, standard = (("cc", "-std=c11") if source.endswith(".c") else ("c++", "-std=c++17"))
    name = source.partition(".")[0]
    with place() as here:
        strict = ["-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-pthread"]
        linked = [f"-I{ROOT / 'include'}", f"-L{BUILT}", "-lttmem", f"-Wl,-rpath,{BUILT}"]
        complaints = here.run([compiler, standard, *strict, source, *linked, "-o", name])
        if complaints:
            raise Wrong(f"{source}: {complaints}")
        line = f"ttmem run -- ./{name}"
        return f"$ {compiler} {standard} -g {source} -lttmem -o {name}\n" + here.type(line)


def optional_screen():
    """The program whose names are weak: alone, and with the library."""
    with place() as here:
        here.run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", "optional.c", "-o", "optional"])
        return "$ cc optional.c -o optional\n" + here.type("./optional") + here.type("ttmem run --quiet -- ./optional")


KINDS = {
    "help": help_screen,
    "ttnn": ttnn_screen,
    "demo": demo_screen,
    "diff": diff_screen,
    "diff of marks": marks_screen,
    "report": report_screen,
    "top": lambda: meanwhile("ttmem top --once"),
    "ls": lambda: meanwhile("ttmem ls"),
    "optional": optional_screen,
    "c": c_screen,
}


@functools.cache
def screen(what):
    """The text of a screen, by what its comment says."""
    kind, *arguments = [what] if what in KINDS else shlex.split(what)
    if kind not in KINDS:
        raise Wrong(f"{what!r}: no such screen")
    return lasting(KINDS[kind](*arguments))
