"""Starts tracking as Python starts, where TTMEM_AUTOSTART=1 asks for it: ttmem_autostart.pth of the wheel imports this module.

coverage.py comes into child processes in the same way (a .pth file and COVERAGE_PROCESS_START).
"""

from __future__ import annotations

import sys

from ttmem import _library


def _start() -> None:
    # A process that `ttmem run` started has the library already.
    if _library.enabled():
        return
    try:
        _library.start()
    except RuntimeError as error:
        # The program must run all the same.
        print(f"ttmem: TTMEM_AUTOSTART: {error}", file=sys.stderr)


_start()
