//! What program memory takes of L1: on each core the union of their ranges, on the device what its fullest core gives up.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
};

use foldhash::fast::RandomState;
use ttmem_wire::CoreRange;

use crate::intervals::Intervals;

/// Cores further out than this, in either direction, are none of a chip: a rectangle that reaches there is taken for all of
/// them.
const SIDE: u16 = 64;

/// An address range on a rectangle of cores; without one, on every core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Placement {
    pub(crate) address: u64,
    pub(crate) size: u64,
    pub(crate) cores: Option<CoreRange>,
}

impl Placement {
    /// Behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.size)
    }

    /// Whether it lies on this core.
    pub(crate) fn is_on(&self, (x, y): (u16, u16)) -> bool {
        self.cores.filter(is_of_a_chip).is_none_or(|cores| {
            (cores.first_x..=cores.last_x).contains(&x) && (cores.first_y..=cores.last_y).contains(&y)
        })
    }

    /// The two as one, where they are on the same cores and the other goes on where this one ends.
    pub(crate) fn joined(&self, other: &Self) -> Option<Self> {
        let goes_on = self.cores == other.cores && self.address.checked_add(self.size) == Some(other.address);
        goes_on.then(|| Some(Self { size: self.size.checked_add(other.size)?, ..*self })).flatten()
    }
}

/// The placements of one device. Programs in the cache place on the same cores again and again, from the same address on, so
/// most of what comes or goes lies within what others take of the same cores and changes no union. Where it does, the unions
/// are made anew when they are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    /// By rectangle of cores.
    placements: HashMap<Option<CoreRange>, Ranges, RandomState>,
    everywhere: Intervals,
    /// Column by column, as far as one was named. Those between that nobody named are as all.
    cores: Vec<Intervals>,
    fullest: u128,
    /// Something is gone, and the unions still have it.
    is_stale: bool,
}

/// Address ranges, equal ones counted: by address, the longest first.
#[derive(Clone, Debug, Default)]
struct Ranges(BTreeMap<(u64, Reverse<u64>), u32>);

impl Ranges {
    /// Whether these bytes lie within the union of the ranges. Mostly the first range says so.
    fn cover(&self, address: u64, size: u64) -> bool {
        let end = end(address, size);
        let mut reached = u128::from(address);
        for &(start, Reverse(size)) in self.0.keys() {
            if reached >= end || u128::from(start) > reached {
                break;
            }
            reached = reached.max(self::end(start, size));
        }
        reached >= end
    }

    /// The union, as ranges of few pieces: address and size.
    fn union(&self) -> Vec<(u64, u64)> {
        let mut union: Vec<(u64, u64)> = Vec::new();
        for &(start, Reverse(size)) in self.0.keys() {
            if let Some((first, joined)) = union.last_mut()
                && u128::from(start) <= end(*first, *joined)
                && let Ok(longer) = u64::try_from(end(start, size) - u128::from(*first))
            {
                *joined = longer.max(*joined);
            } else {
                union.push((start, size));
            }
        }
        union
    }
}

fn is_of_a_chip(cores: &CoreRange) -> bool {
    cores.last_x < SIDE && cores.last_y < SIDE
}

/// Wider than an address, so that a range up to the last address has an end.
fn end(address: u64, size: u64) -> u128 {
    u128::from(address) + u128::from(size)
}

impl Footprint {
    pub(crate) fn add(&mut self, placement: Placement) {
        let ranges = self.placements.entry(placement.cores).or_default();
        let is_covered = ranges.cover(placement.address, placement.size);
        *ranges.0.entry((placement.address, Reverse(placement.size))).or_default() += 1;
        if !is_covered && !self.is_stale {
            self.spread(placement);
        }
    }

    /// Leaves the unions for when they are asked for: much is to come.
    pub(crate) fn leave_for_later(&mut self) {
        self.is_stale = true;
    }

    pub(crate) fn remove(&mut self, placement: Placement) {
        let Some(ranges) = self.placements.get_mut(&placement.cores) else { return };
        let key = (placement.address, Reverse(placement.size));
        let Some(count) = ranges.0.get_mut(&key) else { return };
        *count -= 1;
        if *count == 0 {
            ranges.0.remove(&key);
            self.is_stale |= !ranges.cover(placement.address, placement.size);
            if ranges.0.is_empty() {
                self.placements.remove(&placement.cores);
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
            self.cores.iter_mut().for_each(Intervals::clear);
            self.fullest = 0;
            self.is_stale = false;
            let unions: Vec<_> = self.placements.iter().map(|(&cores, ranges)| (cores, ranges.union())).collect();
            for (cores, union) in unions {
                for (address, size) in union {
                    self.spread(Placement { address, size, cores });
                }
            }
        }
        self.fullest
    }

    /// The core that gives up most, the first of several, with its bytes. Where no cores are known that is any.
    pub(crate) fn fullest_core(&mut self) -> ((u16, u16), u128) {
        let bytes = self.bytes();
        let at = self.cores.iter().position(|core| core.covered() == bytes).unwrap_or(0);
        ((at as u16 / SIDE, at as u16 % SIDE), bytes)
    }

    fn spread(&mut self, Placement { address, size, cores }: Placement) {
        match cores.filter(is_of_a_chip) {
            None => {
                self.everywhere.insert(address, size);
                self.fullest = self.fullest.max(self.everywhere.covered());
                for core in &mut self.cores {
                    core.insert(address, size);
                    self.fullest = self.fullest.max(core.covered());
                }
            }
            Some(cores) if cores.first_x <= cores.last_x && cores.first_y <= cores.last_y => {
                let place = |x: u16, y: u16| usize::from(x) * usize::from(SIDE) + usize::from(y);
                let named = place(cores.last_x, cores.last_y) + 1;
                if self.cores.len() < named {
                    self.cores.resize(named, self.everywhere.clone());
                }
                for x in cores.first_x..=cores.last_x {
                    for core in &mut self.cores[place(x, cores.first_y)..=place(x, cores.last_y)] {
                        core.insert(address, size);
                        self.fullest = self.fullest.max(core.covered());
                    }
                }
            }
            Some(_) => {}
        }
    }
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
        assert_eq!(footprint.fullest_core(), ((0, 0), 110));
        footprint.add(on(100, 50, 1));
        footprint.add(on(10, 60, 1));
        assert_eq!(footprint.fullest_core(), ((1, 0), 150), "the first of two rows");
        assert!(on(0, 1, 7).is_on((7, 1)) && !on(0, 1, 7).is_on((7, 2)) && !on(0, 1, 7).is_on((6, 0)));
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

    /// Against the union of all, made from nothing each time.
    #[test]
    fn placements_that_come_and_go_leave_the_union_of_the_rest() {
        let mut state = 88_172_645_463_325_252_u64;
        let mut below = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % limit
        };
        let (mut footprint, mut all) = (Footprint::default(), Vec::new());
        for _ in 0..20_000 {
            if below(2) == 0 && !all.is_empty() {
                footprint.remove(all.swap_remove(below(all.len() as u64) as usize));
            } else {
                let mut placement = on(below(6) * 10, below(5) * 15, below(3) as u16);
                if below(8) == 0 {
                    placement.cores = None;
                }
                footprint.add(placement);
                all.push(placement);
            }
            if below(3) == 0 {
                let mut anew = Footprint::default();
                for &placement in &all {
                    anew.spread(placement);
                }
                assert_eq!(footprint.bytes(), anew.fullest, "{all:?}");
            }
        }
    }
}
