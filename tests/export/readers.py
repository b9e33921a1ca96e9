"""Gets the readers of others, once, and keeps them: a virtual environment with packages of PyPI, and packages of npm.

They lie in $TTMEM_TEST_READERS, else in target/export-readers of this repository.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYPI = ["perfetto==0.59.1", "protobuf==7.36.2", "duckdb==2.0.0", "jsonschema==4.26.0"]
NPM = ["pprof-format@2.3.2", "speedscope@1.25.0", "@grafana/schema@13.2.3", "typescript@5.9.3"]


class Unavailable(Exception):
    """A reader cannot be had here; the message says what is missing."""


def folder():
    return pathlib.Path(os.environ.get("TTMEM_TEST_READERS") or ROOT / "target" / "export-readers")


def run(name, *command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"{name} cannot be installed: {reason}")


def made(name, packages, make):
    """A folder of this name with these packages, made at the first call."""
    place = folder() / name
    folder().mkdir(parents=True, exist_ok=True)
    with open(folder() / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = place / "complete"
        if not complete.exists() or complete.read_text().split() != packages:
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            complete.write_text("\n".join(packages))
    return place


def python():
    """The python of an environment with the packages of PyPI."""

    def make(place):
        run("a virtual environment", sys.executable, "-m", "venv", str(place))
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run("a package of PyPI", *pip, *PYPI)

    return str(made("python", PYPI, make) / "bin" / "python")


def node():
    """The folder with the packages of npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Unavailable("no node and npm on PATH")

    def make(place):
        place.mkdir()
        (place / "package.json").write_text('{"private": true}')
        run("a package of npm", "npm", "install", "--silent", "--no-fund", "--no-audit", *NPM, cwd=place)

    return made("node", NPM, make)


def system(command):
    """A command that is a package of the system."""
    if not shutil.which(command):
        raise Unavailable(f"no {command} on PATH")
    return command
