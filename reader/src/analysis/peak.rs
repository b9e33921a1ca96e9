//! What each memory's peak was made of.
//!
//! A peak is the most bytes that were live at once in one memory of one device.

use std::{cmp::Reverse, sync::Arc};

use ttmem_ledger::{Ledger, PeakComposition};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{
    alike,
    allocation::Held,
    sites::{self, CallSites},
};
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
            sources: merged(group.first.sources.iter().map(|source| PeakSource {
                site: sites.of(source.site),
                size: source.size,
                cached: source.cached,
                held: Held { allocations: source.allocations, bytes: source.bytes },
            })),
        })
        .collect();
    peaks.sort_by_key(|peak| Reverse(peak.peak_bytes));
    peaks
}

/// Makes one source of those whose call sites read alike, as stacks do that differ only within ttnn.
fn merged(sources: impl Iterator<Item = PeakSource>) -> Vec<PeakSource> {
    let mut merged: Vec<PeakSource> = Vec::new();
    for source in sources {
        let is_alike = |one: &&mut PeakSource| {
            sites::is_known(&one.site) && Arc::ptr_eq(&one.site, &source.site) && one.cached == source.cached
        };
        match merged.iter_mut().find(is_alike) {
            Some(one) => {
                one.held.add(source.held.allocations, source.held.bytes);
                one.size = one.size.filter(|_| one.size == source.size);
            }
            None => merged.push(source),
        }
    }
    merged.sort_by_key(|source| Reverse(source.held.bytes));
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_that_read_alike_are_one() {
        let site = |op: &str| Arc::new(CallSite { op: Some(op.into()), ..CallSite::default() });
        let (conv, linear, unknown) = (site("ttnn.conv2d"), site("ttnn.linear"), Arc::new(CallSite::default()));
        let source = |site: &Arc<CallSite>, size: u64, cached: bool| PeakSource {
            site: site.clone(),
            size: Some(size),
            cached,
            held: Held { allocations: 1, bytes: size },
        };
        let all = [
            source(&linear, 900, false),
            source(&unknown, 800, false),
            source(&conv, 700, false),
            source(&unknown, 600, false),
            source(&conv, 600, false),
            source(&conv, 500, true),
            source(&conv, 500, true),
        ];
        let found: Vec<_> = merged(all.into_iter())
            .into_iter()
            .map(|source| (source.site.op.clone(), source.size, source.cached, source.held.allocations))
            .collect();
        let named = |site: &Arc<CallSite>| site.op.clone();
        let expected = [
            (named(&conv), None, false, 2),
            (named(&conv), Some(500), true, 2),
            (named(&linear), Some(900), false, 1),
            (None, Some(800), false, 1),
            (None, Some(600), false, 1),
        ];
        assert_eq!(found, expected);
    }
}
