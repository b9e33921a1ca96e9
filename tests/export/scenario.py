"""A recording with some of everything, and what is true of it, worked out here by the plainest rules."""

import random

from recording import Recording

KIB = 1024
BANKS = 12


class Scenario:
    """Process 0 (pid 100): a mesh of two chips, with tensors that come and go in any order, circular buffers that overlap, a
    refusal, marks, and some that stay. Process 1 (pid 200): one device, a leak, and a close that releases something."""

    def __init__(self, steps=300):
        self.recording = Recording()
        # (pid, device, memory, address) -> (born, size); then lifetimes (pid, device, memory, address, size, born, ended).
        self.live, self.lifetimes = {}, []
        # Regions of the program: (name, begin, end), in the order of their ends.
        self.regions = []
        # (pid, device, memory) -> [(time, bytes)]
        self.counters = {}
        self.peaks = {}
        self.events = 0
        # What lives after the first event of the mesh.
        self.first = set()
        self.mesh(steps)
        self.single()
        # With the one that no export shows.
        self.recorded = self.events + 1

    def now(self, ticks):
        return Recording.START + ticks

    def add(self, pid, number, ticks, kind, devices, **event):
        self.events += 1
        self.recording.event(number, ticks, kind, **event)
        if kind not in ("allocate", "free"):
            return
        for device in devices:
            key = (pid, device, event["memory"], event["address"])
            if kind == "allocate":
                self.live[key] = (ticks, event["size"])
            else:
                born, size = self.live.pop(key)
                self.lifetimes.append((*key, size, self.now(born), self.now(ticks)))
            self.count(key[:3], ticks)
        self.look(pid)

    def count(self, place, ticks, footprint=None):
        bytes_now = sum(size for key, (_, size) in self.live.items() if key[:3] == place)
        self.counters.setdefault(place, []).append((self.now(ticks), bytes_now if footprint is None else footprint))

    def look(self, pid):
        all_now = sum(readings[-1][1] for place, readings in self.counters.items() if place[0] == pid)
        if all_now > self.peaks.get(pid, (0, {}))[0]:
            self.peaks[pid] = (all_now, {
                place: readings[-1][1] for place, readings in self.counters.items() if place[0] == pid
            })

    def mesh(self, steps):
        chips, chance = [0, 1], random.Random(3)
        self.recording.process(0, 100, ["python", "a, \"b\"; c.py"])
        self.recording.pool(0, 0, chips)
        ticks, held, holder, top = 1000, [], 0, 0x10_0000
        for step in range(steps):
            ticks += chance.randrange(50, 5000)
            if not held or (chance.random() < 0.55 and len(held) < 40):
                pages = chance.choice([1, 12, 13, 48])
                per_bank = -(-pages // BANKS) * KIB
                holder += 1
                event = dict(
                    memory=chance.choice(["DRAM", "L1"]), pool=0, address=top, size=pages * KIB, per_bank=per_bank,
                    holder=holder, thread=chance.choice([7, 8]),
                )
                top += per_bank
                held.append(event)
                self.add(100, 0, ticks, "allocate", chips, **event)
            else:
                # In any order: lifetimes overlap without being nested.
                self.add(100, 0, ticks, "free", chips, **held.pop(chance.randrange(len(held))))
            self.first = self.first or set(self.live)
            if step % 100 == 50:
                self.add(100, 0, ticks + 1, "mark", chips, name=f'step {step}, "half"')
            self.region_marks(step, ticks + 2)
            if step == 120:
                # Two programs place theirs over each other: 3 KiB in all.
                for at, (address, size) in enumerate([(0x1000, 2 * KIB), (0x1400, 2 * KIB), (0x1400, 2 * KIB)]):
                    self.add(100, 0, ticks + 2 + at, "cb_allocate", chips, memory="CB", pool=0, address=address, size=size,
                             extra=4)
                    for chip in chips:
                        self.count((100, chip, "CB"), ticks + 2 + at, [2 * KIB, 3 * KIB, 3 * KIB][at])
                self.look(100)
            if step == 200:
                self.add(100, 0, ticks + 2, "out_of_memory", chips, memory="DRAM", pool=0, size=1 << 40, per_bank=1 << 36,
                         free=5 * KIB, largest=4 * KIB)
            if step == 250:
                self.add(100, 0, ticks + 2, "cb_free_all", chips, memory="CB", pool=0)
                for chip in chips:
                    self.count((100, chip, "CB"), ticks + 2, 0)
            ticks += 10
        self.recording.status(0)
        self.end_of_mesh = dict(self.live)

    def region_marks(self, step, ticks):
        """Two regions of one thread that are not nested, and a moment that is no event."""
        mark = lambda text: self.add(100, 0, ticks, "mark", [], name="\x1f" + text)
        if step == 10:
            self.outer = self.now(ticks)
            mark("region:begin:1:warm: up")
        if step == 12:
            self.inner = self.now(ticks)
            mark("region:apart:b:inner")
        if step == 60:
            mark("region:end:1")
            self.regions.append(("warm: up", self.outer, self.now(ticks)))
        if step == 70:
            self.recording.event(0, ticks, "mark", name="\x1fsync:4711")
        if step == 90:
            mark("region:end:b")
            self.regions.append(("inner", self.inner, self.now(ticks)))

    def single(self):
        self.recording.process(1, 200, ["./a.out"])
        ticks = 5000
        # Two regions that would overlap if the address were not one within each bank.
        for address, size in [(0x3FFFF000, 24 * KIB), (0x3FFFF800, 12 * KIB)]:
            self.add(200, 1, ticks, "allocate", [3], memory="DRAM", device=3, address=address, size=size)
            ticks += 1000
        self.add(200, 1, ticks, "allocate", [5], memory="L1_SMALL", device=5, address=64, size=100)
        ticks += 500
        self.add(200, 1, ticks, "device_closed", [5], device=5)
        born, size = self.live.pop((200, 5, "L1_SMALL", 64))
        self.lifetimes.append((200, 5, "L1_SMALL", 64, size, self.now(born), self.now(ticks)))
        self.count((200, 5, "L1_SMALL"), ticks)
        self.recording.status(1, ended={"signal": 9}, lost=3)
