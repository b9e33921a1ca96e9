//! All that was allocated: how much, in which sizes, by whom most, and how much of it was short-lived.

use std::sync::Arc;

use ttmem_ledger::{Allocated, ShortLife, SourceStatistics};
use ttmem_wire::Memory;

use super::{Analysis, Held, Interner, sites::CallSites};
use crate::{
    Failure, SiteStyle, Tell, Told,
    replay::{Input, pump},
    sites::CallSite,
};

/// Sources of each list.
const LISTED: usize = 5;

/// What one process allocated in all, over all devices. Circular buffers are left out.
#[derive(Clone, Debug)]
pub struct Churn {
    /// All of it.
    pub all: Held,
    /// What was freed within the iteration in which it was made; without marks, before 256 further allocations.
    pub short_lived: Held,
    /// Whether marks make the iterations.
    pub is_by_marks: bool,
    /// The same by memory.
    pub memories: Vec<(Memory, Held, Held)>,
    /// How many allocations by size: entry `n` has those of 2^n bytes or more, and less than 2^(n+1).
    pub sizes: [u64; 64],
    /// The sources that allocated most often.
    pub most_frequent: Vec<ChurnSource>,
    /// The sources that allocated most bytes.
    pub largest: Vec<ChurnSource>,
    /// The sources with the most short-lived allocations.
    pub most_short_lived: Vec<ChurnSource>,
}

/// What one source allocated in all.
#[derive(Clone, Debug)]
pub struct ChurnSource {
    /// In which memory.
    pub memory: Memory,
    /// The call site.
    pub site: Arc<CallSite>,
    /// Bytes of each allocation; `None` where they differ.
    pub size: Option<u64>,
    /// How much.
    pub all: Held,
    /// Of this, what was short-lived.
    pub short_lived: Held,
}

impl Analysis {
    /// Adds statistics, by a replay of their input, to processes that are from it.
    ///
    /// # Errors
    /// If the input cannot be read.
    pub fn add_statistics(&mut self, input: &Input, style: SiteStyle) -> Result<(), Failure> {
        let replayed = pump(input, &mut |replay, records| {
            let account = replay.account_mut();
            account.keep_statistics();
            account.take(records, |_| None);
            Ok(())
        });
        let interner = Interner::default();
        for replay in &replayed.map_err(|why| why.failure(input.path()))?.processes {
            let told = replay.told();
            let is_it =
                |process: &&mut super::ProcessAnalysis| (process.pid, process.ring_id) == (told.pid, told.ring_id);
            if let Some(process) = self.processes.iter_mut().find(is_it) {
                process.churn = churn(&told, &interner.of_process(told.account.sites(), style));
            }
        }
        Ok(())
    }
}

fn churn(told: &Told<'_>, sites: &CallSites<'_>) -> Option<Churn> {
    let statistics = told.account.ledger().statistics()?;
    let source = |one: SourceStatistics| ChurnSource {
        memory: one.memory,
        site: sites.of(one.site),
        size: one.size,
        all: one.amount.into(),
        short_lived: one.short_lived.into(),
    };
    let list = |all: Vec<SourceStatistics>| all.into_iter().map(source).collect();
    let short: Vec<SourceStatistics> = statistics
        .top(LISTED, |one| one.short_lived.allocations)
        .into_iter()
        .filter(|one| one.short_lived.allocations > 0)
        .collect();
    let Allocated { amount, short_lived, sizes } = statistics.all();
    Some(Churn {
        all: amount.into(),
        short_lived: short_lived.into(),
        is_by_marks: statistics.short_life() == ShortLife::Mark,
        memories: statistics.memories().map(|(memory, of)| (memory, of.amount.into(), of.short_lived.into())).collect(),
        sizes,
        most_frequent: list(statistics.top(LISTED, |one| one.amount.allocations)),
        largest: list(statistics.top(LISTED, |one| one.amount.bytes)),
        most_short_lived: list(short),
    })
}
