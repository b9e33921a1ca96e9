//! Views for tests.

use std::{collections::BTreeMap, sync::Arc};

use ttmem_ledger::Totals;
use ttmem_wire::Memory;

use crate::{CallSite, Frame, KindView, ProcessView, View, view::Capacities};

/// A process that holds so much of each of these devices.
pub(super) fn process(pid: u32, devices: &[i32], dram: u64, l1: u64) -> ProcessView {
    let totals = |bytes: u64| Totals {
        live_bytes: bytes,
        live_buffers: 2,
        live_bytes_per_bank: Some(bytes / 8),
        peak_bytes: bytes * 2,
        ..Totals::default()
    };
    let memories = [(Memory::Dram, dram), (Memory::L1, l1)].into_iter().filter(|one| one.1 > 0);
    let books = memories.flat_map(|(memory, bytes)| devices.iter().map(move |&id| (id, memory, totals(bytes))));
    ProcessView {
        pid,
        command: format!("python model.py --rank {pid}"),
        rank: (pid == 7).then_some(1),
        events: 123_456,
        lost: 0,
        is_exact: pid != 8,
        why: (pid == 8).then(|| "another reader took 5 of its events".to_owned()),
        live_bytes: (dram + l1) * devices.len() as u64,
        devices: devices.to_vec(),
        books: books.collect(),
        program_bytes: devices.iter().map(|&id| (id, if (pid, id) == (7, 0) { 384 << 10 } else { 0 })).collect(),
        headroom: Vec::new(),
    }
}

/// Allocations of a process, one call site for each size.
pub(super) fn kind(pid: u32, size: u64, allocations: u64) -> KindView {
    let frames = ["tensor (model.py:12)", "forward (model.py:20)"].map(Frame::parse);
    KindView {
        pid,
        memory: Memory::Dram,
        size,
        site: Arc::new(CallSite { op: Some("ttnn.empty".into()), frames: frames.into() }),
        site_id: 3,
        tensor: Some("bf16 [1, 1, 32, 32] TILE, interleaved".into()),
        allocations,
        bytes: size * allocations,
    }
}

/// A process with so much DRAM on one device.
pub(super) fn one_process(pid: u32, dram: u64) -> View {
    View::of(vec![process(pid, &[0], dram, 0)], [].into(), BTreeMap::new())
}

/// Four devices, of which one has circular buffers and one a known capacity; two processes, one of which was met late.
pub(super) fn two_processes() -> View {
    let capacities = [((3, Memory::Dram), (4 << 20, Some(8))), ((3, Memory::L1), (1 << 20, Some(8)))];
    View::of(
        vec![process(7, &[0, 1, 2, 3], 12 << 20, 6 << 20), process(8, &[0], 1 << 20, 0)],
        [kind(7, 6 << 20, 8), kind(8, 1 << 20, 1), kind(7, 4096, 3)].into(),
        Capacities::from(capacities),
    )
}

/// So many devices that are all different, of 32 GiB each.
pub(super) fn many_devices(number: i32) -> View {
    let one = |id: i32| process(1000 + id as u32, &[id], (id as u64 + 1) << 26, 1 << 20);
    let banks = [(Memory::Dram, (4 << 30, Some(8))), (Memory::L1, (1 << 20, Some(64)))];
    let capacities = (0..number).flat_map(|id| banks.map(|(memory, bank)| ((id, memory), bank)));
    View::of((0..number).map(one).collect(), [kind(1000, 1 << 26, 1)].into(), capacities.collect())
}
