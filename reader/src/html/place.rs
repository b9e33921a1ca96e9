//! Where an allocation lives, and what it is.

use ttmem_ledger::{LiveRegion, State};
use ttmem_wire::Memory;

/// What lived where. The same again and again in a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) memory: Memory,
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) size_per_bank: Option<u64>,
    /// A number of [`super::lives::Lives::core_sets`].
    pub(super) cores: usize,
    pub(super) site: u32,
    pub(super) tensor: u32,
    /// A number of [`super::lives::Lives::device_sets`].
    pub(super) devices: usize,
    pub(super) cached: bool,
    pub(super) globally_allocated: bool,
    pub(super) preallocated: bool,
    pub(super) at_close: bool,
}

/// Where a region lives, with its devices and cores.
pub(super) fn place(region: &LiveRegion, devices: usize, cores: usize) -> Place {
    Place {
        memory: region.memory,
        address: region.address,
        size: region.size,
        // A part on a core is all that lies there.
        size_per_bank: region.size_per_bank.filter(|_| region.core.is_none()),
        cores,
        site: region.site,
        tensor: region.tensor,
        devices,
        cached: region.cached,
        globally_allocated: region.globally_allocated,
        preallocated: region.preallocated,
        at_close: region.state == State::ReleasedAtClose,
    }
}
