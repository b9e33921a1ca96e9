//! What lives, by source and generation.

use std::collections::HashMap;

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
#[derive(Debug, Default)]
pub(super) struct Census {
    /// In their order, each with the end of its cohorts, which begin where those of the one before end.
    sources: Vec<(Source, usize)>,
    cohorts: Vec<Cohort>,
}

impl Census {
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn has(&self, source: &Source) -> bool {
        self.sources.binary_search_by_key(source, |&(source, _)| source).is_ok()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Source, &[Cohort])> {
        let mut begin = 0;
        self.sources.iter().map(move |&(source, end)| (source, &self.cohorts[std::mem::replace(&mut begin, end)..end]))
    }

    /// Makes one generation of all: that before a new epoch.
    pub(super) fn restart(&mut self) {
        let mut restarted = Self::default();
        for (source, cohorts) in self.iter() {
            let mut first = Cohort::default();
            cohorts.iter().for_each(|cohort| first.join(cohort));
            restarted.add(source, Cohort { generations: 1, ..first });
        }
        *self = restarted;
    }

    /// A source that is new comes after all others, a bin after those of its source.
    fn add(&mut self, source: Source, cohort: Cohort) {
        match (self.sources.last_mut(), self.cohorts.last_mut()) {
            (Some((known, _)), Some(last)) if *known == source && last.bin == cohort.bin => return last.join(&cohort),
            (Some((known, end)), _) if *known == source => *end += 1,
            _ => self.sources.push((source, self.cohorts.len() + 1)),
        }
        self.cohorts.push(cohort);
    }
}

/// Memory, site, size, cached, generation: in the order of sources.
type Kind = (Memory, u32, u64, bool, u32);

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
        let of_kind = kinds.entry((seen.memory, seen.site, seen.size, seen.cached, generation)).or_default();
        of_kind.0 += 1;
        of_kind.1 |= bit;
    }
    let mut kinds: Vec<(Kind, (u64, u64))> = kinds.into_iter().collect();
    kinds.sort_unstable();
    let (mut census, mut of_site) = (Census::default(), Vec::new());
    for kinds in kinds.chunk_by(|((memory, site, ..), _), (other, _)| (memory, site) == (&other.0, &other.1)) {
        // Of all sizes together a generation counts once.
        of_site.clear();
        of_site.extend_from_slice(kinds);
        of_site.sort_unstable_by_key(|&((.., cached, generation), _)| (cached, generation));
        let mut before = None;
        for &(kind, counts) in &of_site {
            let (memory, site, _, cached, generation) = kind;
            let is_counted = before.replace((cached, generation)) == Some((cached, generation));
            let cohort = Cohort { generations: u32::from(!is_counted), ..cohort(moments, kind, counts) };
            census.add(Source { memory, site, size: None, cached }, cohort);
        }
        for &(kind, counts) in kinds {
            let (memory, site, size, cached, _) = kind;
            census.add(Source { memory, site, size: Some(size), cached }, cohort(moments, kind, counts));
        }
    }
    census
}

fn cohort(moments: &Moments, (_, _, size, _, generation): Kind, (allocations, devices): (u64, u64)) -> Cohort {
    let amount = Amount { allocations, bytes: u128::from(size) * u128::from(allocations) };
    Cohort { bin: moments.bin(generation), generations: 1, amount, devices }
}
