//! What lives, by source and generation.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use super::{Amount, Source, moments::Moments};

/// A live allocation as a look sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Which memory.
    pub memory: Memory,
    /// On which device.
    pub device: i32,
    /// The call site; 0 if it is not known.
    pub site: u32,
    /// Bytes.
    pub size: u64,
    /// Whether the program cache holds it.
    pub cached: bool,
    /// When it was allocated, in ticks.
    pub born: u64,
}

/// What lives of a source and was born in one bin of generations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cohort {
    pub(super) bin: u32,
    /// Generations of which something lives.
    pub(super) generations: u32,
    pub(super) amount: Amount,
    /// On which devices, as bits of [`Devices`].
    pub(super) devices: u64,
}

impl Cohort {
    /// Takes in what was born in the same bin.
    pub(super) fn join(&mut self, other: &Self) {
        self.generations += other.generations;
        self.amount.add_all(other.amount);
        self.devices |= other.devices;
    }
}

/// Devices by number, so that a set of them is a word. The 64th and all after it share a bit.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Devices(Vec<i32>);

impl Devices {
    const MAX: usize = 64;

    fn bit(&mut self, device: i32) -> u64 {
        let at = self.0.iter().position(|&known| known == device).unwrap_or_else(|| {
            if self.0.len() < Self::MAX {
                self.0.push(device);
            }
            self.0.len() - 1
        });
        1 << at
    }

    pub(super) fn named(&self, bits: u64) -> Vec<i32> {
        let mut devices: Vec<i32> =
            self.0.iter().enumerate().filter(|&(at, _)| bits >> at & 1 == 1).map(|(_, &device)| device).collect();
        devices.sort_unstable();
        devices
    }

    pub(super) fn are_sound(&self) -> bool {
        self.0.len() <= Self::MAX
    }
}

/// The cohorts of each source, in the order of bins.
pub(super) type Census = BTreeMap<Source, Vec<Cohort>>;

/// Memory, cached, site, generation, size: in the order in which cohorts are made.
type Kind = (Memory, bool, u32, u32, u64);

/// Walks all that lives.
pub(super) fn take(live: impl Iterator<Item = Seen>, moments: &Moments, devices: &mut Devices) -> Census {
    // Many allocations, mostly of few kinds.
    let mut kinds: HashMap<Kind, (u64, u64), RandomState> = HashMap::default();
    let mut device = None;
    for seen in live {
        let bit = match device {
            Some((known, bit)) if known == seen.device => bit,
            _ => {
                let bit = devices.bit(seen.device);
                device = Some((seen.device, bit));
                bit
            }
        };
        let generation = moments.generation(seen.born);
        let of_kind = kinds.entry((seen.memory, seen.cached, seen.site, generation, seen.size)).or_default();
        of_kind.0 += 1;
        of_kind.1 |= bit;
    }
    let mut kinds: Vec<(Kind, (u64, u64))> = kinds.into_iter().collect();
    kinds.sort_unstable();
    let mut census = Census::new();
    let mut before = None;
    for ((memory, cached, site, generation, size), (allocations, devices)) in kinds {
        let amount = Amount { allocations, bytes: u128::from(size) * u128::from(allocations) };
        let cohort = Cohort { bin: moments.bin(generation), generations: 1, amount, devices };
        add(census.entry(Source { memory, site, size: Some(size), cached }).or_default(), cohort);
        // Of all sizes together a generation counts once.
        let is_counted = before.replace((memory, cached, site, generation)) == Some((memory, cached, site, generation));
        let cohort = Cohort { generations: u32::from(!is_counted), ..cohort };
        add(census.entry(Source { memory, site, size: None, cached }).or_default(), cohort);
    }
    census
}

/// Makes one generation of all: that before a new epoch.
pub(super) fn restart(census: &mut Census) {
    for cohorts in census.values_mut() {
        let mut first = Cohort::default();
        cohorts.iter().for_each(|cohort| first.join(cohort));
        *cohorts = vec![Cohort { generations: 1, ..first }];
    }
}

fn add(cohorts: &mut Vec<Cohort>, cohort: Cohort) {
    match cohorts.last_mut() {
        Some(last) if last.bin == cohort.bin => last.join(&cohort),
        _ => cohorts.push(cohort),
    }
}
