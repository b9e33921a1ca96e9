"""Virtual environments with pytest and its plugins, made once and kept, as tests/ttnn/wheel.py does with ttnn.

They lie in target/python-venvs of this repository.
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "ttnn"))

import wheel  # noqa: E402
from wheel import need  # noqa: E402

TTMEM = os.environ.get("TTMEM_BIN") or str(ROOT / "target" / "release" / "ttmem")
PLUGINS = ("pytest", "pytest-xdist", "pytest-rerunfailures")


def _folder():
    """Not among the environments of the wheel's tests, which may be shared."""
    return ROOT / "target" / "python-venvs"


def python_with_pytest():
    """A python with pytest, pytest-xdist and pytest-rerunfailures."""
    return need.environment(_folder() / "pytest", wheel.find_python(), "pytest", *PLUGINS)


def python_with_notebooks():
    """A python that runs notebooks."""
    return need.environment(_folder() / "notebook", wheel.find_python(), "nbconvert", "nbconvert", "ipykernel")


def pytest_beside(python):
    """A folder with the same for another environment's python, to be named in PYTHONPATH: that environment stays as it is."""
    return need.beside(_folder() / "beside", python, "pytest", *PLUGINS)


def packages_beside(python, name, *packages):
    """A folder with these packages for a python, to be named in PYTHONPATH."""
    # By an environment's pip: that of the python itself may be missing.
    return need.beside(_folder() / name, python, name, *packages, installer=python_with_pytest())


def clean_environment(**more):
    """This process's, without what a tester set for ttmem or pytest."""
    ours = ("TTMEM_", "PYTEST_", "LD_PRELOAD", "TT_ALLOC_TRACKING_ENABLED")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return plain | {"TTMEM_BIN": TTMEM, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"} | more
