//! The processes of one job side by side, a line for each rank.

use std::fmt::{self, Write};

use ttmem_wire::Memory;

use super::{Screen, table::Table};
use crate::{analysis::ProcessAnalysis, report::words::bytes};

/// Writes them, if there are several ranks.
pub(super) fn write(out: &mut impl Write, screen: &Screen, processes: &[ProcessAnalysis]) -> fmt::Result {
    let mut ranks: Vec<(u32, &ProcessAnalysis)> =
        processes.iter().filter_map(|process| Some((process.facts.rank?, process))).collect();
    ranks.sort_by_key(|(rank, process)| (*rank, process.started_ns));
    if ranks.first().map(|(rank, _)| rank) == ranks.last().map(|(rank, _)| rank) {
        return Ok(());
    }
    let mut table = Table::new(["pid", "DRAM live", "DRAM peak", "L1 peak", "verdict"]);
    for (rank, process) in ranks {
        let of =
            |memory| process.totals.iter().filter(move |(_, other, _)| *other == memory).map(|(_, _, totals)| totals);
        let live = of(Memory::Dram).map(|totals| totals.live_bytes).max();
        let peak = |memory| of(memory).map(|totals| totals.peak_bytes).max();
        let sums = [live, peak(Memory::Dram), peak(Memory::L1)].map(|sum| sum.map_or_else(|| "-".to_owned(), bytes));
        table.row(
            format!("rank {rank}"),
            [&[process.pid.to_string()][..], &sums, &[process.verdict.answer.name().to_owned()]].concat(),
        );
    }
    table.write(out, "Ranks", screen)?;
    screen.faint(out, "bytes: on the device of the rank that has most")?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use ttmem_ledger::{Facts, Totals};

    use super::*;

    fn process(rank: Option<u32>, pid: u32, live_bytes: u64) -> ProcessAnalysis {
        let totals = Totals { live_bytes, peak_bytes: 2 * live_bytes, ..Totals::default() };
        let small = Totals { live_bytes: 1, peak_bytes: 1, ..Totals::default() };
        ProcessAnalysis {
            pid,
            facts: Facts { rank, ..Facts::default() },
            totals: vec![(0, Memory::Dram, totals), (1, Memory::Dram, small)],
            ..ProcessAnalysis::default()
        }
    }

    fn text(processes: &[ProcessAnalysis]) -> String {
        let mut text = String::new();
        write(&mut text, &Screen::plain(), processes).unwrap();
        text
    }

    #[test]
    fn ranks_are_side_by_side_in_their_order() {
        let text = text(&[process(Some(1), 11, 2 << 20), process(None, 12, 1), process(Some(0), 10, 1 << 20)]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], "Ranks pid DRAM live DRAM peak L1 peak verdict".split(' ').collect::<Vec<_>>());
        assert_eq!(lines[1], "rank 0 10 1.0 MiB 2.0 MiB - clean".split(' ').collect::<Vec<_>>());
        assert_eq!(lines[2], "rank 1 11 2.0 MiB 4.0 MiB - clean".split(' ').collect::<Vec<_>>());
        assert!(text.ends_with("most\n\n"), "{text}");
    }

    #[test]
    fn one_rank_is_no_table() {
        assert_eq!(text(&[process(Some(1), 1, 1), process(Some(1), 2, 1), process(None, 3, 1)]), "");
        assert_eq!(text(&[]), "");
    }
}
