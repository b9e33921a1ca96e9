"""What the marks of a test allow: `limit_device_memory` and `limit_device_leftover`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from ttmem._sizes import parse_size

# What programs place by themselves: limits on all memories leave it out, since it overlaps.
OF_PROGRAMS = ("CB", "DFB", "SCRATCHPAD")
MEMORIES = ("DRAM", "L1", "L1_SMALL", "TRACE", *OF_PROGRAMS, "SYSTEM_MEMORY")
#: The mark, and its earlier name.
LEFTOVER = ("limit_device_leftover", "limit_device_leaks")
MARKERS = {
    "limit_device_memory": "limit_device_memory(size, memory=None): fail the test if it brings more than `size` to any one "
    'device, in one memory ("DRAM", "L1", "L1_SMALL", "TRACE", "CB", "DFB", "SCRATCHPAD") or in any but the last three',
    "limit_device_leftover": 'limit_device_leftover(size="0 B", memory=None): fail the test if it leaves allocations of more '
    "than `size`, over all devices, in one memory or in all",
    "limit_device_leaks": "limit_device_leaks: another name of limit_device_leftover",
}


class BadLimit(Exception):
    """A mark that makes no sense; the message is one line with the name of the test."""


@dataclass(frozen=True)
class Limit:
    """At most `size` bytes. Of `memory`, or of any where it is None."""

    size: int
    memory: str | None


@dataclass(frozen=True)
class Limits:
    """What one test may do: each limit on memory, and the one on leftover allocations if there is one."""

    memory: tuple[Limit, ...] = ()
    leftover: Limit | None = None


def marks_of(item: pytest.Item) -> list[str]:
    """The names of the limits that a test has."""
    return [name for name in MARKERS if item.get_closest_marker(name) is not None]


def limits_of(item: pytest.Item, leftover_of_all: int | None) -> Limits:
    """The limits of a test. The mark nearest to the test counts; without one, --ttmem-limit-leftover.

    Raises:
        BadLimit: if a mark makes no sense.
    """
    memory: dict[str | None, Limit] = {}
    for mark in item.iter_markers("limit_device_memory"):
        limit = _limit(item, mark, None)
        memory.setdefault(limit.memory, limit)
    near = next((mark for mark in item.iter_markers() if mark.name in LEFTOVER), None)
    if near is not None:
        leftover: Limit | None = _limit(item, near, "0 B")
    else:
        leftover = None if leftover_of_all is None else Limit(leftover_of_all, None)
    return Limits(tuple(memory.values()), leftover)


def _limit(item: pytest.Item, mark: Any, default: str | None) -> Limit:
    def bad(why: str) -> BadLimit:
        return BadLimit(f"{item.nodeid}: {mark.name}: {why}")

    arguments = dict(zip(("size", "memory"), mark.args))
    if len(mark.args) > 2 or set(arguments) & set(mark.kwargs) or set(mark.kwargs) - {"size", "memory"}:
        raise bad("it takes a size, and memory=")
    arguments |= mark.kwargs
    if arguments.get("size", default) is None:
        raise bad('it needs a size, as "24 MB"')
    memory = arguments.get("memory")
    if memory is not None and memory not in MEMORIES:
        raise bad(f"{memory!r} is no memory: use one of {', '.join(MEMORIES)}")
    try:
        return Limit(parse_size(arguments.get("size", default)), memory)
    except ValueError as error:
        raise bad(str(error)) from None
