//! The table of sums.

use serde::Serialize;
use ttmem_wire::Memory;

use super::number::Number;
use crate::{
    analysis::{Alike, alike},
    report::{MemoryReport, ProcessReport, plain_name},
};

#[derive(Debug, Serialize)]
pub(super) struct SumsRow {
    devices: String,
    memory: String,
    live: Number,
    buffers: Number,
    bank: Option<Number>,
    capacity: Option<Number>,
    free: Option<Number>,
    block: Option<Number>,
    peak: Number,
    allocations: Number,
    frees: Number,
    at_close: Number,
}

/// The table of sums; devices that are alike in a memory are one row.
pub(super) fn sums(said: &ProcessReport) -> Vec<SumsRow> {
    let all = said.devices.iter().flat_map(|device| device.memory.iter().map(|memory| (device.device_id, memory)));
    let mut rows = alike(all, |one| one.0, |one| one.1);
    rows.sort_by_key(|row| (row.first.1.0.parse::<Memory>().ok(), row.devices[0]));
    let row = |Alike { devices, first: (_, (memory, sums)) }: Alike<(i32, (&String, &MemoryReport))>| SumsRow {
        devices: each(&devices),
        memory: memory.clone(),
        live: Number(sums.live_bytes),
        buffers: Number(sums.live_buffers),
        bank: sums.live_bytes_per_bank.map(Number),
        capacity: sums.capacity_bytes.map(Number),
        free: sums.free_bytes.map(Number),
        block: sums.largest_free_block_per_bank.map(Number),
        peak: Number(sums.peak_bytes),
        allocations: Number(sums.allocations),
        frees: Number(sums.frees),
        at_close: Number(sums.released_at_close),
    };
    rows.into_iter().map(row).collect()
}

pub(super) fn each(devices: &[i32]) -> String {
    let name = plain_name(devices);
    if devices.len() == 1 { name } else { format!("{name}, each") }
}
