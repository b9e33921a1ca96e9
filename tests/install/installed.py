"""The wheel, built once from what the release build made, and installed in an environment without cargo.

Nothing is compiled here but clients: TTMEM_BIN (else target/release/ttmem) is built already.
"""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

import need  # noqa: E402

RELEASE = pathlib.Path(os.environ.get("TTMEM_BIN") or ROOT / "target" / "release" / "ttmem").resolve().parent
CLIENT = ROOT / "docs" / "examples" / "leak.c"
LEFT = 4 * 64 * 1024  # what the client forgets, in bytes


def run(*command, **options):
    """Runs it, and fails with what it wrote."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def folder():
    """A folder of this run; it goes with it."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="ttmem-install-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@functools.cache
def wheel():
    """The wheel, as `make wheel` builds it after `make build`."""
    place = folder() / "wheel"
    run("make", "-C", ROOT, "wheel-built", f"RELEASE={RELEASE}", f"WHEEL={place}", f"PYTHON={sys.executable}")
    (path,) = place.glob("*.whl")
    return path


@functools.cache
def prefix():
    """An environment with nothing but pip and the wheel."""
    path = folder() / "environment"
    run(sys.executable, "-m", "venv", path)
    pip = (path / "bin" / "python", "-m", "pip", "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", wheel())
    return path


@functools.cache
def environment():
    """As after `activate`: no cargo, no ttmem but that of the wheel."""
    path = os.pathsep.join([str(prefix() / "bin"), "/usr/bin", "/bin"])
    kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ}
    assert shutil.which("cargo", path=path) is None, f"cargo is on {path}"
    return kept | {"PATH": path, "VIRTUAL_ENV": str(prefix()), "TTMEM_DIR": str(folder() / "rings"), "NO_COLOR": "1"}


def tools():
    """The folder of commands of auditwheel, CMake, Meson and Ninja, from PyPI. Made once, and kept in target."""
    packages = ("auditwheel", "cmake", "meson", "ninja")
    python = need.environment(ROOT / "target" / "install-tools", sys.executable, ", ".join(packages), *packages)
    return pathlib.Path(python).parent
