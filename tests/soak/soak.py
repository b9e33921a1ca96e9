"""A program reports for a long time while readers come, look, drain and are killed at random: memory and files stay bounded, and the
last report is exact.

    python3 tests/soak/soak.py --minutes 120
    python3 tests/soak/soak.py --minutes 1 --seed 7 --rate 20000 --live 5000

TTMEM_BIN names the ttmem to test, else target/release/ttmem; the library lies beside it. Prints a table, and exits with 1 if anything
was not as it should be.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TTMEM = os.environ.get("TTMEM_BIN") or str(ROOT / "target" / "release" / "ttmem")
THREADS = 2
# What a reader may take, and how much a figure may grow from the first quarter to the last.
MOST_READER_MIB = 256
MOST_GROWTH = 1.2


def in_slot(slot, live, events):
    """The size in a slot of tests/c/steady.c after so many events of a thread, 0 if it is empty."""
    if events <= slot:
        return 0
    later = max(events - live, 0)
    rounds = lambda turns: turns // live + (turns % live > slot)
    begun, done = rounds((later + 1) // 2), rounds(later // 2)
    return (1 + (done + slot) % 7) << 10 if begun == done else 0


def mistakes(process, live, returned):
    """What the report has else than steady.c had reported."""
    wrong = []
    events = process["events"]
    if events["lost"] or events["drained_elsewhere"] or process["unmatched_frees"]:
        wrong.append(f"{events}, {process['unmatched_frees']} unmatched frees")
    for thread, calls in enumerate(returned):
        dram = next(each for each in process["devices"] if each["device_id"] == thread)["memory"]["DRAM"]
        reported = dram["allocations"] + dram["frees"]
        if not calls <= reported <= calls + 1:
            wrong.append(f"thread {thread}: {reported} events, {calls} calls had returned")
        truth = sorted(size for slot in range(live) if (size := in_slot(slot, live, reported)))
        told = sorted(each["size"] for each in process["live"] if each["device_id"] == thread)
        if told != truth or dram["live_bytes"] != sum(truth):
            wrong.append(f"thread {thread}: {sum(told)} B live in {len(told)} allocations, not {sum(truth)} in {len(truth)}")
    return wrong


def status(pid, name):
    """A figure of /proc/PID/status in MiB, 0 when the process is gone."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":")), 0)


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def folder_mib(folder):
    total, files = 0, 0
    for path in folder.iterdir():
        try:
            total, files = total + path.stat().st_blocks * 512, files + 1
        except FileNotFoundError:
            pass
    return total / 2**20, files


