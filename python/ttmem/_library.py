"""The C ABI of the libttmem.so that is in this process, if one is (include/ttmem.h)."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from ttmem._find import find_library

#: Longer names of marks are cut here by the library (bytes of UTF-8).
MAX_MARK_BYTES = 255
#: The first character of reserved marks: regions, and moments that a tool waits for.
RESERVED = "\x1f"


class _Library:
    """The functions, with their types. A function that the library lacks raises AttributeError.

    Args:
        path: where the library is, None if it is in the process already.
    """

    def __init__(self, path: str | None = None) -> None:
        # A mark takes nanoseconds and keeps the GIL, since to release it takes longer. A flush waits, and releases it.
        # For all, as a preloaded library is: what is loaded later finds it first.
        quick, slow = ctypes.PyDLL(path, ctypes.RTLD_GLOBAL), ctypes.CDLL(path)
        self.mark = quick.ttmem_mark
        self.mark.argtypes, self.mark.restype = [ctypes.c_char_p], None
        self.region_begin = quick.ttmem_region_begin
        self.region_begin.argtypes, self.region_begin.restype = [ctypes.c_char_p], ctypes.c_uint64
        self.region_begin_apart = quick.ttmem_region_begin_apart
        self.region_begin_apart.argtypes, self.region_begin_apart.restype = [ctypes.c_char_p], ctypes.c_uint64
        self.region_end = quick.ttmem_region_end
        self.region_end.argtypes, self.region_end.restype = [ctypes.c_uint64], None
        self.enabled = quick.ttmem_enabled
        self.enabled.argtypes, self.enabled.restype = [], ctypes.c_bool
        self.version = quick.ttmem_version
        self.version.argtypes, self.version.restype = [], ctypes.c_char_p
        self.flush = slow.ttmem_flush
        self.flush.argtypes, self.flush.restype = [ctypes.c_uint32], ctypes.c_bool
        self.start = slow.ttmem_start
        self.start.argtypes, self.start.restype = [ctypes.c_char_p], ctypes.c_bool
        self.stop = slow.ttmem_stop
        self.stop.argtypes, self.stop.restype = [], None
        self.memory = slow.ttmem_memory
        self.memory.argtypes, self.memory.restype = [ctypes.c_int32, ctypes.c_uint8, ctypes.c_void_p], ctypes.c_bool


def _find() -> _Library | None:
    try:
        return _Library()
    except (AttributeError, OSError):
        return None


#: A library comes into a process before Python does, or by `start`.
library = _find()


def start(folder: str | os.PathLike[str] | None = None) -> bool:
    """Starts tracking in this process, if it was not started by `ttmem run`. No rebuild, no preload, no restart.

    Calls of tt-metal come to the library from now on. Memory that an allocator holds by then is reported as "allocated before
    tracking began", with exact bytes and without a call site, once that allocator is used again. Program memory of programs
    that ran before is not known. Where tracking is on already, nothing changes. The variables `TTMEM_*` are read at the first
    call: TTMEM_DISABLE=1 keeps tracking off.

    Args:
        folder: where the ring is made, in place of TTMEM_DIR. It must exist, and be the user's own.

    Returns:
        Whether events are captured.

    Raises:
        RuntimeError: if libttmem.so cannot be found or loaded.

    Source: `ttmem_start` of include/ttmem.h. Some 10 ms where ttnn is loaded.
    """
    global library
    if library is None:
        path = _path()
        try:
            library = _Library(str(path))
        except (AttributeError, OSError) as error:
            raise RuntimeError(f"ttmem.start: {path}: {error}") from None
    return bool(library.start(None if folder is None else os.fsencode(folder)))


def _path() -> Path:
    path = find_library()
    if path is None:
        raise RuntimeError("ttmem.start: no libttmem.so; install it (pip install ttmem), or set TTMEM_LIBRARY to its path")
    return path


def stop() -> None:
    """Stops tracking. What was reported stays readable: `ttmem report` shows it as a process that stopped tracking.

    A later `start` begins anew. Without the library, nothing happens.

    Source: `ttmem_stop` of include/ttmem.h.
    """
    if library is not None:
        library.stop()


def cut(name: str, room: int = MAX_MARK_BYTES) -> bytes:
    """`name` as UTF-8 of at most `room` bytes, cut between characters. A NUL, where C would stop, becomes a space."""
    encoded = name.replace("\0", " ").encode("utf-8", "replace")
    if len(encoded) > room:
        encoded = encoded[: max(room, 0)].decode("utf-8", "ignore").encode("utf-8")
    return encoded


def set_mark(name: bytes) -> None:
    """Sets a mark of any syntax, reserved ones too."""
    if library is not None:
        library.mark(name)


def mark(name: str) -> None:
    """Marks this moment with a name. Reports show the memory at each mark; `ttmem diff --from --to` compares two.

    Args:
        name: any text; more than 255 bytes of UTF-8 are cut. A name that begins with U+001F, which is reserved for
            regions, loses that character.

    Source: `ttmem_mark` of include/ttmem.h. Some 0.4 us; 0.06 us without the library.
    """
    if library is not None:
        library.mark(cut(name.lstrip(RESERVED)))


def enabled() -> bool:
    """Whether the device memory events of this process are captured: the library is in it, and on.

    Source: `ttmem_enabled`.
    """
    return library is not None and bool(library.enabled())


def flush(timeout: float = 1.0) -> bool:
    """Waits until a reader in another process can see all that was reported before.

    Not needed for safety: reported events survive the process. For tools that ask `ttmem follow`.

    Args:
        timeout: the most to wait, in seconds (a resolution of 1 ms).

    Returns:
        Whether a reader can see all of it. True without the library: nothing was reported.

    Raises:
        ValueError: if the timeout is negative.

    Source: `ttmem_flush`.
    """
    if timeout < 0:
        raise ValueError(f"ttmem.flush: the timeout is {timeout} s, and cannot be negative")
    if library is None:
        return True
    return bool(library.flush(min(int(timeout * 1000), 2**32 - 1)))


def library_version() -> str | None:
    """The version of the libttmem.so in this process, or None without one.

    Source: `ttmem_version`.
    """
    return None if library is None else library.version().decode()
