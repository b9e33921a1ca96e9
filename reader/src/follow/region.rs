//! One region of the program, analysed by itself.

use std::{collections::BTreeSet, sync::Arc};

use ttmem_ledger::Span;

use super::question::RegionKey;
use crate::{
    Session, SiteStyle, Suppressions,
    analysis::{Alike, Allocation, Interner, Refusal, Region, RuleUse, alike, apply_to_region},
};

/// Refusals that an answer has, the latest.
const REFUSALS_LISTED: usize = 16;

/// A region, and what happened in it.
#[derive(Clone, Debug)]
pub(super) struct RegionAnalysis {
    /// The region; of an open one, as far as it has come.
    pub(super) region: Region,
    /// Regions inside it that have ended, in the order in which they began.
    pub(super) nested: Vec<Region>,
    /// What each rule covers of what it left.
    pub(super) uses: Vec<RuleUse>,
    /// What was refused in it, the latest last.
    pub(super) refusals: Vec<Refusal>,
}

impl RegionAnalysis {
    /// The youngest region of that id or name that is open, else the one that ended last.
    pub(super) fn find(session: &Session, key: &RegionKey, suppressions: &Suppressions) -> Option<Self> {
        let (account, clock) = (session.account(), session.clock());
        let spans = account.spans();
        let fits = |span: &Span| key.fits(span);
        let open = spans.find_open(fits, account.ledger());
        let span = open.or_else(|| spans.closed().rev().find(|span| fits(span)).cloned())?;

        let interner = Interner::default();
        let sites = interner.of_process(account.sites(), SiteStyle::default());
        let suppressed = |span: &Span| {
            let mut region = Region::new(span, &clock, &sites);
            let uses = apply_to_region(suppressions, &mut region);
            (region, uses)
        };
        let was_within = |ticks: u64| ticks >= span.begin_ticks && span.end_ticks.is_none_or(|end| ticks <= end);
        let refused = account.ledger().out_of_memory().iter().filter(|refused| was_within(refused.ticks));
        let mut refusals: Vec<Refusal> =
            refused.rev().take(REFUSALS_LISTED).map(|refused| Refusal::new(refused, &clock, &sites)).collect();
        refusals.reverse();
        let (region, uses) = suppressed(&span);
        let nested = inside(&span, spans.closed()).into_iter().map(|span| suppressed(span).0).collect();
        Some(Self { region, nested, uses, refusals })
    }

    /// What the region left and no rule covers, the largest first; devices that have it alike are one.
    pub(super) fn leftover(&self) -> Vec<Alike<&Allocation>> {
        let left = self.region.left_allocations.iter().filter(|one| one.suppressed_by.is_none());
        let key = |one: &&Allocation| (one.memory, (one.core, one.address), one.size, Arc::as_ptr(&one.site) as usize);
        alike(left, |one| one.device, key)
    }
}

impl RegionKey {
    fn fits(&self, span: &Span) -> bool {
        self.id.as_ref().is_none_or(|id| span.id == *id) && self.name.as_ref().is_none_or(|name| span.name == *name)
    }
}

/// The spans inside one. A span inside it began later, so its number is higher; it ended before, or is open still.
fn inside<'a>(outer: &Span, closed: impl Iterator<Item = &'a Span>) -> Vec<&'a Span> {
    let mut numbers = BTreeSet::from([outer.number]);
    let mut nested: Vec<&Span> = closed.filter(|span| span.number > outer.number).collect();
    nested.sort_by_key(|span| span.number);
    nested.retain(|span| {
        let is_inside = span.parent.is_some_and(|parent| numbers.contains(&parent));
        is_inside && numbers.insert(span.number)
    });
    nested
}
