"""Sizes as people write them: "24 MB" is 10^6, "24 MiB" is 2^20."""

from __future__ import annotations

import re

_UNITS = {"B": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS[f"{_letter}B"] = 1000**_power
    _UNITS[f"{_letter}IB"] = 1024**_power

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def parse_size(text: object) -> int:
    """Bytes of a size: "24 MB", "1.5GiB", "0 B", "4096", or a whole number.

    Args:
        text: digits, perhaps with a fraction, and a unit: B, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (powers
            of 1024), in any case; no unit means bytes.

    Returns:
        Bytes. A fraction of a byte is dropped.

    Raises:
        ValueError: if it is no size; the message has the reason.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        if text < 0:
            raise ValueError(f"{text} is no size: it is negative")
        return text
    found = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f"{text!r} is no size: write it as \"24 MB\", \"24 MiB\" or \"0 B\"")
    number, unit = found.group(1), found.group(2).upper() or "B"
    if unit not in _UNITS:
        raise ValueError(f"{text!r} is no size: {found.group(2)} is not one of B, KB, MB, GB, TB, KiB, MiB, GiB, TiB")
    whole, _, fraction = number.partition(".")
    return (int(whole + fraction) * _UNITS[unit]) // 10 ** len(fraction)


def show_bytes(size: int) -> str:
    """Bytes in binary units, as in ttmem's reports: exact below 1 KiB, else one decimal."""
    if size < 1024:
        return f"{size} B"
    value, unit = size / 1024, 0
    units = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    while value >= 1023.95 and unit + 1 < len(units):
        value, unit = value / 1024, unit + 1
    return f"{value:.1f} {units[unit]}"
