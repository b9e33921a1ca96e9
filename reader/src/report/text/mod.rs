//! The report as text: the verdict first, then the sums, growth, the peak, and what is live.

mod allocations;
mod difference;
mod fragmentation;
mod growth;
mod moment;
mod peaks;
mod process;
mod ranks;
mod refusals;
mod regions;
mod screen;
mod spread;
mod stack;
mod statistics;
mod table;
mod tree;
mod whatif;

use std::fmt::{self, Write};

pub use difference::write_difference;
pub use moment::{View, write_view};
pub(crate) use process::{Part, in_short, write_part};
pub(crate) use refusals::terse;
pub use screen::{Painter, Screen};
pub use whatif::write_what_if;

use crate::{
    analysis::{Analysis, GrowthSource, Loop, MANY, alike_devices, commands},
    report::words::{bytes, count, devices, growth as sentences, shorten},
};
use table::Table;

/// Writes the report. Many processes of one command are one block.
///
/// # Errors
/// Those of `out`.
pub fn write_text(out: &mut impl Write, analysis: &Analysis, screen: &Screen) -> fmt::Result {
    ranks::write(out, screen, &analysis.processes)?;
    for (at, runs) in commands(&analysis.processes).into_iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        if runs.len() >= MANY {
            spread::write(out, screen, &runs)?;
            continue;
        }
        for (at, process) in runs.into_iter().enumerate() {
            if at > 0 {
                writeln!(out)?;
            }
            process::write(out, screen, process)?;
        }
    }
    write_devices(out, screen, analysis)?;
    write_runs(out, screen, analysis)?;
    write_suppressions(out, screen, analysis)
}

/// What all processes together hold, where a device has several.
fn write_devices(out: &mut impl Write, screen: &Screen, analysis: &Analysis) -> fmt::Result {
    if analysis.devices.values().all(|memory| memory.processes < 2) {
        return Ok(());
    }
    let rows = analysis.devices.iter().map(|(&(device, memory), together)| (device, memory, together));
    let mut table = Table::new(["live now", "left at end", "sum of peaks", "processes"]);
    for group in alike_devices(rows) {
        table.group(devices::each(&group.devices, screen.width));
        for (memory, all) in group.first {
            let sums = [all.live_bytes, all.left_bytes, all.peak_bytes_at_most].map(bytes);
            table.row(memory.to_string(), [&sums[..], &[all.processes.to_string()]].concat());
        }
    }
    writeln!(out)?;
    table.write(out, "All processes", screen)
}

/// What grows over runs of a command. Forked children are runs too, so that there is no growth is no news.
fn write_runs(out: &mut impl Write, screen: &Screen, analysis: &Analysis) -> fmt::Result {
    for growth in analysis.runs.iter().filter(|growth| growth.sources.iter().any(GrowthSource::grows)) {
        writeln!(out)?;
        let command = match &growth.point {
            Loop::Runs(command) => shorten(command, 40),
            _ => String::new(),
        };
        screen.wrapped(out, "* ", &format!("{command}: {}", sentences::sentence(growth)))?;
        growth::write_sources(out, screen, growth)?;
    }
    Ok(())
}

fn write_suppressions(out: &mut impl Write, screen: &Screen, analysis: &Analysis) -> fmt::Result {
    let used = analysis.suppressions.iter().filter(|used| used.covered.allocations > 0 || used.growth > 0);
    for (at, used) in used.enumerate() {
        if at == 0 {
            writeln!(out)?;
            screen.heading(out, "Suppressed", "")?;
        }
        let growth = if used.growth == 0 { String::new() } else { format!(", {} that grow", count(used.growth)) };
        let what = format!("{}{growth} by line {}: {}", sentences::number(used.covered), used.line, used.rule);
        screen.wrapped(out, &format!("{:>12}  ", bytes(used.covered.bytes)), &what)?;
    }
    Ok(())
}
