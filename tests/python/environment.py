"""Virtual environments with pytest and its plugins, made once and kept, as tests/ttnn/wheel.py does with ttnn.

They lie in target/python-venvs of this repository.
"""

import fcntl
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "ttnn"))

import wheel  # noqa: E402

TTMEM = os.environ.get("TTMEM_BIN") or str(ROOT / "target" / "release" / "ttmem")
PLUGINS = ("pytest", "pytest-xdist", "pytest-rerunfailures")


def _make(folder, *steps):
    """Runs the steps that make `folder`, unless that was done before."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / f"{folder.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            for step in steps:
                done = subprocess.run(step, capture_output=True, text=True)
                if done.returncode != 0:
                    reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                    raise wheel.Unavailable(f"pytest cannot be installed: {reason}")
            (folder / "complete").touch()


def _pip(python, *arguments):
    return [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments, *PLUGINS]


def _folder():
    """Not among the environments of the wheel's tests, which may be shared."""
    return ROOT / "target" / "python-venvs"


def python_with_pytest():
    """A python with pytest, pytest-xdist and pytest-rerunfailures."""
    folder = _folder() / "pytest"
    python = str(folder / "bin" / "python")
    _make(folder, [wheel.find_python(), "-m", "venv", str(folder)], _pip(python))
    return python


def pytest_beside(python):
    """A folder with the same for another environment's python, to be named in PYTHONPATH: that environment stays as it is."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    folder = _folder() / f"beside-{version}"
    _make(folder, _pip(python, "--target", str(folder)))
    return folder


def packages_beside(python, name, *packages):
    """A folder with these packages for a python, to be named in PYTHONPATH."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    folder = _folder() / f"{name}-{version}"
    # By an environment's pip: that of the python itself may be missing.
    _make(folder, [python_with_pytest(), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(folder), *packages])
    return folder


def clean_environment(**more):
    """This process's, without what a tester set for ttmem or pytest."""
    ours = ("TTMEM_", "PYTEST_", "LD_PRELOAD", "TT_ALLOC_TRACKING_ENABLED")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return plain | {"TTMEM_BIN": TTMEM, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"} | more
