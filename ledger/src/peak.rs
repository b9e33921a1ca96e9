//! What made the peak of one memory: its allocations, by source, at the moment when most bytes were live.
//!
//! No event pays for a walk over what is live. A log keeps what came and went since the peak: what is live without the log is
//! what was live at the peak, at any moment and exactly. A new peak empties the log. Once the log is half as long as a walk,
//! the walk is made and the log is dropped. So an event pays for two steps of a walk at most, and where no new peak comes for
//! nothing more.

use std::{cmp::Reverse, collections::HashMap};

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use ttmem_wire::Memory;

use crate::totals::is_count;

/// Sources of one peak that are kept: the largest.
pub const MAX_PEAK_SOURCES: usize = 64;

/// The log is this long before a walk is thought of.
const SHORTEST_LOG: usize = 64;
/// Steps of a walk for each entry of the log.
const STEPS_AN_ENTRY: usize = 2;

/// What made the peak of one memory of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeakComposition {
    /// Device id.
    pub device: i32,
    /// Which memory; circular buffers have no composition, since theirs is a union of ranges and not a sum.
    pub memory: Memory,
    /// The most bytes that were ever live.
    pub peak_bytes: u64,
    /// The bytes of all sources together, those beyond [`MAX_PEAK_SOURCES`] included: always `peak_bytes`.
    pub at_bytes: u64,
    /// How many allocations were live then.
    pub allocations: u64,
    /// When the peak was reached first, in ticks of the ring's clock.
    pub ticks: u64,
    /// The sources, the one with most bytes first; at most [`MAX_PEAK_SOURCES`].
    pub sources: Vec<PeakSource>,
}

/// A source of allocations and what it held at a peak: a call site, or one size where the call site is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakSource {
    /// The interned call site, 0 for none.
    pub site: u32,
    /// Bytes of each allocation on the device; `None` where they differ.
    pub size: Option<u64>,
    /// Whether the program cache held them.
    pub cached: bool,
    /// How many were live.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What allocations have in common that were made by one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct MadeBy {
    /// The interned call site, 0 for none.
    pub(crate) site: u32,
    /// Whether the program cache holds it.
    pub(crate) cached: bool,
}

/// One memory's peak, while events come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Peak {
    /// When it was reached.
    ticks: u64,
    /// What came and went since. Empty once there was a walk.
    log: Vec<Step>,
    /// Its composition, after a walk. Before one, it is what is live without the log.
    walked: Option<Composition>,
    /// The length of the log beyond which a walk is thought of.
    #[serde(skip)]
    patience: usize,
}

/// What was live at a peak.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Composition {
    allocations: u64,
    sources: Vec<PeakSource>,
}

/// An allocation that came or went.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Step {
    bytes: u64,
    site: u32,
    cached: bool,
    came: bool,
}

const _: () = assert!(size_of::<Step>() == 16);

impl Step {
    fn new(MadeBy { site, cached }: MadeBy, bytes: u64, came: bool) -> Self {
        Self { bytes, site, cached, came }
    }

    fn made_by(&self) -> MadeBy {
        MadeBy { site: self.site, cached: self.cached }
    }
}

impl Peak {
    /// More bytes are live than ever before.
    #[inline]
    pub(crate) fn rise(&mut self, ticks: u64) {
        self.ticks = ticks;
        if self.walked.is_some() || !self.log.is_empty() {
            self.begin();
        }
    }

    #[cold]
    fn begin(&mut self) {
        self.walked = None;
        self.log.clear();
        self.patience = SHORTEST_LOG;
    }

    /// An allocation came, and the peak is no higher for it.
    #[inline]
    pub(crate) fn came(&mut self, by: MadeBy, bytes: u64) {
        if self.walked.is_none() {
            self.note(Step::new(by, bytes, true));
        }
    }

    /// An allocation went.
    #[inline]
    pub(crate) fn went(&mut self, by: MadeBy, bytes: u64) {
        if self.walked.is_none() {
            self.note(Step::new(by, bytes, false));
        }
    }

    #[cold]
    fn note(&mut self, step: Step) {
        self.log.push(step);
    }

