//! An allocation with its call site, and sums of allocations.

use std::{
    ops::{AddAssign, Sub},
    sync::Arc,
};

use ttmem_ledger::{Amount, LiveRegion, State, narrow};
use ttmem_recording::Tensor;
use ttmem_ring::ClockMap;
use ttmem_wire::{Memory, OnCore};

use super::sites::CallSites;
use crate::sites::CallSite;

/// A live piece of device memory, or one that was live.
#[derive(Clone, Debug)]
pub struct Allocation {
    /// On which device.
    pub device: i32,
    /// In which memory.
    pub memory: Memory,
    /// At which address within each bank.
    pub address: u64,
    /// Bytes on the device.
    pub size: u64,
    /// Bytes in each bank, where known.
    pub size_per_bank: Option<u64>,
    /// Where its address is that of one core alone.
    pub core: Option<OnCore>,
    /// Owners that have not freed it.
    pub owners: u32,
    /// Owners that ever reported it.
    pub reports: u32,
    /// What became of it.
    pub state: State,
    /// When it was made: `CLOCK_REALTIME`, ns since 1970.
    pub at_ns: u64,
    /// Where it was made. Equal sites of one analysis are one.
    pub site: Arc<CallSite>,
    /// The tensor that it was made for, where it is known.
    pub tensor: Option<Arc<Tensor>>,
    /// The thread that made it.
    pub thread: u32,
    /// Cores of program memory, else 0.
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    pub globally_allocated: bool,
    /// Held by the program cache.
    pub cached: bool,
    /// The rule of the suppression file that covers it, by its place there.
    pub suppressed_by: Option<usize>,
}

impl Allocation {
    pub(crate) fn new(region: &LiveRegion, clock: &ClockMap, sites: &CallSites<'_>) -> Self {
        Self {
            device: region.device,
            memory: region.memory,
            address: region.address,
            size: region.size,
            size_per_bank: region.size_per_bank,
            core: region.core,
            owners: region.holders,
            reports: region.reports,
            state: region.state,
            at_ns: clock.realtime_ns(region.allocated_at_ticks),
            site: sites.of(region.site),
            tensor: sites.tensor(region.tensor),
            thread: region.thread,
            num_cores: region.num_cores,
            globally_allocated: region.globally_allocated,
            cached: region.cached,
            suppressed_by: None,
        }
    }

    /// Whether an owner answers for it: no program memory, not the program cache's, and covered by no suppression.
    pub fn is_owned(&self) -> bool {
        !self.memory.is_of_programs() && !self.cached && self.suppressed_by.is_none()
    }

    /// One for tests: 1 KiB of DRAM.
    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            device: 0,
            memory: Memory::Dram,
            address: 0,
            size: 1024,
            size_per_bank: None,
            core: None,
            owners: 1,
            reports: 1,
            state: State::LiveAtExit,
            at_ns: 0,
            site: Arc::default(),
            tensor: None,
            thread: 0,
            num_cores: 0,
            globally_allocated: false,
            cached: false,
            suppressed_by: None,
        }
    }

    /// A key that is equal for equal sites.
    pub(crate) fn site_key(&self) -> usize {
        Arc::as_ptr(&self.site) as usize
    }
}

/// Allocations and their bytes, over all devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl From<Amount> for Held {
    fn from(amount: Amount) -> Self {
        Self { allocations: amount.allocations, bytes: narrow(amount.bytes) }
    }
}

impl AddAssign for Held {
    fn add_assign(&mut self, more: Self) {
        self.add(more.allocations, more.bytes);
    }
}

impl Sub for Held {
    type Output = Self;

    fn sub(self, less: Self) -> Self {
        let allocations = self.allocations.saturating_sub(less.allocations);
        Self { allocations, bytes: self.bytes.saturating_sub(less.bytes) }
    }
}

impl Held {
    /// Adds `allocations` of `bytes` in all.
    pub fn add(&mut self, allocations: u64, bytes: u64) {
        self.allocations = self.allocations.saturating_add(allocations);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The sum over these.
    pub fn of<'a>(all: impl IntoIterator<Item = &'a Allocation>) -> Self {
        let mut sum = Self::default();
        all.into_iter().for_each(|one| sum.add(1, one.size));
        sum
    }
}
