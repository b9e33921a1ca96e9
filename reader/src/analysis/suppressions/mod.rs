//! Suppressions are applied once, to everything that a rule can cover: what is live, was released by a close, was live at marks, was
//! left by regions, and what grows.

mod rules;

use std::collections::HashMap;

use super::{Allocation, Growth, GrowthSource, Held, ProcessAnalysis, Region};
use rules::Matcher;
pub use rules::Suppressions;
pub(crate) use rules::size as size_of;

/// In the place of a rule: one of the file that a report in JSON was made with.
pub(crate) const EARLIER: usize = usize::MAX;

/// What a rule covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleUse {
    /// The rule as it was written.
    pub rule: String,
    /// The file's line, from 1.
    pub line: u64,
    /// What it covered of what is live or was released by closes, over all processes and devices.
    pub covered: Held,
    /// Sources that grow and that it covers.
    pub growth: u64,
}

/// Notes beside everything which rule covers it: the first that does.
pub(super) fn apply(rules: &Suppressions, processes: &mut [ProcessAnalysis], runs: &mut [Growth]) -> Vec<RuleUse> {
    let mut uses = unused(rules);
    if uses.is_empty() {
        return uses;
    }
    let rules = &rules.matcher();
    let mark = |one: &mut Allocation| one.suppressed_by = one.suppressed_by.or_else(|| rules.covering(one));
    for process in &mut *processes {
        for one in process.live.iter_mut().chain(&mut process.released_at_close) {
            mark(one);
            if let Some(at) = one.suppressed_by.filter(|&at| at != EARLIER) {
                uses[at].covered.add(1, one.size);
            }
        }
        process.marks.iter_mut().flat_map(|mark| mark.live.iter_mut().flatten()).for_each(mark);
        for region in &mut process.regions {
            region.left_allocations.iter_mut().for_each(mark);
            region.add_up_suppressed();
        }
        let lists = Lists::of(process.live.iter().chain(&process.released_at_close));
        cover(rules, &mut process.growth, &lists, &mut uses);
    }
    let left = processes.iter().flat_map(|process| process.live.iter().chain(&process.released_at_close));
    let lists = Lists::of(left);
    cover(rules, runs, &lists, &mut uses);
    uses
}

/// The same for what one region left: what each rule covered of it.
pub(crate) fn apply_to_region(rules: &Suppressions, region: &mut Region) -> Vec<RuleUse> {
    let mut uses = unused(rules);
    let matcher = rules.matcher();
    for one in &mut region.left_allocations {
        one.suppressed_by = matcher.covering(one);
        if let Some(at) = one.suppressed_by {
            uses[at].covered.add(1, one.size);
        }
    }
    region.add_up_suppressed();
    uses
}

fn unused(rules: &Suppressions) -> Vec<RuleUse> {
    let unused =
        |(rule, line): (&str, u64)| RuleUse { rule: rule.to_owned(), line, covered: Held::default(), growth: 0 };
    rules.texts().map(unused).collect()
}

/// A source is covered by a rule that names it; or where rules cover all that is live of it.
fn cover(rules: &Matcher<'_>, growth: &mut [Growth], lists: &Lists, uses: &mut [RuleUse]) {
    for source in growth.iter_mut().flat_map(|growth| &mut growth.sources) {
        source.suppressed_by =
            source.suppressed_by.or_else(|| rules.covering_source(source)).or_else(|| lists.covering(source));
        if let Some(at) = source.suppressed_by.filter(|&at| source.grows() && at != EARLIER) {
            uses[at].growth += 1;
        }
    }
}

/// For each source of memory, by site and size, and by site alone: a rule that covers something of it, or `None` where something
/// is not covered.
#[derive(Default)]
struct Lists(HashMap<Key, Option<usize>>);

/// Memory, call site, size, and whether the program cache holds it.
type Key = (ttmem_wire::Memory, usize, Option<u64>, bool);

impl Lists {
    fn of<'a>(all: impl Iterator<Item = &'a Allocation>) -> Self {
        let mut lists = Self::default();
        for one in all {
            for size in [Some(one.size), None] {
                let key = (one.memory, one.site_key(), size, one.cached);
                let rule = lists.0.entry(key).or_insert(one.suppressed_by);
                *rule = rule.and(one.suppressed_by);
            }
        }
        lists
    }

    fn covering(&self, source: &GrowthSource) -> Option<usize> {
        let site = std::sync::Arc::as_ptr(&source.site) as usize;
        *self.0.get(&(source.memory, site, source.size, source.cached))?
    }
}
