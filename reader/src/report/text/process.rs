//! One process, from the answer down.

use std::fmt::{self, Write};

use ttmem_ledger::Totals;
use ttmem_wire::Memory;

use super::{Screen, allocations, growth, peaks, refusals, regions, table::Table};
use crate::{
    Ended,
    analysis::{Analysis, Answer, Ending, ProcessAnalysis, alike, alike_devices},
    report::words::{self, bytes, count, devices, short_count, shorten},
};

/// The order of memories; others come last.
const ORDER: [Memory; 8] = [
    Memory::Dram,
    Memory::L1,
    Memory::L1Small,
    Memory::Trace,
    Memory::CircularBuffer,
    Memory::DataflowBuffer,
    Memory::Scratchpad,
    Memory::SystemMemory,
];

/// All about it.
pub(super) fn write(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    write_title(out, screen, process)?;
    write_verdict(out, screen, process)?;
    writeln!(out)?;
    write_sums(out, screen, &process.totals)?;
    growth::write(out, screen, &process.growth)?;
    peaks::write(out, screen, &process.peaks)?;
    write_headroom(out, screen, process)?;
    write_pressure(out, screen, process)?;
    let title = match process.end {
        Ending::Running => "Live now",
        Ending::Cut(_) => "Live where the recording ends",
        Ending::Ended(Ended::Code(_)) => "Live at exit",
        Ending::Ended(Ended::Signal(_)) => "Live when it was killed",
        Ending::Ended(Ended::Unknown) => "Live when it ended",
        Ending::Ended(Ended::Stopped) => "Live when tracking stopped",
    };
    allocations::write(out, screen, title, &process.live)?;
    allocations::write(out, screen, "Released by a close, not by their owners", &process.released_at_close)?;
    refusals::write(out, screen, &process.refusals)?;
    regions::write_names(out, screen, &process.regions)?;
    for one in &process.observations {
        screen.wrapped(out, "* ", &format!("{} [{}]", words::finding(one), words::finding_id(one)))?;
    }
    let events = process.counts;
    screen.faint(
        out,
        &format!(
            "events: {} reported, {} drained, {} lost",
            count(events.reported),
            count(events.drained),
            count(events.lost)
        ),
    )
}

/// The answer, what is left, and what grows, in so many columns and without colours.
pub(crate) fn in_short(process: &ProcessAnalysis, width: usize) -> String {
    let screen = Screen { width: width.saturating_sub(2).max(20), ..Screen::plain() };
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_verdict(&mut text, &screen, process)
        .and_then(|()| write_headroom(&mut text, &screen, process))
        .and_then(|()| growth::write(&mut text, &screen, &process.growth))
        .and_then(|()| refusals::terse(&process.refusals).map_or(Ok(()), |refused| writeln!(text, "{refused}")));
    text
}

/// A part of the report on a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The verdict, and what grows.
    Growth,
    /// What each memory's peak was made of.
    Peaks,
    /// What was refused.
    Refusals,
}

/// This part of each process.
pub(crate) fn write_part(out: &mut impl Write, analysis: &Analysis, part: Part, screen: &Screen) -> fmt::Result {
    for (at, process) in analysis.processes.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        write_title(out, screen, process)?;
        match part {
            Part::Growth => {
                write_verdict(out, screen, process)?;
                growth::write(out, screen, &process.growth)?;
            }
            Part::Peaks if process.peaks.is_empty() => writeln!(out, "Nothing was ever live.")?,
            Part::Peaks => peaks::write(out, screen, &process.peaks)?,
            Part::Refusals if process.refusals.is_empty() => writeln!(out, "Nothing was refused.")?,
            Part::Refusals => refusals::write(out, screen, &process.refusals)?,
        }
    }
    Ok(())
}

/// Which process, and how it ended.
pub(super) fn write_title(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    let heading = screen.paint.heading;
    let rank = process.facts.rank.map_or_else(String::new, |rank| format!("rank {rank}, "));
    let title = format!("{rank}pid {} {}", process.pid, words::ending(process.end));
    let room = screen.width.saturating_sub(title.chars().count() + 3).max(20);
    writeln!(out, "{heading}{}{heading:#}  {title}", shorten(&process.command_line(), room))
}

/// The answer.
pub(super) fn write_verdict(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    let style = if process.verdict.answer == Answer::Clean { screen.paint.good } else { screen.paint.bad };
    screen.styled(out, style, "", &words::verdict(process))
}

/// What is left of memories in use; devices that are alike have one line.
fn write_headroom(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    let all = process.headroom.iter().map(|(&(device, memory), &headroom)| (device, memory, headroom));
    let in_use = all.filter(|(.., headroom)| headroom.free_per_bank != Some(headroom.capacity_per_bank));
    let groups = alike_devices(in_use);
    for group in &groups {
        let text = format!("Free on {}: {}.", devices::plain(&group.devices), words::headroom(&group.first));
        screen.wrapped(out, "", &text)?;
    }
    if groups.is_empty() { Ok(()) } else { writeln!(out) }
}

/// How full L1 is; devices that are alike have one line.
fn write_pressure(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    let sentences =
        process.l1.iter().filter_map(|(&device, pressure)| Some((device, words::pressure::sentence(pressure)?)));
    let groups = alike(sentences.collect::<Vec<_>>(), |(device, _)| *device, |(_, sentence)| sentence.clone());
    for group in &groups {
        let sentence = format!("L1 of {}: {}. [pressure]", devices::plain(&group.devices), group.first.1);
        screen.wrapped(out, "", &sentence)?;
    }
    if groups.is_empty() { Ok(()) } else { writeln!(out) }
}

/// The sums; devices that have them alike are one group.
pub(super) fn write_sums(out: &mut impl Write, screen: &Screen, totals: &[(i32, Memory, Totals)]) -> fmt::Result {
    if totals.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(["live", "per bank", "peak", "allocs", "frees", "at close"]);
    for group in alike_devices(totals.iter().copied()) {
        table.group(devices::each(&group.devices, screen.width));
        let mut memories = group.first;
        memories.sort_by_key(|(memory, _)| ORDER.iter().position(|known| known == memory).unwrap_or(ORDER.len()));
        for (memory, totals) in memories {
            let cells = [
                bytes(totals.live_bytes),
                totals.live_bytes_per_bank.map_or_else(|| "?".into(), bytes),
                bytes(totals.peak_bytes),
                short_count(totals.allocations),
                short_count(totals.frees),
                short_count(totals.released_at_close),
            ];
            table.row(memory.to_string(), cells);
        }
    }
    table.write(out, "", screen)?;
    writeln!(out)
}
