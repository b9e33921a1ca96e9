"""Checks a snapshot as PyTorch's memory viewer looks at it.

torch itself is too big to install for a test, and the viewer is a web page: these are the rules that its code relies on.
"""

import collections
import pickle
import pickletools

# The opcodes that the viewer's own unpickler knows.
OPCODES = {
    "PROTO", "STOP", "MARK", "EMPTY_LIST", "EMPTY_DICT", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "MEMOIZE", "BINGET",
    "LONG_BINGET", "SHORT_BINUNICODE", "BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "NEWTRUE", "NEWFALSE", "NONE",
    "FRAME",
}


def load(path):
    data = path.read_bytes()
    for opcode, argument, _ in pickletools.genops(data):
        assert opcode.name in OPCODES, opcode.name
        assert opcode.name != "PROTO" or argument <= 4
    return pickle.loads(data)


def check_frames(frames):
    assert all(set(frame) == {"name", "filename", "line"} for frame in frames)


def check(snapshot):
    """Tiling of segments, pairing of events. Returns live bytes at the end by device."""
    ranges, live = [], collections.defaultdict(dict)
    for segment in snapshot["segments"]:
        at = segment["address"]
        ranges.append((segment["address"], segment["address"] + segment["total_size"], segment["device"]))
        for block in segment["blocks"]:
            assert block["address"] == at, "the blocks do not tile"
            assert block["size"] > 0 and block["requested_size"] <= block["size"]
            at += block["size"]
            check_frames(block["frames"])
            if block["state"] == "active_allocated":
                assert block["frames"]
                live[segment["device"]][block["address"]] = block["requested_size"]
            else:
                assert block["state"] == "inactive"
        assert at == segment["address"] + segment["total_size"], "the blocks do not fill their segment"
        active = [block for block in segment["blocks"] if block["state"] == "active_allocated"]
        assert segment["allocated_size"] == segment["active_size"] == sum(block["size"] for block in active)
        assert segment["requested_size"] == sum(block["requested_size"] for block in active)
        check_frames(segment["frames"])
    ranges.sort()
    assert all(one[1] <= other[0] for one, other in zip(ranges, ranges[1:])), "segments overlap"
    assert not ranges or ranges[-1][1] < 1 << 53
    for device, trace in enumerate(snapshot["device_traces"]):
        check_trace(device, trace, ranges, dict(live.get(device, {})))
    return {device: sum(blocks.values()) for device, blocks in live.items()}


def check_trace(device, trace, ranges, blocks):
    """Goes back from the end, as the viewer does."""
    requested = None
    for event in reversed(trace):
        check_frames(event["frames"])
        assert event["frames"]
        if event["action"] == "oom":
            assert event["size"] < 1 << 53 and event["device_free"] < 1 << 53
            continue
        here = [found for found in ranges if found[0] <= event["addr"] < found[1]]
        assert len(here) == 1 and here[0][2] == device, "an event lies in no segment"
        if event["action"] == "free_completed":
            assert requested is None and event["addr"] not in blocks
            blocks[event["addr"]] = event["size"]
            requested = event["addr"]
        elif event["action"] == "free_requested":
            assert requested == event["addr"]
            requested = None
        else:
            assert event["action"] == "alloc" and requested is None
            assert blocks.pop(event["addr"]) == event["size"]
    assert requested is None
