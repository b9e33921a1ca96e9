"""What one run of a test did with device memory: plain data, which goes from xdist's workers to their controller."""

from __future__ import annotations

from typing import Any, Iterable

from ttmem._pytest_limits import Limits
from ttmem._sizes import show_bytes

PHASES = ("setup", "call", "teardown")
#: Regions, alike ones of several devices counted once, that a failure lists; and frames of their sites.
LISTED = 10
FRAMES = 6


def result(nodeid: str, worker: str, answer: dict[str, Any]) -> dict[str, Any]:
    """The result of a test from the answer about its region (docs/follow.md)."""
    region, nested = answer["region"], answer["nested"]
    phases = {
        inner["name"]: inner for inner in nested if inner["parent"] == region["number"] and inner["name"] in PHASES
    }
    fixtures = [inner for inner in nested if inner["apart"]]
    return {
        "nodeid": nodeid,
        "worker": worker,
        "complete": answer["complete"],
        "memory": {name: _memory(name, region, phases) for name in _names(region)},
        "phases": {name: {memory: _peak(memory, inner)[0] for memory in _names(inner)} for name, inner in phases.items()},
        "left": region["left_behind"],
        "cached": region["left_cached"],
        "apart": region["left_apart"],
        "left_by_memory": _left_by_memory(region),
        "largest": _largest(region["left_behind_regions"]),
        "fixtures": [{"name": inner["name"], **inner["left_behind"]} for inner in fixtures],
        "trouble": None,
        "out_of_memory": answer.get("out_of_memory_text"),
    }


def trouble(nodeid: str, worker: str, why: str) -> dict[str, Any]:
    """The result of a test that nothing is known of."""
    nothing = {"buffers": 0, "bytes": 0}
    empty: dict[str, Any] = {"memory": {}, "phases": {}, "left_by_memory": {}, "largest": [], "fixtures": []}
    amounts = {"left": nothing, "cached": nothing, "apart": nothing}
    return {"nodeid": nodeid, "worker": worker, "complete": False, "trouble": why, "out_of_memory": None, **empty, **amounts}


def _rows(name: str, region: dict[str, Any]) -> Iterable[tuple[int, dict[str, Any]]]:
    for device in region["devices"]:
        if name in device["memory"]:
            yield device["device_id"], device["memory"][name]


def _names(region: dict[str, Any]) -> list[str]:
    return sorted({name for device in region["devices"] for name in device["memory"]})


def _peak(name: str, region: dict[str, Any]) -> tuple[int, int]:
    """The most that the region brought to a device, and to which."""
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
        "growth": sum(row["end_bytes"] - row["begin_bytes"] for _, row in _rows(name, region)),
    }


def _left_by_memory(region: dict[str, Any]) -> dict[str, dict[str, int]]:
    left: dict[str, dict[str, int]] = {}
    for name in _names(region):
        rows = [row["left_behind"] for _, row in _rows(name, region)]
        left[name] = {"buffers": sum(row["buffers"] for row in rows), "bytes": sum(row["bytes"] for row in rows)}
    return left


def _largest(regions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Regions that are alike on several devices are one; the largest first."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    for region in regions:
        key = (region["memory"], region["address"], region["size"], tuple(region["site"]))
        fresh = {name: region[name] for name in ("memory", "address", "size", "site")} | {"devices": []}
        groups.setdefault(key, fresh)["devices"].append(region["device_id"])
    return list(groups.values())


def complaints(found: dict[str, Any], limits: Limits) -> list[str]:
    """What a test did that its limits forbid: paragraphs for a reader, none if all is well."""
    texts = []
    for limit in limits.memory:
        over = [
            (row["peak"], name, row)
            for name, row in found["memory"].items()
            if row["peak"] > limit.size and (name == limit.memory or limit.memory is None and name != "CB")
        ]
        for peak, name, row in sorted(over, key=lambda each: -each[0]):
            during = f" during {row['phase']}" if row["phase"] else ""
            texts.append(
                f"device memory: the test brought {show_bytes(peak)} of {name} to device {row['device']}{during}, "
                f"{show_bytes(limit.size)} allowed"
            )
    if limits.leaks is not None:
        chosen = limits.leaks.memory
        left = found["left"] if chosen is None else found["left_by_memory"].get(chosen, {"buffers": 0, "bytes": 0})
        if left["bytes"] > limits.leaks.size:
            buffers = f"{left['buffers']} buffer{'' if left['buffers'] == 1 else 's'}"
            of = "" if chosen is None else f" of {chosen}"
            head = (
                f"device memory: the test left {show_bytes(left['bytes'])}{of} behind in {buffers}, "
                f"{show_bytes(limits.leaks.size)} allowed"
            )
            texts.append("\n".join([head, *listing(found, chosen)]))
    return texts


def listing(found: dict[str, Any], memory: str | None = None) -> list[str]:
    """The largest regions that were left behind, with their sites."""
    groups = [group for group in found["largest"] if memory in (None, group["memory"])]
    lines = []
    for group in groups[:LISTED]:
        lines.append(
            f"{show_bytes(group['size']):>12}  {group['memory']} at {group['address']:#x} on {_devices(group['devices'])}"
        )
        lines += [f"{'':>14}{frame}" for frame in group["site"][:FRAMES]]
    if len(groups) > LISTED:
        lines.append(f"{'':>14}and {len(groups) - LISTED} more")
    return lines


def _devices(ids: list[int]) -> str:
    ids = sorted(set(ids))
    if len(ids) == 1:
        return f"device {ids[0]}"
    if ids == list(range(ids[0], ids[0] + len(ids))):
        return f"devices {ids[0]}-{ids[-1]}, each"
    return f"devices {', '.join(map(str, ids))}, each"
