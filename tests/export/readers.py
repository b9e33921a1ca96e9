"""Gets the readers of others, once, and keeps them: a virtual environment with packages of PyPI, and packages of npm.

They lie in $TTMEM_TEST_READERS, else in target/export-readers of this repository.
"""

import os
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import need  # noqa: E402
from need import Unavailable  # noqa: E402

PYPI = ["perfetto==0.59.1", "protobuf==7.36.2", "duckdb==2.0.0", "jsonschema==4.26.0"]
MCP = "mcp==2.3.0"
VISUALIZER = "ttnn-visualizer==0.108.0"
NPM = ["pprof-format@2.3.2", "speedscope@1.25.0", "@grafana/schema@13.2.3", "typescript@5.9.3"]


def folder():
    return pathlib.Path(os.environ.get("TTMEM_TEST_READERS") or ROOT / "target" / "export-readers")


def python():
    """The python of an environment with the packages of PyPI."""
    return need.environment(folder() / "python", sys.executable, "a package of PyPI", *PYPI)


def mcp_client():
    """The python of an environment with the SDK of the Model Context Protocol."""
    return need.environment(folder() / "mcp", sys.executable, "the SDK of the Model Context Protocol", MCP)


def visualizer():
    """The python of an environment with ttnn-visualizer."""
    return need.environment(folder() / "visualizer", sys.executable, "ttnn-visualizer", VISUALIZER)


def node():
    """The folder with the packages of npm."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Unavailable("no node and npm on PATH")

    def make(place):
        place.mkdir()
        (place / "package.json").write_text('{"private": true}')
        need.run("a package of npm", "npm", "install", "--silent", "--no-fund", "--no-audit", *NPM, cwd=place)

    return need.made(folder() / "node", make, "\n".join(NPM))


def system(command):
    """A command that is a package of the system."""
    if not shutil.which(command):
        raise Unavailable(f"no {command} on PATH")
    return command
