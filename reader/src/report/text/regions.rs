//! Regions of the program: a line for each name; and those of one name.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt::{self, Write},
};

use ttmem_wire::Memory;

use super::{Screen, allocations, table::Table};
use crate::{
    analysis::{Allocation, Held, ProcessAnalysis, Region, alike},
    report::words::{bytes, count, devices, noun, shorten},
};

/// Lines of the table.
const LISTED: usize = 12;
/// Columns for a name.
const NAME_WIDTH: usize = 29;

/// What all regions of one name did.
#[derive(Default)]
struct Line {
    times: u64,
    /// The most that a device held in it, in which memory, and what of it the region added.
    peak: Option<(u64, u64, Memory)>,
    grown: i128,
    left: Held,
}

/// A line for each name, in the order of the first of each.
pub(super) fn write_names(out: &mut impl Write, screen: &Screen, regions: &[Region]) -> fmt::Result {
    if regions.is_empty() {
        return Ok(());
    }
    let mut names: Vec<&str> = Vec::new();
    let mut lines: BTreeMap<&str, Line> = BTreeMap::new();
    for region in regions {
        let line = lines.entry(&region.name).or_insert_with(|| {
            names.push(&region.name);
            Line::default()
        });
        line.times += 1;
        for (_, memory, sums) in &region.sums {
            if line.peak.is_none_or(|(_, own, _)| sums.own_peak_bytes > own) {
                line.peak = Some((sums.peak_bytes, sums.own_peak_bytes, *memory));
            }
            line.grown += i128::from(sums.end_bytes) - i128::from(sums.begin_bytes);
        }
        line.left.add(region.left.allocations, region.left.bytes);
    }
    let mut table = Table::new(["times", "peak", "added", "", "growth", "left"]);
    for name in names.iter().take(LISTED) {
        let line = &lines[name];
        let (peak, own, memory) =
            line.peak.map_or((0, 0, String::new()), |(peak, own, memory)| (peak, own, memory.to_string()));
        let cells = [count(line.times), bytes(peak), bytes(own), memory, signed(line.grown), bytes(line.left.bytes)];
        table.row(shorten(name, NAME_WIDTH), cells);
    }
    table.write(out, "Regions", screen)?;
    if names.len() > LISTED {
        screen.faint(out, &format!("  {} more names; --json FILE has all", names.len() - LISTED))?;
    }
    writeln!(out)
}

fn signed(bytes_changed: i128) -> String {
    let size = u64::try_from(bytes_changed.unsigned_abs()).unwrap_or(u64::MAX);
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
    let mut by_device: BTreeMap<i32, Vec<(Memory, ttmem_ledger::WindowSums)>> = BTreeMap::new();
    for &(device, memory, sums) in &last.sums {
        by_device.entry(device).or_default().push((memory, sums));
    }
    let mut table = Table::new(["at begin", "peak", "added", "at end", "left"]);
    let key = |memories: &[(Memory, ttmem_ledger::WindowSums)]| format!("{memories:?}");
    for group in alike(&by_device, |(device, _)| **device, |(_, memories)| key(memories)) {
        table.group(devices::each(&group.devices, screen.width));
        for (memory, sums) in group.first.1 {
            let cells = [
                sums.begin_bytes,
                sums.peak_bytes,
                sums.own_peak_bytes,
                sums.end_bytes,
                narrow(sums.left_behind.bytes),
            ];
            table.row(memory.to_string(), cells.map(bytes));
        }
    }
    table.write(out, "", screen)?;
    writeln!(out)?;
    let mut left: Vec<Allocation> =
        process.regions.iter().flat_map(|region| region.left_allocations.iter().cloned()).collect();
    if left.is_empty() {
        return writeln!(out, "{}Nothing was left.{:#}", screen.paint.good, screen.paint.good);
    }
    left.sort_by_key(|one| Reverse(one.size));
    allocations::write(out, screen, "Left", &left)
}

fn narrow(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
