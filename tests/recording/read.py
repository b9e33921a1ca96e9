#!/usr/bin/env python3
"""Reads a recording as docs/recording-format.md says, and prints it: a second opinion on format and page.

    tests/recording/read.py FILE

Compressed recordings need Python 3.14, or `pip install zstandard`. Slow: millions of events take minutes.
"""

import json
import struct
import sys
import zlib

CHUNK_HEAD = struct.Struct("<4s7I")
MOST_BYTES = 16 << 20
MOST_EVENTS = 65_536
WORD = (1 << 64) - 1
FREE = 2
PREVIOUS, KIND, HOLDER = range(3)
# Word, lowest bit, bits, near to.
COLUMNS = [
    (2, 0, 64, PREVIOUS),
    (7, 0, 40, KIND),
    (7, 40, 24, KIND),
    (3, 0, 64, KIND),
    (0, 0, 64, PREVIOUS),
    (1, 0, 64, PREVIOUS),
    (4, 0, 64, HOLDER),
    (5, 0, 64, HOLDER),
    (6, 0, 64, HOLDER),
]


class Damaged(Exception):
    """What lies in the file is not what was written."""


def decompress(stored):
    try:
        from compression import zstd  # Python 3.14
    except ImportError:
        import zstandard

        return zstandard.ZstdDecompressor().decompress(stored, max_output_size=MOST_BYTES)
    return zstd.decompress(stored)


def varint(content, at):
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
        if shift == 70:
            raise Damaged("a number is too long")


def bases(near, what, holder):
    """Key of the base, keys that the number becomes the base of, which shift."""
    if near == PREVIOUS:
        return "previous", ["previous"], 0
    kind = what & 15
    if near == KIND:
        return kind, [kind], kind
    of_holder = ("holder", holder % 4096)
    return of_holder if what & 255 == FREE else kind, [kind, of_holder], kind


def column(content, near, events, whats, holders):
    """The numbers of one column."""
    how, at = content[0], 1
    if how == 0:
        value, at = varint(content, at)
        numbers = [value] * events
    elif how == 1:
        count, at, table = content[at] + 1, at + 1, []
        for _ in range(count):
            value, at = varint(content, at)
            table.append(value)
        numbers = [table[symbol] for symbol in content[at : at + events]]
        at += events
    elif how == 2:
        shifts, at = content[at : at + 16], at + 16
        last, numbers = {}, []
        for index in range(events):
            value, at = varint(content, at)
            what = whats[index] if near != PREVIOUS else 0
            holder = holders[index] if near == HOLDER else 0
            base, becomes, shift = bases(near, what, holder)
            difference = (value >> 1) ^ -(value & 1)
            number = (last.get(base, 0) + (difference << shifts[shift])) & WORD
            last.update((key, number) for key in becomes)
            numbers.append(number)
    else:
        raise Damaged("a column is packed in an unknown way")
    if at != len(content) or len(numbers) != events:
        raise Damaged("a column and its events do not fit")
    return numbers


def block(content, events):
    """The records of a block, each a list of eight words."""
    records, columns, at = [[0] * 8 for _ in range(events)], [], 0
    for word, lowest, bits, near in COLUMNS:
        (length,) = struct.unpack_from("<I", content, at + 1)
        rest = content[at + 5 : at + 5 + length]
        known = (columns + [None, None])[:2]
        numbers = column(content[at : at + 1] + rest, near, events, *known)
        numbers = [number & ((1 << bits) - 1) for number in numbers]
        for record, number in zip(records, numbers):
            record[word] |= number << lowest
        columns.append(numbers)
        at += 5 + length
    if at != len(content):
        raise Damaged("bytes follow the last column")
    return records


def read(file):
    """Gives (kind, process, what it holds) for each chunk; "CUT" at the end if the file was cut short."""
    head = file.read(16)
    if head[:8] != b"TTMEMREC"[: len(head)]:
        raise Damaged("not a ttmem recording")
    if len(head) == 16 and head[8:12] not in (struct.pack("<I", 1), struct.pack("<I", 2)):
        raise Damaged("another version")
    while True:
        head = file.read(CHUNK_HEAD.size)
        if len(head) < CHUNK_HEAD.size:
            break
        kind, process, items, plain, stored, checksum, _, head_checksum = CHUNK_HEAD.unpack(head)
        if zlib.crc32(head[:28]) != head_checksum or plain > MOST_BYTES or stored > plain:
            raise Damaged("the head of a block is wrong")
        content = file.read(stored)
        if len(content) < stored:
            break
        if zlib.crc32(content) != checksum:
            raise Damaged("the checksum of a block is wrong")
        if stored != plain:
            content = decompress(content)
        if len(content) != plain:
            raise Damaged("a block has another length than it says")
        if kind == b"META":
            yield "META", process, json.loads(content)
        elif kind == b"EVNT":
            if items > MOST_EVENTS:
                raise Damaged("a block has too many events")
            yield "EVNT", process, block(content, items)
        elif kind == b"END.":
            yield "END.", process, None
            return
    yield "CUT", 0, None


def main():
    with open(sys.argv[1], "rb") as file:
        for kind, process, held in read(file):
            if kind == "EVNT":
                for words in held:
                    print(process, *(f"{word:016x}" for word in words))
            else:
                print(kind, process, "" if held is None else json.dumps(held))


if __name__ == "__main__":
    main()
