//! Many processes of one command: one block.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use ttmem_wire::Memory;

use super::{Screen, process, table::Table};
use crate::{
    analysis::{Answer, ProcessAnalysis, Spread},
    report::words::{bytes, count, shorten},
};

/// The answers, and the spread of each memory's peak and of what is live; then the process that says most.
pub(super) fn write(out: &mut impl Write, screen: &Screen, runs: &[&ProcessAnalysis]) -> fmt::Result {
    let Some(first) = runs.first() else { return Ok(()) };
    let number = format!("{} processes", count(runs.len() as u64));
    let room = screen.width.saturating_sub(number.len() + 3).max(20);
    writeln!(out, "{}  {number}", screen.paint.strong(&shorten(&first.command_line(), room)))?;
    for answer in [Answer::Inconclusive, Answer::Leak, Answer::Leftover, Answer::Clean] {
        let with: Vec<String> =
            runs.iter().filter(|run| run.verdict.answer == answer).map(|run| run.pid.to_string()).collect();
        if !with.is_empty() {
            let style = if answer == Answer::Clean { screen.paint.good } else { screen.paint.bad };
            let shown = if with.len() > 8 { format!("{} …", with[..8].join(", ")) } else { with.join(", ") };
            screen.styled(
                out,
                style,
                "  ",
                &format!("{} of {}: {} (pid {shown})", with.len(), runs.len(), answer.name()),
            )?;
        }
    }
    writeln!(out)?;
    write_sums(out, screen, runs)?;
    // The answers are in the order of their weight.
    let rank = |run: &&&ProcessAnalysis| (run.verdict.answer as u8, std::cmp::Reverse(run.left_by_owners().count()));
    let Some(worst) = runs.iter().min_by_key(rank) else { return Ok(()) };
    screen.faint(out, "the one with the gravest verdict; of a recording, `ttmem report --pid PID` shows another:")?;
    writeln!(out)?;
    process::write(out, screen, worst)
}

/// Each memory over all devices of a process.
fn write_sums(out: &mut impl Write, screen: &Screen, runs: &[&ProcessAnalysis]) -> fmt::Result {
    let mut memories: BTreeMap<Memory, Vec<(u64, u64)>> = BTreeMap::new();
    for (at, run) in runs.iter().enumerate() {
        for &(_, memory, totals) in &run.totals {
            let all = memories.entry(memory).or_default();
            all.resize(runs.len(), (0, 0));
            let (live, peak) = &mut all[at];
            *live = live.saturating_add(totals.live_bytes);
            // Of the fullest device: peaks of several are not at one time.
            *peak = totals.peak_bytes.max(*peak);
        }
    }
    let mut table = Table::new(["least", "median", "most"]);
    for (memory, all) in memories {
        for (what, spread) in [
            ("live", Spread::of(all.iter().map(|one| one.0))),
            ("peak on a device", Spread::of(all.iter().map(|one| one.1))),
        ] {
            table.row(format!("{memory} {what}"), [spread.least, spread.median, spread.most].map(bytes));
        }
    }
    table.write(out, "", screen)?;
    writeln!(out)
}
