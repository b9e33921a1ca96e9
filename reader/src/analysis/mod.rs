//! What processes add up to, typed: facts, suppressions, growth, the verdict. It decides once; [`crate::report`] makes text of it.
//!
//! * [`process`]: the facts of one process, from its account;
//! * [`growth`], [`runs`]: loops, and what grows in them;
//! * [`empty_marks`]: a loop in which nothing stays;
//! * [`verdict`]: inconclusive, leak, leftover or clean;
//! * [`suppressions`]: rules, applied to everything at once;
//! * [`alike`]: devices that have something alike are one entry;
//! * [`peak`], [`refusals`], [`regions`], [`observations`], [`redundant`], [`after_trace`]: the rest of what is worth reporting;
//! * [`moment`], [`by`], [`tree`]: one moment, and what was live then, added up;
//! * [`fragmentation`]: what is free at one moment, and what stands between;
//! * [`diff`]: two moments;
//! * [`whatif`]: the same requests, placed in another way;
//! * [`statistics`]: all that was allocated.

mod after_trace;
mod alike;
mod allocation;
mod by;
mod diff;
mod empty_marks;
mod fragmentation;
mod growth;
mod moment;
mod observations;
mod peak;
mod pressure;
mod process;
mod redundant;
mod refusals;
mod regions;
mod runs;
mod sites;
mod statistics;
mod suppressions;
mod tree;
mod verdict;
mod whatif;

use std::collections::BTreeMap;

use ttmem_ledger::{Together, together};
use ttmem_wire::Memory;

pub use alike::{Alike, alike, alike_devices};
pub use allocation::{Allocation, Held};
pub use by::{By, Key, Row, rows};
pub use diff::{Change, ChangeKind, Difference, Incomplete, Runs, Side, Snapshot, difference};
pub use fragmentation::{Fragmentation, WantedBlock, WayOut};
pub use growth::{Growth, GrowthSource, Loop};
pub use moment::Moment;
pub use observations::Observation;
pub use peak::{Peak, PeakSource};
pub use pressure::Pressure;
pub use process::{Ending, MarkedMoment, ProcessAnalysis};
pub use refusals::{Collision, Holding, Refusal, Relief};
pub(crate) use regions::note_recursion;
pub use regions::{Region, RegionsOfName, regions_by_name};
pub use runs::{MANY, Spread, commands};
pub(crate) use sites::Interner;
pub use statistics::{Churn, ChurnSource};
pub(crate) use suppressions::{EARLIER, apply_to_region, size_of};
pub use suppressions::{RuleUse, Suppressions};
pub use tree::{Node, tree};
pub use ttmem_ledger::{Course, Undecided};
pub use verdict::{Answer, Beside, Leak, Leftover, Missing, Verdict};
pub use whatif::{Course as PlacementCourse, PlacedMemory, Question, RefusedRequest, WhatIf, what_if};

use crate::{SiteStyle, Tell, Told};

/// The analysis of some processes.
#[derive(Clone, Debug, Default)]
pub struct Analysis {
    /// The processes that reported events, in the order in which they began to.
    pub processes: Vec<ProcessAnalysis>,
    /// Loops over runs of one command.
    pub runs: Vec<Growth>,
    /// The devices as a whole, over all processes.
    pub devices: BTreeMap<(i32, Memory), Together>,
    /// What each rule of the suppression file covered.
    pub suppressions: Vec<RuleUse>,
}

impl Analysis {
    /// Analyses sessions, processes of a recording, or what else has an account.
    pub fn new<'a, T: Tell + 'a>(
        processes: impl IntoIterator<Item = &'a T>,
        suppressions: &Suppressions,
        style: SiteStyle,
    ) -> Self {
        let told: Vec<Told<'_>> = processes.into_iter().map(Tell::told).collect();
        let interner = Interner::default();
        let facts = told.iter().map(|told| ProcessAnalysis::gather(told, style, &interner)).collect();
        let devices = together(told.iter().map(|told| told.account.ledger()));
        Self { devices, ..Self::of(facts, suppressions) }
    }

    /// Decides about processes whose facts are known.
    pub(crate) fn of(mut processes: Vec<ProcessAnalysis>, suppressions: &Suppressions) -> Self {
        let mut runs = runs::over_runs(&processes);
        let used = suppressions::apply(suppressions, &mut processes, &mut runs);
        for process in &mut processes {
            growth::settle(&mut process.growth);
            process.looks_ns = by::looks(process);
            process.verdict = verdict::verdict(process, &runs);
        }
        Self { processes, runs, devices: BTreeMap::new(), suppressions: used }
    }

    /// Whether any process has this answer.
    pub fn has(&self, answer: Answer) -> bool {
        self.processes.iter().any(|process| process.verdict.answer == answer)
    }

    /// Bytes that owners never freed, over all processes whose verdict is not inconclusive: lost events prove nothing.
    pub fn leftover_bytes(&self) -> u64 {
        let verdicts = self.processes.iter().map(|process| &process.verdict);
        let all = verdicts.filter(|verdict| verdict.answer != Answer::Inconclusive).map(|verdict| &verdict.leftover);
        all.fold(0, |sum, one| sum.saturating_add(one.live.bytes).saturating_add(one.released.bytes))
    }
}