    /// Whether a walk is to be thought of.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.log.len() > self.patience
    }

    /// Whether a walk over what is live, which takes so many steps, was paid for by events. Otherwise it is put off.
    pub(crate) fn can_afford(&mut self, steps: usize) -> bool {
        self.patience = SHORTEST_LOG.max(steps / STEPS_AN_ENTRY);
        self.is_due()
    }

    /// Makes the composition of what is `live`, and drops the log.
    pub(crate) fn settle(&mut self, live: impl Iterator<Item = (MadeBy, u64)>) {
        self.walked = Some(Composition::of(live, &self.log));
        self.log = Vec::new();
    }

    /// What was live at the peak, if what is `live` now is that.
    pub(crate) fn shown<L: Iterator<Item = (MadeBy, u64)>>(
        &self,
        (device, memory): (i32, Memory),
        peak_bytes: u64,
        live: impl FnOnce() -> L,
    ) -> PeakComposition {
        let walked = self.walked.clone();
        let Composition { allocations, sources } = walked.unwrap_or_else(|| Composition::of(live(), &self.log));
        let ticks = self.ticks;
        PeakComposition { device, memory, peak_bytes, at_bytes: peak_bytes, allocations, ticks, sources }
    }

    /// The call sites that it names beside those of what is live.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        let walked = self.walked.iter().flat_map(|walked| &walked.sources).map(|source| source.site);
        walked.chain(self.log.iter().map(|step| step.site))
    }

    /// Whether what was read from a file is what events can give, with so many bytes live now and at the peak.
    pub(crate) fn is_sound(&self, live: u128, peak: u128) -> bool {
        let sum = |came: bool| -> u128 {
            self.log.iter().filter(|step| step.came == came).map(|step| u128::from(step.bytes)).sum()
        };
        match &self.walked {
            Some(Composition { allocations, sources }) => {
                let bytes: u128 = sources.iter().map(|source| u128::from(source.bytes)).sum();
                self.log.is_empty()
                    && bytes <= peak
                    && is_count(*allocations)
                    && sources.len() <= MAX_PEAK_SOURCES
                    && sources.iter().all(|source| source.allocations <= *allocations)
            }
            None => live.checked_add(sum(false)).and_then(|all| all.checked_sub(sum(true))) == Some(peak),
        }
    }
}

impl Composition {
    /// Of what is live, without what the log says.
    fn of(live: impl Iterator<Item = (MadeBy, u64)>, log: &[Step]) -> Self {
        // Many allocations, mostly of few kinds.
        let mut kinds: HashMap<(MadeBy, u64), i64, RandomState> = HashMap::default();
        live.for_each(|kind| *kinds.entry(kind).or_default() += 1);
        for step in log {
            *kinds.entry((step.made_by(), step.bytes)).or_default() += if step.came { -1 } else { 1 };
        }
        let mut composition = Self::default();
        let mut sources: HashMap<(MadeBy, Option<u64>), PeakSource, RandomState> = HashMap::default();
        for ((by, size), allocations) in kinds {
            let allocations = u64::try_from(allocations).unwrap_or(0);
            if allocations == 0 {
                continue;
            }
            composition.allocations += allocations;
            let bytes = size.saturating_mul(allocations);
            let new = PeakSource { site: by.site, size: Some(size), cached: by.cached, allocations: 0, bytes: 0 };
            let source = sources.entry((by, (by.site == 0).then_some(size))).or_insert(new);
            source.size = source.size.filter(|&known| known == size);
            source.allocations += allocations;
            source.bytes = source.bytes.saturating_add(bytes);
        }
        composition.sources = sources.into_values().collect();
        let order = |source: &PeakSource| (Reverse(source.bytes), source.site, source.cached, source.size);
        composition.sources.sort_unstable_by_key(order);
        composition.sources.truncate(MAX_PEAK_SOURCES);
        composition.sources.shrink_to_fit();
        composition
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY: MadeBy = MadeBy { site: 8, cached: false };

    /// As many bytes more than ever, then a fall, again and again: how many steps the walks took, for how many events.
    fn cost_of(live: usize, events_a_peak: usize) -> (usize, usize) {
        let (mut peak, mut walked, mut events) = (Peak::default(), 0, 0);
        for ticks in 0..200 {
            peak.rise(ticks);
            events += 1;
            for _ in 0..events_a_peak {
                peak.went(BY, 1);
                peak.came(BY, 1);
                events += 2;
                if peak.is_due() && peak.can_afford(live) {
                    peak.settle(std::iter::empty());
                    walked += live;
                }
            }
        }
        (walked, events)
    }

    #[test]
    fn walks_cost_two_steps_an_event_at_most_however_peaks_follow_each_other() {
        for live in [10, 1000, 100_000] {
            for events_a_peak in [1, 10, 33, 251, 1000, 20_000] {
                let (walked, events) = cost_of(live, events_a_peak);
                assert!(walked <= 2 * events, "{walked} steps for {events} events, {live} live");
            }
        }
        assert_eq!(cost_of(1000, 1000).0, 200 * 1000, "one walk a peak");
    }
}
