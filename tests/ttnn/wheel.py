"""Makes a virtual environment with a ttnn wheel and the stand-in device compiler, once, and keeps it.

    python3 wheel.py [VERSION]      prints the path of its python

It lies in $TTMEM_TEST_VENVS, else in target/ttnn-venvs of this repository.
"""

import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import cluster_descriptors  # noqa: E402
import need  # noqa: E402

DEFAULT_VERSION = "0.81.1"
# The wheels are built for these.
PYTHONS = ("3.10", "3.12")


class Unavailable(need.Unavailable):
    """There can be no wheel here; the message says what is missing."""

    required_by = "TTMEM_REQUIRE_TTNN"


def venvs():
    return pathlib.Path(os.environ.get("TTMEM_TEST_VENVS") or HERE.parent.parent / "target" / "ttnn-venvs")


def find_python():
    """A CPython that the wheels are made for: on PATH, else pyenv's.

    Its own path: what PATH names may be pyenv's launcher, which fails wherever that version is not the active one.
    """
    candidates = [shutil.which(f"python{version}") for version in PYTHONS]
    root = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    for version in PYTHONS:
        candidates += sorted(root.glob(f"versions/{version}.*/bin/python"), reverse=True)
    for candidate in filter(None, candidates):
        check = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
        answer = subprocess.run([str(candidate), "-c", check], capture_output=True, text=True)
        version, _, executable = answer.stdout.strip().partition("\n")
        if answer.returncode == 0 and version in PYTHONS:
            return executable
    raise Unavailable("no CPython 3.10 or 3.12 with venv, on PATH or in pyenv: apt install python3.12-venv, or pyenv install 3.12")


def packages(python):
    """The site-packages folder of a virtual environment."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    return pathlib.Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def write_if_different(path, text, mode=0o644):
    """By a temporary file and a rename: a program of a parallel run never reads half of it."""
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.rename(path)


def install_compiler(python, base_python):
    """Puts the stand-in compiler where tt-metal looks for it."""
    ttnn = packages(python) / "ttnn"
    folder = ttnn / "runtime" / "sfpi" / "compiler" / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = ttnn / "tt_metal" / "sfpi-version"
    # Older wheels ask for no version.
    for line in wanted.read_text().splitlines() if wanted.exists() else ():
        if line.startswith("sfpi_version="):
            write_if_different(folder / "sfpi-version", line.partition("=")[2].strip("'\""))
    # The base interpreter, isolated and without site-packages: it starts in some ten milliseconds.
    source = f"#!{os.path.realpath(base_python)} -ISE\n" + (HERE / "device_compiler.py").read_text()
    write_if_different(folder / "riscv-tt-elf-g++", source, mode=0o755)


def python_with_ttnn(version=DEFAULT_VERSION):
    """The python of an environment with this wheel; made at the first call."""
    base_python = find_python()
    name = f"ttnn {version}"

    def make(place):
        need.run(name, base_python, "-m", "venv", place, error=Unavailable)
        need.run(name, *need.pip(place / "bin" / "python"), f"ttnn=={version}", error=Unavailable)
    python = str(need.made(venvs() / f"ttnn-{version}", make) / "bin" / "python")
    install_compiler(python, base_python)
    return python


def environment(cluster, cache):
    """What a ttnn program needs to run on mock chips: `cluster` names one of cluster_descriptors.CLUSTERS, `cache` is a
    folder of its own for compiled kernels."""
    cache = pathlib.Path(cache)
    descriptors = cluster_descriptors.write_all(cache / "clusters")
    return os.environ | {
        "TT_METAL_MOCK_CLUSTER_DESC_PATH": str(descriptors[cluster]),
        "TT_METAL_CACHE": str(cache / "kernels"),
        "TT_METAL_INSPECTOR": "0",
        "TT_LOGGER_LEVEL": "off",
        "LOGURU_LEVEL": "ERROR",
        "TTNN_CONFIG_OVERRIDES": '{"root_report_path": "%s"}' % (cache / "reports"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


if __name__ == "__main__":
    try:
        print(python_with_ttnn(*sys.argv[1:2]))
    except Unavailable as reason:
        sys.exit(f"wheel.py: {reason}")
