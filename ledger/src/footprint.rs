//! What circular buffers take of L1: on each core the union of their ranges, on the device what its fullest core gives up.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use ttmem_wire::CoreRange;

use crate::intervals::Intervals;

/// More cores than this in one rectangle are no cores of a chip: it is taken for all of them.
const MAX_CORES: u32 = 4096;

/// An address range on a rectangle of cores; without one, on every core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placement {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) cores: Option<CoreRange>,
}

/// The placements of one device. Programs in the cache place the same again and again, so equal ones are counted and the
/// unions made anew only when the last of some is gone.
#[derive(Debug, Default)]
pub(crate) struct Footprint {
    placements: HashMap<Placement, u32, RandomState>,
    everywhere: Intervals,
    cores: BTreeMap<(u16, u16), Intervals>,
    fullest: u128,
    /// Something is gone, and the unions still have it.
    is_stale: bool,
}

impl Footprint {
    pub(crate) fn add(&mut self, placement: Placement) {
        let count = self.placements.entry(placement).or_default();
        *count += 1;
        if *count == 1 && !self.is_stale {
            self.spread(placement);
        }
    }

    /// The same, and the unions are left for later.
    pub(crate) fn note(&mut self, placement: Placement) {
        *self.placements.entry(placement).or_default() += 1;
        self.is_stale = true;
    }

    pub(crate) fn remove(&mut self, placement: Placement) {
        if let Some(count) = self.placements.get_mut(&placement) {
            *count -= 1;
            if *count == 0 {
                self.placements.remove(&placement);
                self.is_stale = true;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes that the fullest core gives up.
    pub(crate) fn bytes(&mut self) -> u128 {
        if self.is_stale {
            self.everywhere.clear();
            self.cores.clear();
            self.fullest = 0;
            self.is_stale = false;
            for placement in self.placements.keys().copied().collect::<Vec<_>>() {
                self.spread(placement);
            }
        }
        self.fullest
    }

    fn spread(&mut self, Placement { address, size, cores }: Placement) {
        match cores.filter(|cores| number_of(cores) <= MAX_CORES) {
            None => {
                self.everywhere.insert(address, size);
                self.fullest = self.fullest.max(self.everywhere.covered());
                for core in self.cores.values_mut() {
                    core.insert(address, size);
                    self.fullest = self.fullest.max(core.covered());
                }
            }
            Some(cores) => {
                for x in cores.first_x..=cores.last_x {
                    for y in cores.first_y..=cores.last_y {
                        let core = self.cores.entry((x, y)).or_insert_with(|| self.everywhere.clone());
                        core.insert(address, size);
                        self.fullest = self.fullest.max(core.covered());
                    }
                }
            }
        }
    }
}

fn number_of(cores: &CoreRange) -> u32 {
    let side = |first: u16, last: u16| u32::from(last).saturating_sub(u32::from(first)) + 1;
    side(cores.first_x, cores.last_x).saturating_mul(side(cores.first_y, cores.last_y))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: u64, size: u64, x: u16) -> Placement {
        let cores = Some(CoreRange { first_x: x, first_y: 0, last_x: x, last_y: 1 });
        Placement { address, size, cores }
    }

    #[test]
    fn cores_are_counted_apart_and_the_fullest_tells() {
        let mut footprint = Footprint::default();
        footprint.add(on(0, 100, 0));
        footprint.add(on(50, 100, 1));
        assert_eq!(footprint.bytes(), 100, "two programs side by side");
        footprint.add(on(50, 100, 0));
        assert_eq!(footprint.bytes(), 150, "the union on core 0");
        footprint.add(Placement { address: 1000, size: 10, cores: None });
        footprint.add(on(0, 1, 7));
        assert_eq!(footprint.bytes(), 160);
        footprint.remove(on(50, 100, 0));
        assert_eq!(footprint.bytes(), 110);
        footprint.add(on(0, 100, 0));
        footprint.remove(on(0, 100, 0));
        assert_eq!(footprint.bytes(), 110, "one of two equal ones is gone");
    }

    #[test]
    fn a_rectangle_that_no_chip_has_is_everywhere() {
        let mut footprint = Footprint::default();
        let all = CoreRange { first_x: 0, first_y: 0, last_x: u16::MAX, last_y: u16::MAX };
        footprint.add(Placement { address: 0, size: 10, cores: Some(all) });
        footprint.add(on(10, 10, 0));
        assert_eq!(footprint.bytes(), 20);
        let backwards = CoreRange { first_x: 3, first_y: 3, last_x: 1, last_y: 1 };
        footprint.add(Placement { address: 90, size: 10, cores: Some(backwards) });
        assert_eq!(footprint.bytes(), 20, "no core at all");
    }
}
