//! What each memory's peak was made of.
//!
//! A peak is the most bytes that were live at once in one memory of one device.

use std::sync::Arc;

use ttmem_ledger::Ledger;
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{allocation::Held, sites::CallSites};
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

/// The peaks of a process, the largest first.
pub(super) fn peaks(_ledger: &Ledger, _clock: &ClockMap, _sites: &CallSites<'_>) -> Vec<Peak> {
    Vec::new()
}
