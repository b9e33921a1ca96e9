"""Where the command `ttmem` and libttmem.so are: in an installed wheel, in a source tree, and elsewhere."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

LIBRARY_NAME = "libttmem.so"
COMMAND_MISSING = "the command `ttmem` is not on PATH; install it (pip install ttmem), or set TTMEM_BIN to its path"


def find_command() -> Path | None:
    """The `ttmem` command: `TTMEM_BIN`, of this package's installation, on PATH, or built in this source tree."""
    chosen = os.environ.get("TTMEM_BIN")
    for candidate in [chosen] if chosen else _candidates():
        if candidate and os.access(candidate, os.X_OK) and Path(candidate).is_file():
            return Path(candidate).resolve()
    return None


def find_library() -> Path | None:
    """libttmem.so: `TTMEM_LIBRARY`, else beside the `ttmem` command or in ../lib of it, as the command itself finds it."""
    chosen = os.environ.get("TTMEM_LIBRARY")
    if chosen:
        return Path(chosen).resolve() if Path(chosen).is_file() else None
    command = find_command()
    folders = [] if command is None else [command.parent, command.parent / "../lib", command.parent / "../lib/ttmem"]
    for folder in folders:
        if (folder / LIBRARY_NAME).is_file():
            return (folder / LIBRARY_NAME).resolve()
    return None


def _candidates() -> list[Path | str | None]:
    packages = Path(__file__).resolve().parent.parent
    if (packages.parent / "Cargo.toml").is_file():
        return [packages.parent / "target/release/ttmem", shutil.which("ttmem")]
    return [
        Path(sysconfig.get_path("scripts"), "ttmem"),
        Path(sysconfig.get_path("scripts", "posix_user"), "ttmem"),
        # Of `pip install --target`.
        packages / "bin" / "ttmem",
        shutil.which("ttmem"),
    ]
