//! One process: what its events add up to.

use std::collections::BTreeMap;

use ttmem_ledger::{Anomalies, Facts, Headroom, Ledger, Totals};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{
    Allocation, Churn, Growth, Moment, Observation, Peak, Pressure, Refusal, Region, Verdict, after_trace, growth,
    observations, peak, pressure, redundant, refusals, regions,
    sites::{CallSites, Interner},
};
use crate::{Counts, Ended, SiteStyle, Told};

/// One process.
#[derive(Clone, Debug, Default)]
pub struct ProcessAnalysis {
    /// Its process id, for display.
    pub pid: u32,
    /// Its arguments.
    pub command: Vec<String>,
    /// When its ring was made, ns since 1970.
    pub started_ns: u64,
    /// Which ring, for ever.
    pub ring_id: u128,
    /// The version of libttmem.so in it.
    pub library_version: String,
    /// Its rank, its ttnn, and what ttmem does not see of it.
    pub facts: Facts,
    /// How far its events go.
    pub end: Ending,
    /// What became of its events.
    pub counts: Counts,
    /// Records that are no event of this version.
    pub unreadable: u64,
    /// Events that did not fit.
    pub anomalies: Anomalies,
    /// The sums by device and memory.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What its memories have, and have left, where their allocator was seen.
    pub headroom: BTreeMap<(i32, Memory), Headroom>,
    /// How full the L1 of its devices is.
    pub l1: BTreeMap<i32, Pressure>,
    /// What is live, or was when it ended: largest first.
    pub live: Vec<Allocation>,
    /// What closes of devices released: largest first.
    pub released_at_close: Vec<Allocation>,
    /// Its marks.
    pub marks: Vec<MarkedMoment>,
    /// Its regions, in the order in which they began.
    pub regions: Vec<Region>,
    /// Regions that are not listed.
    pub regions_not_listed: u64,
    /// Its loops.
    pub growth: Vec<Growth>,
    /// When memory was refused.
    pub refusals: Vec<Refusal>,
    /// What each memory's peak was made of.
    pub peaks: Vec<Peak>,
    /// When the marks of the loop with the most iterations were passed: all of them, also where one mark was chosen.
    pub looks_ns: Vec<u64>,
    /// The moment that the report is about, if it is about one.
    pub moment: Option<Moment>,
    /// What it allocated in all, if that was asked for.
    pub churn: Option<Churn>,
    /// What is worth a sentence.
    pub observations: Vec<Observation>,
    /// The answer.
    pub verdict: Verdict,
}

/// How far the events of a process go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It runs.
    #[default]
    Running,
    /// Its recording was cut short, after so many of its events where that is known.
    Cut(Option<u64>),
    /// It ended.
    Ended(Ended),
}

impl Ending {
    /// Whether the process has ended, and what is live then was left by its owners.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Ended(ended) if ended != Ended::Stopped)
    }
}

/// The memory at a mark.
#[derive(Clone, Debug)]
pub struct MarkedMoment {
    /// The name that the program gave.
    pub name: String,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub at_ns: u64,
    /// The sums then.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What was live then, if that was asked for.
    pub live: Option<Vec<Allocation>>,
}

impl ProcessAnalysis {
    /// Its facts; suppressions and the verdict come after.
    pub(super) fn gather(told: &Told<'_>, style: SiteStyle, interner: &Interner) -> Self {
        let ledger = told.account.ledger();
        let sites = interner.of_process(told.account.sites(), style);
        let clock = told.clock;
        let marks = told.account.marks().iter().map(|mark| MarkedMoment {
            name: mark.name.clone(),
            at_ns: clock.realtime_ns(mark.ticks),
            totals: mark.totals.clone(),
            live: mark.live.as_ref().map(|live| allocations(live, &clock, &sites)),
        });
        let mut released_at_close = allocations(&ledger.released_at_close().regions, &clock, &sites);
        // Those of one size stay in the order of the closes.
        released_at_close.sort_by_key(|one| std::cmp::Reverse(one.size));
        let live = allocations(&ledger.live(), &clock, &sites);
        let mut observations = observations::observations(told);
        observations.extend(after_trace::after_trace(live.iter().chain(&released_at_close)));
        observations.extend(redundant::redundant(live.iter().chain(&released_at_close)));
        Self {
            pid: told.pid,
            command: told.command.to_vec(),
            started_ns: told.realtime_start_ns,
            ring_id: told.ring_id,
            library_version: told.library_version.to_owned(),
            facts: told.account.facts().clone(),
            end: match told.ended {
                Some(ended) => Ending::Ended(ended),
                None => told.cut_after.map_or(Ending::Running, |after| Ending::Cut(Some(after))),
            },
            counts: told.counts,
            unreadable: told.account.unreadable(),
            anomalies: ledger.anomalies(),
            totals: ledger.totals(),
            headroom: headroom(ledger),
            l1: pressure::of_devices(ledger, &sites),
            live,
            released_at_close,
            marks: marks.collect(),
            regions: regions::regions(told.account, &clock, &sites),
            regions_not_listed: told.account.spans().not_listed() + told.account.spans().not_measured(),
            growth: growth::loops(&ledger.growth(), &clock, &sites),
            refusals: refusals::refusals(ledger.out_of_memory(), &clock, &sites),
            peaks: peak::peaks(ledger, &clock, &sites),
            looks_ns: Vec::new(),
            moment: None,
            churn: None,
            observations,
            verdict: Verdict::default(),
        }
    }

    /// Bytes and allocations of owners that were never freed: live at its end, or released by a close.
    pub fn left_by_owners(&self) -> impl Iterator<Item = &Allocation> {
        let live = self.live.iter().filter(|_| self.end.is_end());
        live.chain(&self.released_at_close).filter(|one| one.is_owned())
    }

    /// Its arguments in one line.
    pub fn command_line(&self) -> String {
        self.command.join(" ")
    }
}

/// What each memory that was used has left.
fn headroom(ledger: &Ledger) -> BTreeMap<(i32, Memory), Headroom> {
    let memories = ledger.memories().into_iter();
    memories.filter_map(|(device, memory)| Some(((device, memory), ledger.headroom(device, memory)?))).collect()
}

pub(super) fn allocations(
    regions: &[ttmem_ledger::LiveRegion],
    clock: &ClockMap,
    sites: &CallSites<'_>,
) -> Vec<Allocation> {
    regions.iter().map(|region| Allocation::new(region, clock, sites)).collect()
}

#[cfg(test)]
impl ProcessAnalysis {
    /// One for tests: it exited, with these live and these loops.
    pub(crate) fn example(live: Vec<Allocation>, growth: Vec<Growth>) -> Self {
        Self {
            pid: 4242,
            command: vec!["python".into(), "model.py".into()],
            ring_id: 7,
            end: Ending::Ended(crate::Ended::Code(0)),
            counts: Counts { reported: 9, drained: 9, ..Counts::default() },
            totals: vec![(0, Memory::Dram, Totals::default())],
            l1: BTreeMap::new(),
            live,
            growth,
            ..Self::default()
        }
    }
}
