//! A ring with its sidecar files on disk, some of them damaged.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use ttmem_ring::{sites_path, snapshot_path};
use ttmem_wire::Snapshot;

use crate::{Kind, Random, kind, mutated, seeds};

/// Events that the checkpoint has.
const SAVED: u64 = 60;

/// Bytes that an inflated file has in name.
const INFLATED: u64 = 1 << 30;

/// Writes the ring `name` and its sidecar files. Each is sound, damaged in its content, cut, inflated, or something else in the place of a
/// file.
///
/// # Panics
/// If there is no room.
pub fn put_damaged(folder: &Path, name: &str, random: &mut Random) -> PathBuf {
    let ring = folder.join(name);
    put(&ring, &damaged_ring(random), random);
    put(&sites_path(&ring), &or_damaged(seeds::sites(), random), random);
    let content = or_damaged(seeds::saved(SAVED), random);
    let header = Snapshot { ring_id: seeds::ring_id(), position: SAVED, missing: 0 }.encode(&content);
    put(&snapshot_path(&ring), &or_damaged([&header[..], &content].concat(), random), random);
    ring
}

/// A sound ring, of a process that is gone.
pub fn sound_ring() -> Vec<u8> {
    seeds::ring().to_vec()
}

fn damaged_ring(random: &mut Random) -> Vec<u8> {
    let mut ring = if random.below(2) == 0 { seeds::ring() } else { seeds::ring_released_to(SAVED) }.to_vec();
    for kind in [Kind::Header, Kind::Pages, Kind::Pools, Kind::Queue, Kind::Ring] {
        if random.below(4) == 0 {
            let (at, length) = kind::part(kind);
            let part = mutated(&ring[at..at + length], random);
            ring[at..].iter_mut().zip(&part[..part.len().min(length)]).for_each(|(byte, new)| *byte = *new);
        }
    }
    ring
}

fn or_damaged(bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    if random.below(3) == 0 { mutated(&bytes, random) } else { bytes }
}

fn put(path: &Path, bytes: &[u8], random: &mut Random) {
    let written = match random.below(60) {
        0 => fs::create_dir(path),
        1 => symlink("/dev/full", path),
        2 => symlink(path, path),
        3 => fs::write(path, &bytes[..random.below(bytes.len())]),
        4 => fs::write(path, bytes)
            .and_then(|()| File::options().write(true).open(path))
            .and_then(|file| file.set_len(INFLATED)),
        5 => return,
        _ => fs::write(path, bytes),
    };
    written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}
