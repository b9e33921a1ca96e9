//! One moment of each process, or the regions of one name: `--at`, `--mark` and `--region`.

use std::cmp::Reverse;

use ttmem_ledger::Totals;
use ttmem_wire::Memory;

use super::{Allocation, Analysis, Fragmentation, Interner, ProcessAnalysis, Suppressions, WantedBlock, fragmentation};
use crate::{
    Failure, ProcessName, SiteStyle, Tell, named,
    replay::{self, At},
};

/// What was live at one moment of a process.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Which moment.
    pub at: At,
    /// `CLOCK_REALTIME`, ns since 1970; `None` at the end.
    pub at_ns: Option<u64>,
    /// ns since the first event of the process; `None` where it is not known.
    pub since_ns: Option<u64>,
    /// The sums then.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What was live then: largest first.
    pub live: Vec<Allocation>,
    /// How what was free then is split; empty where that was not asked for.
    pub fragmentation: Vec<Fragmentation>,
}

impl Analysis {
    /// Leaves processes that passed the mark, and of their marks that one: the last of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process passed it.
    pub fn select_mark(&mut self, name: &str) -> Result<(), Failure> {
        let found: Vec<_> = self.processes.iter().map(|process| named::find(&marks(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("mark", name, self.processes.iter().flat_map(marks)));
        }
        let mut found = found.into_iter();
        self.processes.retain_mut(|process| {
            let last = found.next().unwrap_or_default().pop();
            process.marks = last.map(|at| process.marks.swap_remove(at)).into_iter().collect();
            last.is_some()
        });
        Ok(())
    }

    /// Leaves processes that had the region, and of their regions those of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process had it.
    pub fn select_region(&mut self, name: &str) -> Result<(), Failure> {
        let found: Vec<_> = self.processes.iter().map(|process| named::find(&regions(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("region", name, self.processes.iter().flat_map(regions)));
        }
        let mut found = found.into_iter();
        self.processes.retain_mut(|process| {
            let chosen = found.next().unwrap_or_default();
            let mut at = 0..;
            process.regions.retain(|_| at.next().is_some_and(|at| chosen.binary_search(&at).is_ok()));
            !chosen.is_empty()
        });
        Ok(())
    }

    /// Sets the moment of each process to its end.
    pub fn select_exit(&mut self) {
        for process in &mut self.processes {
            process.moment = Some(Moment {
                at: At::Exit,
                at_ns: None,
                since_ns: None,
                totals: process.totals.clone(),
                live: process.live.clone(),
                fragmentation: Vec::new(),
            });
        }
    }

    /// Sets the moment of each process to one that a second replay of its input found. Processes without it are left out.
    /// `processes` are those of the same input; `wanted` asks how what was free is split.
    pub fn select_replayed(
        &mut self,
        at: &At,
        found: &[replay::Moment],
        processes: &[Box<dyn Tell>],
        suppressions: &Suppressions,
        style: SiteStyle,
        wanted: Option<WantedBlock>,
    ) {
        let rules = suppressions.matcher();
        let interner = Interner::default();
        for moment in found {
            let Some(told) = processes.get(moment.process).map(Tell::told) else { continue };
            let sites = interner.of_process(told.account.sites(), style);
            let lives = moment.live.iter().map(|life| Allocation::new(&life.region, &told.clock, &sites));
            let mut live: Vec<Allocation> = lives.collect();
            live.sort_by_key(|one| Reverse(one.size));
            live.iter_mut().for_each(|one| one.suppressed_by = rules.covering(one));
            let is_it = |process: &&mut ProcessAnalysis| (process.pid, process.ring_id) == (told.pid, told.ring_id);
            if let Some(process) = self.processes.iter_mut().find(is_it) {
                if let (At::Mark(_), [mark]) = (at, process.marks.as_mut_slice()) {
                    mark.live = Some(live.clone());
                }
                process.moment = Some(Moment {
                    at: at.clone(),
                    at_ns: moment.time_ns,
                    since_ns: moment.time_ns.map(|time| time.saturating_sub(told.realtime_start_ns)),
                    totals: moment.totals.clone(),
                    live,
                    fragmentation: wanted.map_or_else(Vec::new, |wanted| {
                        fragmentation::fragmentation(moment, wanted, &told.clock, &sites)
                    }),
                });
            }
        }
        self.processes.retain(|process| process.moment.is_some());
    }

    /// Leaves the process of this name.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn select_process(&mut self, name: &ProcessName) -> Result<(), Failure> {
        let pid = name.pid(self.processes.iter().map(|process| (process.pid, process.command.as_slice())))?;
        self.processes.retain(|process| process.pid == pid);
        self.runs.clear();
        Ok(())
    }
}

fn marks(process: &ProcessAnalysis) -> Vec<&str> {
    process.marks.iter().map(|mark| mark.name.as_str()).collect()
}

fn regions(process: &ProcessAnalysis) -> Vec<&str> {
    process.regions.iter().map(|region| region.name.as_str()).collect()
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str> + Clone) -> Failure {
    Failure::new(format!("no {what} {name:?}; {}", named::instead(name, all)))
}
