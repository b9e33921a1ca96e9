//! What one allocator has handed out in one memory of one device.

use std::collections::{HashMap, hash_map::Entry};

use foldhash::fast::RandomState;
use ttmem_wire::Event;

use crate::{
    holders::{self, Further},
    region::Region,
    totals::RunningTotals,
};

/// Regions by address alone: an entry is a cache line, and a close takes whole tables.
#[derive(Debug, Default)]
pub(crate) struct Place {
    regions: HashMap<u64, Region, RandomState>,
    further: Further,
}

/// What a report of an allocation did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    New,
    OneMoreHolder,
    HeldAlready,
}

impl Place {
    pub(crate) fn report(&mut self, event: &Event, totals: &mut RunningTotals) -> Reported {
        totals.allocations += 1;
        match self.regions.entry(event.address) {
            Entry::Vacant(vacant) => {
                totals.add(vacant.insert(Region::new(event)).extent());
                Reported::New
            }
            Entry::Occupied(occupied) => {
                let region = occupied.into_mut();
                let before = region.extent();
                region.widen(event);
                totals.change(before, region.extent());
                if holders::join(region, &mut self.further, event.address, event.holder) {
                    Reported::OneMoreHolder
                } else {
                    Reported::HeldAlready
                }
            }
        }
    }

    /// A holder lets go. Returns its id, 0 if it has none, and the region if it was the last; `None` if nobody here is meant.
    pub(crate) fn free(&mut self, address: u64, id: u64, totals: &mut RunningTotals) -> Option<(u64, Option<Region>)> {
        let Entry::Occupied(mut occupied) = self.regions.entry(address) else { return None };
        let region = occupied.get_mut();
        let who = holders::leave(region, &mut self.further, address, id)?;
        totals.frees += 1;
        if region.holders() == 0 {
            let region = occupied.remove();
            totals.remove(region.extent());
            return Some((who, Some(region)));
        }
        Some((who, None))
    }

    /// How well a live region fits an event: whether that holder holds it, then when it came to life.
    pub(crate) fn fit(&self, address: u64, id: u64) -> Option<(bool, u64)> {
        let region = self.regions.get(&address)?;
        Some((holders::holds(region, &self.further, address, id), region.ticks))
    }

    pub(crate) fn region(&self, address: u64) -> Option<&Region> {
        self.regions.get(&address)
    }

    pub(crate) fn regions(&self) -> impl Iterator<Item = (u64, &Region)> {
        self.regions.iter().map(|(&address, region)| (address, region))
    }

    /// Tells `each` of every holder: address, id (0 for none), how many.
    pub(crate) fn each_holder(&self, mut each: impl FnMut(u64, u64, u32)) {
        for (address, region) in self.regions() {
            holders::each(region, &self.further, address, |id, count| each(address, id, count));
        }
    }
}
