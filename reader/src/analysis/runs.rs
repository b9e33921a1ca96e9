//! Runs of one command: what each left, one after the other; and many processes of one command as a spread.

use std::{collections::HashMap, sync::Arc};

use ttmem_ledger::{Seen, judge};

use super::{Growth, Loop, ProcessAnalysis, growth, sites};
use crate::sites::CallSite;

/// Processes of one command from which on they are one block of the text.
pub const MANY: usize = 3;

/// Whether runs of a command leave more each time: for each command that ran twice or more.
pub(super) fn over_runs(processes: &[ProcessAnalysis]) -> Vec<Growth> {
    commands(processes).into_iter().filter_map(|runs| of_command(&runs)).collect()
}

/// Processes with the same command, in the order of the first of each.
pub fn commands(processes: &[ProcessAnalysis]) -> Vec<Vec<&ProcessAnalysis>> {
    let mut commands: Vec<Vec<&ProcessAnalysis>> = Vec::new();
    let mut places: HashMap<&[String], usize> = HashMap::new();
    for process in processes {
        let at = *places.entry(&process.command).or_insert(commands.len());
        match commands.get_mut(at) {
            Some(runs) => runs.push(process),
            None => commands.push(vec![process]),
        }
    }
    commands
}

fn of_command(runs: &[&ProcessAnalysis]) -> Option<Growth> {
    let first = runs.first()?;
    // Each process numbers its call sites by itself; those that read alike are one object here.
    let mut sites: Vec<Arc<CallSite>> = vec![Arc::default()];
    let mut numbers: HashMap<usize, u32> = HashMap::new();
    let left: Vec<Vec<Seen>> = runs
        .iter()
        .filter(|process| process.end.is_end())
        .map(|process| {
            let left = process.live.iter().chain(&process.released_at_close);
            let owned = left.filter(|one| !one.memory.is_of_programs());
            let numbered = owned.map(|one| {
                let number = *numbers.entry(one.site_key()).or_insert_with(|| {
                    if sites::is_known(&one.site) {
                        sites.push(one.site.clone());
                        sites.len() as u32 - 1
                    } else {
                        0
                    }
                });
                Seen {
                    memory: one.memory,
                    device: one.device,
                    site: number,
                    size: one.size,
                    cached: one.cached,
                    born: 0,
                }
            });
            numbered.collect()
        })
        .collect();
    let series = (left.len() >= 2).then(|| judge(&left))?;
    let site = |number: u32| sites.get(number as usize).cloned().unwrap_or_default();
    let growth = growth::one(&series, 0, &site);
    (!growth.sources.is_empty()).then(|| Growth { point: Loop::Runs(first.command_line()), ..growth })
}

/// Of many numbers the least, the one in the middle, and the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    /// The least.
    pub least: u64,
    /// The one in the middle; of two, the lower.
    pub median: u64,
    /// The most.
    pub most: u64,
}

impl Spread {
    /// That of these; all 0 where there are none.
    pub fn of(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut all: Vec<u64> = numbers.into_iter().collect();
        all.sort_unstable();
        let at = |index: usize| all.get(index).copied().unwrap_or(0);
        Self { least: at(0), median: at(all.len().saturating_sub(1) / 2), most: at(all.len().saturating_sub(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_both_ends_and_the_middle() {
        assert_eq!(Spread::of([9, 1, 5, 7]), Spread { least: 1, median: 5, most: 9 });
        assert_eq!(Spread::of([]), Spread { least: 0, median: 0, most: 0 });
    }
}
