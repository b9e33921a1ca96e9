"""Writes recordings, from docs/recording-format.md alone: what the exporters read is known to the last bit."""

import json
import struct
import zlib

KINDS = {
    "allocate": 1, "free": 2, "cb_allocate": 3, "cb_free_all": 4, "device_closed": 5, "pool_released": 6,
    "out_of_memory": 7, "mark": 8, "capacity": 10,
}
MEMORIES = {"DRAM": 0, "L1": 1, "SYSTEM_MEMORY": 2, "L1_SMALL": 3, "TRACE": 4, "CB": 0xCB}
IN_POOL, PER_BANK, MEMORY_UNKNOWN, CORES_KNOWN, MORE_CORES, SPACE_KNOWN = 1, 2, 8, 1 << 6, 1 << 7, 1 << 10
# As many numbers as a column's table has room for, so that a table will always do.
EVENTS_A_CHUNK = 256


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def column(numbers):
    """One column, as a table of its numbers."""
    table = sorted(set(numbers))
    place = {number: at for at, number in enumerate(table)}
    rest = bytes([len(table) - 1]) + b"".join(map(varint, table)) + bytes(place[number] for number in numbers)
    return struct.pack("<BI", 1, len(rest)) + rest


class Recording:
    """The process numbers are 0, 1, ... in the order of `process`; ticks are nanoseconds since `START`."""

    START = 1_700_000_000_000_000_000

    def __init__(self):
        self.chunks = [b"TTMEMREC" + struct.pack("<II", 1, 0)]
        self.waiting = {}
        self.sequences = {}

    def chunk(self, kind, process, items, content):
        head = kind + struct.pack("<IIIIII", process, items, len(content), len(content), zlib.crc32(content), 0)
        self.chunks.append(head + struct.pack("<I", zlib.crc32(head)) + content)

    def meta(self, **document):
        self.write_events(document["process"])
        self.chunk(b"META", document["process"], 1, json.dumps(document).encode())

    def process(self, number, pid, command):
        self.waiting[number], self.sequences[number] = [], 0
        self.meta(
            type="process", process=number, pid=pid, parent_pid=1, command=command, realtime_start_ns=self.START,
            ring_id="0" * 31 + str(number), library_version="test",
        )

    def pool(self, number, index, chips, allocator=1):
        self.meta(type="pool", process=number, index=index, allocator=allocator, mesh=None, chips=chips)

    def status(self, number, **changes):
        clock = [{"ticks": 0, "realtime_ns": self.START}, {"ticks": 10**9, "realtime_ns": self.START + 10**9}]
        status = dict(
            reported=self.sequences[number], drained=self.sequences[number], drained_elsewhere=0, lost=0, unreadable=0,
            pretended=0, is_over=True, ended={"code": 0}, clock=clock,
        )
        self.meta(type="status", process=number, **(status | changes))

    def event(self, number, ticks, kind, memory=None, device=0, pool=None, address=0, size=0, per_bank=None, holder=0,
              thread=7, extra=0, flags=0, free=None, largest=None, name=None, site=0, cores=None):
        flags |= IN_POOL if pool is not None else 0
        flags |= PER_BANK if per_bank is not None else 0
        flags |= MEMORY_UNKNOWN if memory is None else 0
        payload = [address, size, per_bank or 0, holder | site << 40]
        if cores is not None:
            # First column and row, last column and row.
            flags |= CORES_KNOWN
            payload[2] = struct.unpack("<Q", struct.pack("<4H", *cores))[0]
        if free is not None:
            flags |= SPACE_KNOWN
            payload[0], payload[3] = free, largest
        if name is not None:
            text = name.encode()
            assert len(text) <= 32
            extra = len(text)
            payload = list(struct.unpack("<4Q", text.ljust(32, b"\0")))
        what = KINDS[kind] | MEMORIES.get(memory, 0) << 8 | flags << 16 | thread << 32
        place = (pool if pool is not None else device) & 0xFFFFFFFF | extra << 32
        self.waiting[number].append([self.sequences[number], ticks, what, place, *payload])
        self.sequences[number] += 1
        if len(self.waiting[number]) == EVENTS_A_CHUNK:
            self.write_events(number)

    def write_events(self, number):
        events, self.waiting[number] = self.waiting.get(number), []
        if not events:
            return
        low = (1 << 40) - 1
        columns = [
            [event[2] for event in events], [event[7] & low for event in events], [event[7] >> 40 for event in events],
            [event[3] for event in events], [event[0] for event in events], [event[1] for event in events],
            [event[4] for event in events], [event[5] for event in events], [event[6] for event in events],
        ]
        self.chunk(b"EVNT", number, len(events), b"".join(map(column, columns)))

    def write(self, path, whole=True):
        for number in self.waiting:
            self.write_events(number)
        if whole:
            self.chunk(b"END.", 0, 0, b"")
        path.write_bytes(b"".join(self.chunks))


def rising(numbers):
    """One column, as differences to the number before."""
    before, rest = 0, bytearray(16)
    for number in numbers:
        rest += varint((number - before) << 1)
        before = number
    return struct.pack("<BI", 2, len(rest)) + bytes(rest)


def write_large(path, events):
    """Writes a recording of some million events: 200 tensors of 100 sizes on a mesh of eight chips come and go. Blocks are alike but for their times, so this takes no time an event."""
    pairs, chips = 8192, 8
    recording = Recording()
    recording.process(0, 100, ["python", "large.py"])
    recording.pool(0, 0, list(range(chips)))
    low = (1 << 40) - 1
    rows = []
    for pair in range(pairs + 200):
        # Each is freed 200 later, so lifetimes overlap without being nested.
        for kind, number in ((KINDS["allocate"], pair), (KINDS["free"], pair - 200)):
            if 0 <= number < pairs:
                slot, size = number % 250, 12_288 * (1 + number % 97)
                rows.append([kind | (IN_POOL | PER_BANK) << 16 | 7 << 32, 0, slot << 24, size, size // 12, slot + 1])
    what, place, address, size, per_bank, holder = (list(numbers) for numbers in zip(*rows))
    blocks = events // len(rows)
    fixed = [column(what), column([number & low for number in holder]), column([0] * len(rows)), column(place)]
    last = [column(address), column(size), column(per_bank)]
    sequences, ticks = rising(range(len(rows))), rising(range(0, len(rows) * 300, 300))
    with open(path, "wb") as file:
        file.write(b"".join(recording.chunks))
        recording.chunks.clear()
        for block in range(blocks):
            first = 1000 + block * len(rows) * 300
            columns = fixed + [shifted(sequences, block * len(rows)), shifted(ticks, first)] + last
            content = b"".join(columns)
            recording.chunk(b"EVNT", 0, len(rows), content)
            file.write(b"".join(recording.chunks))
            recording.chunks.clear()
        recording.sequences[0] = blocks * len(rows)
        recording.status(0)
        recording.chunk(b"END.", 0, 0, b"")
        file.write(b"".join(recording.chunks))
    return blocks * len(rows)


def shifted(rising_column, first):
    """The same column, but that it begins with another number."""
    rest = rising_column[5 + 16:]
    after = next(at for at, byte in enumerate(rest) if byte < 0x80) + 1
    rest = bytes(16) + varint(first << 1) + rest[after:]
    return struct.pack("<BI", 2, len(rest)) + rest
