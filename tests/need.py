"""What tests need and may not find here: environments that are made once and kept, and how a test without them is skipped."""

import fcntl
import os
import pathlib
import re
import shutil
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Unavailable(Exception):
    """Something that a test needs cannot be had here; the message says what."""

    # The variable that makes this a failure; TTMEM_REQUIRE_ALL does so too.
    required_by = "TTMEM_REQUIRE_ALL"


def need(get, *arguments):
    """What `get` returns; where it cannot be had, the test is skipped, or fails if the variables require it."""
    try:
        return get(*arguments)
    except Unavailable as reason:
        if "1" in (os.environ.get("TTMEM_REQUIRE_ALL"), os.environ.get(reason.required_by)):
            raise
        raise unittest.SkipTest(str(reason)) from None


def run(what, *command, error=Unavailable, **options):
    """Runs a step of making `what`."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise error(f"{what} cannot be installed: {reason}")


def made(place, make, content=""):
    """The folder `place`, which `make(place)` fills at the first call, and again where `content` is not what it was."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.parent / f"{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        complete = place / "complete"
        if not complete.exists() or complete.read_text() != content:
            shutil.rmtree(place, ignore_errors=True)
            make(place)
            complete.write_text(content)
    return place


def environment(place, python, what, *packages, error=Unavailable):
    """The python of a virtual environment at `place` with these packages of PyPI."""

    def make(place):
        run(what, python, "-m", "venv", place, error=error)
        run(what, *pip(place / "bin" / "python"), *packages, error=error)

    return str(made(place, make, "\n".join(packages)) / "bin" / "python")


def beside(place, python, what, *packages, installer=None):
    """A folder with these packages for a python, to be named in PYTHONPATH, by the pip of `installer`. One for each version of Python."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    place = place.with_name(f"{place.name}-{version}")
    return made(place, lambda place: run(what, *pip(installer or python), "--target", place, *packages), "\n".join(packages))


def pip(python):
    """The command that installs packages."""
    return (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def version():
    """The version of the workspace, and so of all parts."""
    return re.search(r'\[workspace\.package\]\nversion = "(.+)"', (ROOT / "Cargo.toml").read_text())[1]
