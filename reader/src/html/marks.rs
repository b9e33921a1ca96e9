//! What was live at marks, by kind. How many marks there will be is known at the end: when there are too many, every second
//! one goes, so that those that stay lie evenly.

use std::collections::BTreeMap;

use super::kinds::Kinds;
use crate::Account;

/// Marks that are kept, at most; half of them at least.
const MARKS: usize = 400;

/// Numbers that are kept of all marks together, at most.
const CHANGES: usize = 400_000;

/// What changed since the mark before: the number of a kind, and how many allocations it has now.
type Changes = BTreeMap<usize, u64>;

/// The marks that are kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// Each with its place among all marks.
    kept: Vec<(usize, Changes)>,
    /// The logarithm of how many marks there are for each that is kept.
    spacing: u32,
    passed: usize,
    /// What was live when the account was looked at last, by kind.
    counts: Vec<u64>,
    /// Changes between the last that is kept and then.
    later: Changes,
    changes: usize,
}

impl Marks {
    /// The program may have passed a mark.
    pub(super) fn note(&mut self, account: &Account, kinds: &mut Kinds) {
        let passed = account.marks().len();
        if passed == self.passed {
            return;
        }
        self.passed = passed;
        let mark = passed - 1;
        if mark & ((1 << self.spacing) - 1) != 0 {
            return;
        }
        let counts = kinds.count(account.ledger().iter_live());
        let mut changes = std::mem::take(&mut self.later);
        for at in 0..counts.len().max(self.counts.len()) {
            let [before, now] = [&self.counts, &counts].map(|counts| counts.get(at).copied().unwrap_or(0));
            if before != now {
                changes.insert(at, now);
            }
        }
        self.counts = counts;
        self.changes += changes.len();
        self.kept.push((mark, changes));
        while self.kept.len() > MARKS || self.changes > CHANGES && self.kept.len() > 1 {
            self.drop_every_second();
        }
    }

    fn drop_every_second(&mut self) {
        self.spacing += 1;
        let mut dropped = Changes::new();
        let mut kept = Vec::with_capacity(self.kept.len() / 2 + 1);
        for (mark, changes) in std::mem::take(&mut self.kept) {
            dropped.extend(changes);
            if mark & ((1 << self.spacing) - 1) == 0 {
                kept.push((mark, std::mem::take(&mut dropped)));
            }
        }
        dropped.extend(std::mem::take(&mut self.later));
        self.later = dropped;
        self.changes = kept.iter().map(|(_, changes)| changes.len()).sum();
        self.kept = kept;
    }

    /// Each mark that is kept, and (kind, count) of what changed since the one before.
    pub(super) fn into_rows(self) -> Vec<(usize, Vec<(usize, u64)>)> {
        self.kept.into_iter().map(|(mark, changes)| (mark, changes.into_iter().collect())).collect()
    }
}

#[cfg(test)]
mod tests {
    use ttmem_wire::{Event, EventKind, Memory, Target, split_mark};

    use super::*;

    #[test]
    fn of_many_marks_those_that_stay_lie_evenly_and_count_right() {
        let (mut account, mut kinds, mut marks) = (Account::new(false), Kinds::default(), Marks::default());
        let event = Event { memory: Some(Memory::Dram), target: Target::Device(0), ..Event::default() };
        for step in 0..3_001_u64 {
            // Each step keeps one of 64 bytes, and every other step one of 128 until the next; step 777 keeps one of 256.
            account.apply(&Event { address: 4096 * (step + 2), size: 64, ..event }, |_| None);
            let kind = if step % 2 == 0 { EventKind::Allocate } else { EventKind::Free };
            account.apply(&Event { kind, address: 64, size: 128, ..event }, |_| None);
            if step == 777 {
                account.apply(&Event { address: 128, size: 256, ..event }, |_| None);
            }
            split_mark(format!("step {step}").as_bytes()).for_each(|part| account.apply(&part, |_| None));
            marks.note(&account, &mut kinds);
        }
        let rows = marks.into_rows();
        assert_eq!(rows.iter().map(|(mark, _)| *mark).collect::<Vec<_>>(), (0..=3_000).step_by(8).collect::<Vec<_>>());
        let mut counts = vec![0; kinds.all.len()];
        for (mark, changes) in rows {
            changes.into_iter().for_each(|(kind, count)| counts[kind] = count);
            let of = |size| counts[kinds.all.iter().position(|kind| kind.2 == size).unwrap()];
            assert_eq!((of(64), of(128), of(256)), (mark as u64 + 1, 1, u64::from(mark >= 777)), "mark {mark}");
        }
    }
}