class Readers:
    """Commands that are started at random, and end by themselves, with their input, or by a signal."""

    KINDS = ("top", "ls", "report", "export", "follow", "serve")

    def __init__(self, folder, ring, chance):
        self.folder, self.ring, self.chance = folder, ring, chance
        self.running, self.started, self.killed, self.failed = [], collections.Counter(), 0, []
        self.most_mib = collections.Counter()

    def begin(self):
        kind = self.chance.choice(self.KINDS)
        arguments = {
            "top": ["top", "--once"], "ls": ["ls"], "report": ["report", str(self.ring)],
            "export": ["export", "-f", "csv", str(self.ring)], "follow": ["follow", str(self.ring)],
            "serve": ["serve", "--listen", "127.0.0.1:0"],
        }[kind]
        errors = tempfile.TemporaryFile()
        reader = subprocess.Popen(
            [TTMEM, *arguments], env=os.environ | {"TTMEM_DIR": str(self.folder)}, stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL, stderr=errors,
        )
        self.started[kind] += 1
        # A follower is asked now and then, the others are left alone; each second one is killed before its time.
        until = time.monotonic() + self.chance.uniform(0.01, 3 if kind not in ("follow", "serve") else 20)
        self.running.append((kind, reader, until, self.chance.random() < 0.5, errors))

    def look(self):
        for entry in list(self.running):
            kind, reader, until, is_killed, errors = entry
            self.most_mib[kind] = max(self.most_mib[kind], status(reader.pid, "VmHWM"))
            if reader.poll() is None and time.monotonic() < until:
                if kind == "follow" and self.chance.random() < 0.1:
                    try:
                        reader.stdin.write(b'{"ask":"now"}\n')
                        reader.stdin.flush()
                    except BrokenPipeError:
                        pass
                continue
            if reader.poll() is None:
                if is_killed:
                    self.killed += 1
                    reader.kill()
                elif kind == "serve":
                    reader.send_signal(signal.SIGTERM)
                elif kind == "follow":
                    reader.stdin.close()
                try:
                    reader.wait(30)
                except subprocess.TimeoutExpired:
                    self.failed.append(f"{kind} does not end")
                    reader.kill()
                    reader.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip()
            # One that another follower keeps out says so.
            if reader.returncode not in (0, -signal.SIGKILL) and "drain" not in said:
                self.failed.append(f"{kind} ended with {reader.returncode}: {said[-300:]}")
            self.running.remove(entry)

    def end(self):
        for _, reader, *_ in self.running:
            reader.kill()
            reader.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=int, default=20_000, help="events a second")
    parser.add_argument("--live", type=int, default=5_000, help="live allocations")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    chance, live = random.Random(options.seed), options.live // THREADS
    with tempfile.TemporaryDirectory(prefix="ttmem-soak-", dir="/dev/shm") as place:
        place = pathlib.Path(place)
        rings, program, words = place / "rings", place / "steady", place / "words"
        rings.mkdir(mode=0o700)
        source = ROOT / "tests" / "c" / "steady.c"
        subprocess.run(["cc", "-std=c11", "-O2", "-D_GNU_SOURCE", "-pthread", "-o", program, source, "-ldl"], check=True)
        pause_us = 1_000_000 * 1000 * THREADS // options.rate
        producer = subprocess.Popen(
            [program, words, str(THREADS), str(1 << 40), str(live), "0", str(pause_us), "1"],
            env=os.environ | {"LD_PRELOAD": str(pathlib.Path(TTMEM).with_name("libttmem.so")), "TTMEM_DIR": str(rings)},
        )
        while not (found := list(rings.glob("*.ring"))):
            time.sleep(0.01)
        readers, samples = Readers(rings, found[0], chance), []
        begin = time.monotonic()
        while (passed := time.monotonic() - begin) < options.minutes * 60:
            if len(readers.running) < 4 and chance.random() < 0.2:
                readers.begin()
            readers.look()
            if len(samples) <= passed:
                samples.append((status(producer.pid, "VmRSS"), *folder_mib(rings)))
            time.sleep(0.05)
        took = processor_seconds(producer.pid)
        producer.kill()
        producer.wait()
        readers.end()
        returned = [count for (count,) in struct.iter_unpack("<Q", words.read_bytes())][: THREADS * 8 : 8]
        report = subprocess.run([TTMEM, "report", "--json", "-", str(found[0])], capture_output=True, text=True)
        wrong = readers.failed[:10]
        try:
            (process,) = json.loads(report.stdout)["processes"]
            wrong += mistakes(process, live, returned)
        except ValueError:
            wrong.append(f"the last report: {report.stderr[-300:]}")
        quarter = len(samples) // 4 or 1
        print(f"seed {options.seed}, {passed / 60:.1f} min, {sum(returned):,} events, {sum(returned) / passed:,.0f}/s, "
              f"{took / passed:.1%} of a processor")
        print(f"readers: {dict(readers.started)}, {readers.killed} killed")
        print("most MiB of a reader:", {kind: round(mib, 1) for kind, mib in readers.most_mib.items()})
        for at, name in enumerate(("program, MiB", "files, MiB", "files")):
            column = [sample[at] for sample in samples]
            first, last = max(column[:quarter]), max(column[-quarter:])
            print(f"{name}: at most {max(column):.1f}; first quarter {first:.1f}, last {last:.1f}")
            # A checkpoint that is being written stands beside the one that it replaces.
            if last > first * MOST_GROWTH + 2:
                wrong.append(f"{name} grew")
        if max(readers.most_mib.values(), default=0) > MOST_READER_MIB:
            wrong.append("a reader took too much memory")
    print("\n".join(wrong) or "exact at the end")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
