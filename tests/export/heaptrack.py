"""What heaptrack_print says of a file: bytes and allocations by stack, exactly, and its sums as people read them."""

import re
import subprocess


def by_stack(path, cost):
    """`cost` is allocations, leaked or peak. A stack is its frames, the outermost first."""
    stacks = path.with_name(f"{path.name}.{cost}")
    command = ["heaptrack_print", str(path), "--flamegraph-cost-type", cost, "-F", str(stacks)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    found = {}
    for line in stacks.read_text().splitlines():
        frames, value = line.rsplit(";", 1)
        found[tuple(frames.split(";"))] = int(value)
    return found


def by_memory(path, cost):
    """The same by the outermost frame, which is the memory."""
    sums = {}
    for frames, value in by_stack(path, cost).items():
        memory = frames[0].removeprefix("memory ")
        sums[memory] = sums.get(memory, 0) + value
    return {memory: value for memory, value in sums.items() if value}


def told(path):
    """Its report, and the command and the number of allocations from there."""
    done = subprocess.run(["heaptrack_print", str(path), "-l"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    [command] = re.findall(r"^Debuggee command was: (.*)$", done.stdout, re.MULTILINE)
    [calls] = re.findall(r"^calls to allocation functions: (\d+) ", done.stdout, re.MULTILINE)
    [runtime] = re.findall(r"^total runtime: ([0-9.]+)s", done.stdout, re.MULTILINE)
    return {"text": done.stdout, "command": command, "allocations": int(calls), "runtime": float(runtime)}


def over_time(path):
    """(seconds, bytes) of its massif file: at each time stamp the most that was live since the one before."""
    massif = path.with_name(f"{path.name}.massif")
    subprocess.run(["heaptrack_print", str(path), "-M", str(massif)], capture_output=True, timeout=100, check=True)
    text = massif.read_text()
    return [
        (float(time), int(size)) for time, size in re.findall(r"^time=(.*)\nmem_heap_B=(\d+)$", text, re.MULTILINE)
    ]
