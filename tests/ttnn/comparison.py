"""Compares what ttmem reports at each mark with what ttnn said there."""

import collections
import json

MEMORIES = ("DRAM", "L1", "L1_SMALL", "TRACE")


def read_truth(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def expected(step):
    """What the open meshes hold by their own books: bytes a bank by (chip, memory), and regions by chip.

    A submesh has an allocator of its own, which knows nothing of its parent's: on a chip that both have, the books add up.
    """
    per_bank, regions = collections.Counter(), collections.Counter()
    for mesh in step["meshes"]:
        for chip in mesh["chips"]:
            for memory, view in mesh["views"].items():
                per_bank[chip, memory] += view["per_bank"]
            for buffer in mesh["buffers"]:
                regions[chip, buffer["memory"], buffer["address"], buffer["per_bank"]] += 1
    return +per_bank, regions


def reported(mark):
    """The same of a mark in ttmem's report. Circular buffers are in no allocator's books."""
    per_bank, regions = collections.Counter(), collections.Counter()
    for device in mark["devices"]:
        for memory, totals in device["memory"].items():
            if memory in MEMORIES:
                per_bank[device["device_id"], memory] = totals["live_bytes_per_bank"]
    for region in mark["live"]:
        if region["memory"] in MEMORIES:
            regions[region["device_id"], region["memory"], region["address"], region["size_per_bank"]] += 1
    return +per_bank, regions


def differences(truth, marks):
    """One line for each step in which the two do not agree; an empty list is what a test wants."""
    lines = []
    if [step["step"] for step in truth] != [mark["name"] for mark in marks]:
        lines.append(f"steps {[step['step'] for step in truth]}, marks {[mark['name'] for mark in marks]}")
    for step, mark in zip(truth, marks):
        for what, wanted, got in zip(("bytes a bank", "regions"), expected(step), reported(mark)):
            if wanted != got:
                lines.append(f"{step['step']}: {what}: ttnn says {dict(wanted - got)}, ttmem {dict(got - wanted)}")
    return lines


def memory_stats_differences(truth):
    """The same for what ttmem told the program itself of the first chip of each mesh, which is no other mesh's.

    Nothing is known before the first allocation. Returns the lines, and how many views were compared.
    """
    lines, compared = [], 0
    for step in truth:
        chips = [chip for mesh in step["meshes"] for chip in mesh["chips"]]
        for mesh in step["meshes"]:
            for memory, view in mesh["views"].items():
                told = view["ttmem"]
                if told is None or chips.count(mesh["chips"][0]) > 1:
                    continue
                banks = told["banks"]
                wanted = [view["banks"], *(view[name] * banks for name in ("capacity", "per_bank", "largest"))]
                names = ("banks", "bytes_limit", "bytes_in_use", "largest_free_block_bytes")
                got = [told[name] for name in names]
                compared += 1
                if wanted != got or told["peak_bytes_in_use"] < told["bytes_in_use"]:
                    lines.append(f"{step['step']}: {memory}: ttnn says {wanted}, ttmem {told}")
    return lines, compared
