//! When the allocator refused: what was asked for, what it had left, and who held most.

use std::{cmp::Reverse, collections::BinaryHeap};

use serde::{Deserialize, Serialize};
use ttmem_wire::{Event, Memory};

use crate::{
    LiveRegion, MAX_LISTED, OutOfMemory, State,
    places::Places,
    totals::{Sums, is_count},
};

/// The largest holders that are kept of each.
const HOLDERS: usize = 16;
/// Regions that are looked at for them in all: a program that asks until it is refused, day and night, must not slow the
/// ledger down.
const MAX_LOOKS: usize = 50_000_000;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Refusals {
    list: Vec<OutOfMemory>,
    times: u64,
    looks: usize,
}

impl Refusals {
    pub(crate) fn note(&mut self, event: &Event, memory: Memory, devices: Vec<i32>, places: &Places, sums: &Sums) {
        self.times += 1;
        if self.list.len() >= MAX_LISTED {
            return;
        }
        let first = devices.first().copied();
        let totals = first.and_then(|device| sums.known(device, memory)).map(|totals| totals.shown());
        let regions = totals.map_or(0, |totals| totals.live_buffers as usize);
        let mut holders = Vec::new();
        if let Some(device) = first.filter(|_| self.looks + regions <= MAX_LOOKS) {
            self.looks += regions;
            holders = largest(places, device, memory);
        }
        self.list.push(OutOfMemory {
            memory,
            size: event.size,
            size_per_bank: event.size_per_bank,
            space: event.space,
            ticks: event.ticks,
            thread: event.thread,
            site: event.site,
            live_bytes: totals.map_or(0, |totals| totals.live_bytes),
            live_bytes_per_bank: totals.and_then(|totals| totals.live_bytes_per_bank),
            devices,
            holders,
        });
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn are_sound(&self) -> bool {
        self.list.len() <= MAX_LISTED && is_count(self.times) && self.looks <= MAX_LOOKS
    }

    pub(crate) fn list(&self) -> &[OutOfMemory] {
        &self.list
    }

    pub(crate) fn times(&self) -> u64 {
        self.times
    }
}

/// The largest regions there, largest first.
fn largest(places: &Places, device: i32, memory: Memory) -> Vec<LiveRegion> {
    let mut heap = BinaryHeap::with_capacity(HOLDERS + 1);
    for (key, region) in places.regions_in(device, memory) {
        heap.push(Reverse((region.extent().bytes, Reverse((key.address, key.allocator)))));
        if heap.len() > HOLDERS {
            heap.pop();
        }
    }
    let chosen = heap.into_sorted_vec();
    chosen
        .into_iter()
        .filter_map(|Reverse((_, Reverse((address, allocator))))| {
            places.shown(device, memory, address, allocator, State::Live)
        })
        .collect()
}
