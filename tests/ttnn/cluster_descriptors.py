"""Writes cluster descriptors: what tt-metal takes for the machine's chips when it runs on mock devices.

    python3 cluster_descriptors.py FOLDER      writes one file a cluster, by name

A cluster is a grid of chips, each linked to its neighbours by a few Ethernet channels.
"""

import pathlib
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Cluster:
    """A machine: `rows` x `columns` chips of one kind, `links` channels between neighbours."""

    arch: str
    board: str
    rows: int
    columns: int
    links: int
    # Cores of the Tensix grid that are fused off: one bit a row (Wormhole) or column (Blackhole).
    harvested: int
    # Whether the longer axis is closed to a ring.
    ring: bool = False

    @property
    def chips(self):
        return self.rows * self.columns

    @property
    def is_galaxy(self):
        return self.board.startswith("ubb")


# A board's serial number names its type in bits 36 to 55.
BOARD_TYPE_BITS = {"n150": 0x18, "n300": 0x14, "ubb": 0x35, "p150": 0x40, "ubb_blackhole": 0x47}

CLUSTERS = {
    "wormhole-1": Cluster("wormhole_b0", "n150", 1, 1, 0, harvested=0x40),
    "wormhole-8": Cluster("wormhole_b0", "n300", 2, 4, 2, harvested=0x201),
    "wormhole-32": Cluster("wormhole_b0", "ubb", 8, 4, 4, harvested=0),
    "blackhole-1": Cluster("blackhole", "p150", 1, 1, 0, harvested=0xC0),
    "blackhole-8": Cluster("blackhole", "p150", 2, 4, 2, harvested=0x80, ring=True),
    "blackhole-32": Cluster("blackhole", "ubb_blackhole", 8, 4, 2, harvested=0x80),
}


def edges(cluster):
    """Pairs of neighbouring chips. Chips are numbered row by row."""
    for row in range(cluster.rows):
        for column in range(cluster.columns):
            chip = row * cluster.columns + column
            if column + 1 < cluster.columns:
                yield chip, chip + 1
            elif cluster.ring:
                yield chip - column, chip
            if row + 1 < cluster.rows:
                yield chip, chip + cluster.columns


def ethernet(cluster):
    """The links: ((chip, channel), (chip, channel))."""
    free = [0] * cluster.chips

    def next_channel(chip, neighbour):
        # A galaxy's boards have each side's channels at a place of their own; elsewhere a chip gives them out in order.
        if cluster.is_galaxy:
            return galaxy_side(cluster, chip, neighbour) * (4 if cluster.arch == "wormhole_b0" else 3)
        return free[chip]

    for left, right in edges(cluster):
        first = next_channel(left, right), next_channel(right, left)
        for link in range(cluster.links):
            yield (left, first[0] + link), (right, first[1] + link)
        free[left] += cluster.links
        free[right] += cluster.links


def galaxy_place(cluster, chip):
    """Tray (0 to 3, row by row), and row and column on it as counted from the galaxy's corner: trays are mirrored."""
    row, column = divmod(chip, cluster.columns)
    tray = row // 4 * 2 + column // 2
    return tray, row if row < 4 else 7 - row, column if column < 2 else 3 - column


def galaxy_side(cluster, chip, neighbour):
    """Which group of channels leads to the neighbour: 0 outwards and 3 inwards along a row, 1 outwards and 2 inwards along a
    column."""
    tray, row, column = galaxy_place(cluster, chip)
    other_tray, other_row, other_column = galaxy_place(cluster, neighbour)
    if chip // cluster.columns == neighbour // cluster.columns:
        return 3 if other_tray != tray or other_column > column else 0
    return 2 if other_tray != tray or other_row > row else 1


def boards(cluster):
    """Which chips sit on one board."""
    if cluster.board == "n300":
        # The chip with the host's link, and the one behind it.
        half = cluster.chips // 2
        return [[chip, chip + half] for chip in range(half)]
    if cluster.is_galaxy:
        return [list(range(cluster.chips))]
    return [[chip] for chip in range(cluster.chips)]


def bus_id(cluster, chip):
    """A galaxy tells its trays and the places on them by the bus: high half the tray, low half the place."""
    tray, row, column = galaxy_place(cluster, chip)
    return (0xC0, 0x00, 0x40, 0x80)[tray] | row + 4 * column + 1


def descriptor(cluster):
    """The descriptor's text (YAML)."""
    chips = range(cluster.chips)
    with_host = [pair[0] for pair in boards(cluster)] if cluster.board == "n300" else list(chips)
    lines = ["arch:"] + [f"  {chip}: {cluster.arch}" for chip in chips]
    lines += ["chips:"]
    if cluster.board in ("n150", "n300"):
        for chip in chips:
            row, column = divmod(chip, cluster.columns)
            lines += [f"  {chip}:"] + [f"    - {coordinate}" for coordinate in (column, row, 0, 0)]
    else:
        lines += ["  {}"]
    lines += ["chip_unique_ids:"] + [f"  {chip}: {0x71_0000_0000 + chip * 0x101}" for chip in chips]
    lines += ["ethernet_connections:"]
    for ends in ethernet(cluster):
        lines += ["  -"]
        for chip, channel in ends:
            lines += [f"    - chip: {chip}", f"      chan: {channel}"]
    if cluster.chips == 1:
        lines += ["  []"]
    lines += ["ethernet_connections_to_remote_devices:", "  []"]
    lines += ["chips_with_mmio:"] + [f"  - {chip}: {place}" for place, chip in enumerate(with_host)]
    lines += ["io_device_type: PCIe", "harvesting:"]
    is_blackhole = cluster.arch == "blackhole"
    for chip in chips:
        lines += [
            f"  {chip}:",
            "    noc_translation: true",
            f"    harvest_mask: {cluster.harvested}",
            "    dram_harvesting_mask: 0",
            f"    eth_harvesting_mask: {0x120 if is_blackhole else 0}",
            f"    pcie_harvesting_mask: {2 if is_blackhole else 0}",
        ]
        if is_blackhole:
            lines += ["    l2cpu_harvesting_mask: 0"]
    if cluster.is_galaxy:
        lines += ["chip_to_bus_id:"] + [f'  {chip}: "0x{bus_id(cluster, chip):04x}"' for chip in chips]
    lines += ["boards:"]
    for number, members in enumerate(boards(cluster)):
        board_id = BOARD_TYPE_BITS[cluster.board] << 36 | 0x1000 + number
        lines += ["  -", f"    - board_id: {board_id}", f"    - board_type: {cluster.board}", "    - chips:"]
        lines += [f"        - {chip}" for chip in members]
    if is_blackhole:
        lines += ["asic_locations:"]
        place = (lambda chip: bus_id(cluster, chip) & 0xF) if cluster.is_galaxy else (lambda chip: 0)
        lines += [f"  {chip}: {place(chip)}" for chip in chips]
    return "\n".join(lines) + "\n"


def write_all(folder):
    """Writes every cluster's descriptor; returns their paths by name."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, cluster in CLUSTERS.items():
        paths[name] = folder / f"{name}.yaml"
        paths[name].write_text(descriptor(cluster))
    return paths


if __name__ == "__main__":
    for path in write_all(sys.argv[1]).values():
        print(path)
