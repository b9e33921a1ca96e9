"""`%%ttmem` in notebooks and IPython: the report of a cell. `%load_ext ttmem` brings it."""

from __future__ import annotations

import html
import itertools
import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from ttmem import _library, _region
from ttmem._find import COMMAND_MISSING, find_command

_cells = itertools.count(1)


def load(shell: Any) -> None:
    """Registers the magic with an IPython shell."""

    def ttmem(line: str, cell: str) -> None:
        _run_cell(shell, line, cell)

    ttmem.__doc__ = _run_cell.__doc__
    shell.register_magic_function(ttmem, "cell", "ttmem")


def _run_cell(shell: Any, line: str, cell: str) -> None:
    """Runs the cell, and shows the report of the device memory that it allocated, freed and left behind.

    %%ttmem [--page] [OPTION…]: --page shows the page of `ttmem report --html` too; other options are those of `ttmem report`.
    """
    words = shlex.split(line)
    command = find_command()
    if command is None:
        raise RuntimeError(f"%%ttmem: {COMMAND_MISSING}")
    if not _library.start():
        raise RuntimeError("%%ttmem: tracking is off: TTMEM_DISABLE or TT_ALLOC_TRACKING_ENABLED=0 is set")
    name = f"cell {next(_cells)}"
    number = _region.begin(name)
    try:
        shell.run_cell(cell)
    finally:
        _region.end(number)
    _library.flush(10)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "page.html")
        wants_page = "--page" in words
        words = [word for word in words if word != "--page"] + (["--html", str(page)] if wants_page else [])
        report = [str(command), "report", "--region", name, *words, str(os.getpid())]
        done = subprocess.run(report, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(done.stdout, end="")
        if page.is_file():
            _show(page.read_text())


def _show(page: str) -> None:
    from IPython.display import HTML, display

    display(HTML(f'<iframe srcdoc="{html.escape(page)}" style="width: 100%; height: 40em; border: 0"></iframe>'))
