//! Regions of the program: a line for each name; and those of one name.

use std::{
    cmp::Reverse,
    fmt::{self, Write},
};

use ttmem_ledger::narrow;

use super::{Screen, allocations, table::Table};
use crate::{
    analysis::{Allocation, ProcessAnalysis, Region, alike_devices, regions_by_name},
    report::words::{bytes, count, devices, noun, shorten},
};

/// Lines of the table.
const LISTED: usize = 12;
/// Columns for a name.
const NAME_WIDTH: usize = 29;

/// A line for each name, in the order of the first of each.
pub(super) fn write_names(out: &mut impl Write, screen: &Screen, regions: &[Region]) -> fmt::Result {
    if regions.is_empty() {
        return Ok(());
    }
    let rows = regions_by_name(regions);
    let mut table = Table::new(["times", "peak", "added", "", "growth", "left"]);
    for row in rows.iter().take(LISTED) {
        let (memory, peak, own) =
            row.peak.map_or((String::new(), 0, 0), |(memory, peak, own)| (memory.to_string(), peak, own));
        let cells = [count(row.times), bytes(peak), bytes(own), memory, signed(row.growth), bytes(row.left.bytes)];
        table.row(shorten(row.name, NAME_WIDTH), cells);
    }
    table.write(out, "Regions", screen)?;
    if rows.len() > LISTED {
        screen.faint(out, &format!("  {} more names; --json FILE has all", rows.len() - LISTED))?;
    }
    writeln!(out)
}

fn signed(bytes_changed: i128) -> String {
    let size = narrow(bytes_changed.unsigned_abs());
    match bytes_changed {
        0 => "0 B".to_owned(),
        ..0 => format!("-{}", bytes(size)),
        _ => format!("+{}", bytes(size)),
    }
}

/// The regions of one name, which are all that the process has here.
pub(super) fn write_one(out: &mut impl Write, screen: &Screen, process: &ProcessAnalysis) -> fmt::Result {
    let (Some(first), Some(last)) = (process.regions.first(), process.regions.last()) else { return Ok(()) };
    let times = process.regions.len() as u64;
    let times = format!(", {} {}", count(times), noun(times, "time", "times"));
    screen.heading(out, &format!("Region {:?}", first.name), &times)?;
    writeln!(out)?;
    write_names(out, screen, &process.regions)?;
    // Of many the last: the first are a warm-up.
    let state = if last.end_ns.is_none() { "it is still open" } else { "it took" };
    let took =
        last.end_ns.map_or_else(String::new, |end| format!(" {} ms", end.saturating_sub(last.begin_ns) / 1_000_000));
    screen.faint(out, &format!("the last of them: {state}{took}"))?;
    let rows = last.sums.iter().map(|&(device, memory, sums)| {
        let left = last.left_over_of(device, memory, &sums);
        (device, memory, (sums, left))
    });
    let mut table = Table::new(["at begin", "peak", "added", "at end", "left"]);
    for group in alike_devices(rows) {
        table.group(devices::each(&group.devices, screen.width));
        for (memory, (sums, left)) in group.first {
            let cells = [sums.begin_bytes, sums.peak_bytes, sums.own_peak_bytes, sums.end_bytes, left.bytes];
            table.row(memory.to_string(), cells.map(bytes));
        }
    }
    table.write(out, "", screen)?;
    writeln!(out)?;
    let outermost = process.regions.iter().filter(|region| !region.is_recursive);
    let mut left: Vec<Allocation> = outermost.flat_map(|region| region.left_allocations.iter().cloned()).collect();
    if left.is_empty() {
        return writeln!(out, "{}Nothing was left.{:#}", screen.paint.good, screen.paint.good);
    }
    left.sort_by_key(|one| Reverse(one.size));
    allocations::write(out, screen, "Left", &left)
}
