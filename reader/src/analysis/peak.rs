//! What each memory's peak was made of.
//!
//! A peak is the most bytes that were live at once in one memory of one device.

use std::{cmp::Reverse, sync::Arc};

use ttmem_ledger::{Ledger, PeakComposition};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{alike, allocation::Held, sites::CallSites};
use crate::sites::CallSite;

/// The peak of one memory, on devices that have it alike.
#[derive(Clone, Debug)]
pub struct Peak {
    /// The devices.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: Memory,
    /// The most bytes that were live at once, on each.
    pub peak_bytes: u64,
    /// Bytes that `sources` add up to: those at the peak, or a little below it.
    pub at_bytes: u64,
    /// When they were live: `CLOCK_REALTIME`, ns since 1970.
    pub at_ns: u64,
    /// What was live then, the largest source first; 64 at most.
    pub sources: Vec<PeakSource>,
}

/// What one call site had live at a peak, on each device.
#[derive(Clone, Debug)]
pub struct PeakSource {
    /// The call site.
    pub site: Arc<CallSite>,
    /// Bytes of one allocation; `None` for several sizes.
    pub size: Option<u64>,
    /// Held by the program cache.
    pub cached: bool,
    /// How much.
    pub held: Held,
}

/// The peaks of a process, the largest first. Circular buffers, whose sum is a union, have none.
pub(super) fn peaks(ledger: &Ledger, clock: &ClockMap, sites: &CallSites<'_>) -> Vec<Peak> {
    let key = |one: &PeakComposition| {
        let source = |source: &ttmem_ledger::PeakSource| {
            (sites.key_of(source.site), source.size, source.cached, source.allocations, source.bytes)
        };
        (one.memory, one.peak_bytes, one.at_bytes, one.sources.iter().map(source).collect::<Vec<_>>())
    };
    let groups = alike(ledger.peaks(), |one| one.device, key);
    let mut peaks: Vec<Peak> = groups
        .into_iter()
        .filter(|group| group.first.peak_bytes > 0)
        .map(|group| Peak {
            devices: group.devices,
            memory: group.first.memory,
            peak_bytes: group.first.peak_bytes,
            at_bytes: group.first.at_bytes,
            at_ns: clock.realtime_ns(group.first.ticks),
            sources: group
                .first
                .sources
                .iter()
                .map(|source| PeakSource {
                    site: sites.of(source.site),
                    size: source.size,
                    cached: source.cached,
                    held: Held { allocations: source.allocations, bytes: source.bytes },
                })
                .collect(),
        })
        .collect();
    peaks.sort_by_key(|peak| Reverse(peak.peak_bytes));
    peaks
}
