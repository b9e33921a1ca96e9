//! A loop of marks at which nothing was live. It has no source, so the ledger lists no loop; and nothing grows in it.

use std::collections::BTreeMap;

use ttmem_ledger::series_name;

use super::{Loop, MarkedMoment, ProcessAnalysis};

/// Fewer marks decide nothing.
const FEWEST: u64 = 4;

/// The loop of this kind with the most marks, and how many; `None` where marks or closes have another loop.
pub(super) fn longest(process: &ProcessAnalysis) -> Option<(Loop, u64)> {
    if process.growth.iter().any(|growth| growth.point != Loop::Time) {
        return None;
    }
    let mut loops: BTreeMap<String, (u64, bool)> = BTreeMap::new();
    for mark in &process.marks {
        let (number, is_empty) = loops.entry(series_name(&mark.name)).or_insert((0, true));
        *number += 1;
        *is_empty &= is_empty_at(mark);
    }
    let empty = loops.into_iter().filter(|(_, (number, is_empty))| *is_empty && *number >= FEWEST);
    let (name, (number, _)) = empty.max_by_key(|(_, (number, _))| *number)?;
    Some((Loop::Marks(name), number))
}

fn is_empty_at(mark: &MarkedMoment) -> bool {
    mark.totals.iter().all(|(_, memory, totals)| memory.is_of_programs() || totals.live_buffers == 0)
}

#[cfg(test)]
mod tests {
    use ttmem_ledger::Totals;
    use ttmem_wire::Memory;

    use super::*;
    use crate::analysis::{Course, Growth, Undecided};

    #[test]
    fn marks_at_which_nothing_was_live_are_a_loop_that_does_not_grow() {
        let mark = |at: u64, live_buffers: u64| MarkedMoment {
            name: format!("step {at}"),
            at_ns: at,
            totals: vec![(0, Memory::Dram, Totals { live_buffers, ..Totals::default() })],
            live: None,
        };
        let found = |growth: Vec<Growth>, live: &[u64]| {
            let marks = (0..).zip(live).map(|(at, &live)| mark(at, live)).collect();
            longest(&ProcessAnalysis { marks, ..ProcessAnalysis::example(Vec::new(), growth) })
        };
        let steps = Some((Loop::Marks("step #".into()), 5));
        let by_time = Growth::example(Loop::Time, Course::Undecided(Undecided::FewGenerations));
        assert_eq!(found(vec![by_time], &[0; 5]), steps);
        assert_eq!(found(Vec::new(), &[0, 0, 1, 0, 0]), None);
        assert_eq!(found(Vec::new(), &[0; 3]), None, "too few");
        let other = Growth::example(Loop::Marks("epoch #".into()), Course::Undecided(Undecided::FewIterations));
        assert_eq!(found(vec![other], &[0; 5]), None);
    }
}
