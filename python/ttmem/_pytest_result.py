"""What one run of a test did with device memory: plain data, which goes from xdist's workers to their controller."""

from __future__ import annotations

from typing import Any, Iterable

from ttmem._pytest_limits import OF_PROGRAMS, Limits
from ttmem._sizes import show_bytes

PHASES = ("setup", "call", "teardown")
#: Allocations that a failure lists; those that several devices have alike are one.
LISTED = 10
#: Allocations and their bytes, over all devices.
Amount = dict[str, int]
NOTHING: Amount = {"allocations": 0, "bytes": 0}


def result(nodeid: str, worker: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The result of a test from the answer about its region (docs/follow.md)."""
    region, nested = answer["region"], answer["nested"]
    left = _amount(region["left_behind"])
    suppressed = _amount(region["left_suppressed"])
    phases = {
        inner["name"]: inner for inner in nested if inner["parent"] == region["number"] and inner["name"] in PHASES
    }
    fixtures = [inner for inner in nested if inner["apart"]]
    return {
        "nodeid": nodeid,
        "worker": worker,
        "complete": answer["complete"],
        "memory": {name: _memory(name, region, phases) for name in _names(region)},
        # Without what suppressions cover.
        "leftover": _less(left, suppressed),
        "leftover_by_memory": _leftover_by_memory(region),
        "largest": answer["leftover"],
        "left_behind": left,
        "suppressed": suppressed,
        "suppressions": answer["suppressions"],
        "fixtures": [{"name": inner["name"], **_amount(inner["left_behind"])} for inner in fixtures],
        "trouble": None,
        "out_of_memory": answer.get("out_of_memory_text"),
    }


def trouble(nodeid: str, worker: str, why: str) -> dict[str, Any]:
    """The result of a test without a measurement, for this reason."""
    empty: dict[str, Any] = {"memory": {}, "leftover_by_memory": {}, "largest": [], "suppressions": [], "fixtures": []}
    amounts = {name: dict(NOTHING) for name in ("leftover", "left_behind", "suppressed")}
    return {"nodeid": nodeid, "worker": worker, "complete": False, "trouble": why, "out_of_memory": None, **empty, **amounts}


def _amount(left: dict[str, int]) -> Amount:
    return {"allocations": left["buffers"], "bytes": left["bytes"]}


def _less(all_of_it: Amount, part: Amount) -> Amount:
    return {name: all_of_it[name] - part[name] for name in NOTHING}


def show_amount(amount: Amount) -> str:
    """"2 allocations (32.0 KiB)"."""
    number = amount["allocations"]
    return f"{number:,} allocation{'' if number == 1 else 's'} ({show_bytes(amount['bytes'])})"


def _rows(name: str, region: dict[str, Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    for device in region["devices"]:
        if name in device["memory"]:
            yield device["device_id"], device["memory"][name]


def _names(region: dict[str, Any]) -> list[str]:
    return sorted({name for device in region["devices"] for name in device["memory"]})


def _peak(name: str, region: dict[str, Any]) -> tuple[int, int]:
    """The most that the region added to a device, and to which."""
    return max(((row["own_peak_bytes"], -device) for device, row in _rows(name, region)), default=(0, 0))


def _memory(name: str, region: dict[str, Any], phases: dict[str, Any]) -> dict[str, Any]:
    peak, negative_device = _peak(name, region)
    highest = {
        phase: max((row["peak_bytes"] for _, row in _rows(name, inner)), default=0) for phase, inner in phases.items()
    }
    return {
        "peak": peak,
        "device": -negative_device,
        "phase": max(highest, key=lambda phase: highest[phase]) if highest and peak else None,
        "change": sum(row["end_bytes"] - row["begin_bytes"] for _, row in _rows(name, region)),
    }


def _leftover_by_memory(region: dict[str, Any]) -> dict[str, Amount]:
    leftover: dict[str, Amount] = {}
    for name in _names(region):
        rows = [_less(_amount(row["left_behind"]), _amount(row["left_suppressed"])) for _, row in _rows(name, region)]
        leftover[name] = {part: sum(row[part] for row in rows) for part in NOTHING}
    return leftover


def complaints(found: dict[str, Any], limits: Limits) -> list[str]:
    """A paragraph for each limit that a test went over."""
    texts = []
    for limit in limits.memory:
        over = [
            (row["peak"], name, row)
            for name, row in found["memory"].items()
            if row["peak"] > limit.size and (name == limit.memory or limit.memory is None and name not in OF_PROGRAMS)
        ]
        for peak, name, row in sorted(over, key=lambda each: -each[0]):
            during = f" during {row['phase']}" if row["phase"] else ""
            texts.append(
                f"device memory: the test added {show_bytes(peak)} of {name} to device {row['device']}{during}, "
                f"{show_bytes(limit.size)} allowed"
            )
    if limits.leftover is not None:
        chosen = limits.leftover.memory
        leftover = found["leftover"] if chosen is None else found["leftover_by_memory"].get(chosen, NOTHING)
        if leftover["bytes"] > limits.leftover.size:
            of = "" if chosen is None else f" of {chosen}"
            beside = f"; {show_amount(found['suppressed'])} suppressed" if found["suppressed"]["allocations"] else ""
            head = (
                f"device memory: leftover: {show_amount(leftover)}{of} never freed by the owner, "
                f"{show_bytes(limits.leftover.size)} allowed{beside}"
            )
            texts.append("\n".join([head, *listing(found, chosen)]))
    return texts


def listing(found: dict[str, Any], memory: str | None = None) -> list[str]:
    """The largest leftover allocations, with their stacks."""
    groups = [group for group in found["largest"] if memory in (None, group["memory"])]
    lines = []
    for group in groups[:LISTED]:
        lines.append(
            f"{show_bytes(group['size']):>12}  {group['memory']} at {group['address']:#x} on {_devices(group['devices'])}"
        )
        lines += [f"{'':>14}{frame}" for frame in _stack(group)]
    if len(groups) > LISTED:
        lines.append(f"{'':>14}and {len(groups) - LISTED} more")
    return lines


def _stack(group: dict[str, Any]) -> list[str]:
    """The frames, the op before the first."""
    op, frames = group.get("op"), group["stack"]
    if op is None:
        return frames
    return [f"{op}: {frames[0]}", *frames[1:]] if frames else [op]


def _devices(ids: list[int]) -> str:
    ids = sorted(set(ids))
    if len(ids) == 1:
        return f"device {ids[0]}"
    if ids == list(range(ids[0], ids[0] + len(ids))):
        return f"devices {ids[0]}-{ids[-1]}, each"
    return f"devices {', '.join(map(str, ids))}, each"
