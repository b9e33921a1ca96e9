//! The view as text, for `--once`.

use std::fmt::Write;

use crate::{
    View,
    analysis::{Alike, alike},
    report::{bytes, count, noun, plain_name, shorten, stack_line},
};

/// Kinds that are listed.
const KINDS: usize = 10;

/// The view in 80 columns.
pub fn text(view: &View) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write(&mut text, view);
    text
}

fn write(text: &mut String, view: &View) -> std::fmt::Result {
    if view.processes.is_empty() {
        return writeln!(text, "No process that runs has reported an event.");
    }
    writeln!(
        text,
        "{:<19} {:<13} {:>11} {:>11} {:>10} {:>11}",
        "DEVICES", "MEMORY", "LIVE", "ALLOCATIONS", "PER BANK", "PEAK"
    )?;
    let all = view.devices.iter().flat_map(|device| device.memory.iter().map(|memory| (device.device_id, memory)));
    let mut rows = alike(all, |one| one.0, |one| one.1);
    rows.sort_by_key(|row| (row.devices[0], row.first.1.memory));
    for Alike { devices, first: (_, row) } in &rows {
        let each = if devices.len() > 1 { ", each" } else { "" };
        let name = format!("{}{each}", plain_name(devices));
        let bank = row.live_bytes_per_bank.map_or_else(|| "-".to_owned(), bytes);
        let (live, peak) = (bytes(row.live_bytes), bytes(row.peak_bytes));
        writeln!(
            text,
            "{name:<19} {:<13} {live:>11} {:>11} {bank:>10} {peak:>11}",
            row.memory,
            count(row.live_buffers)
        )?;
    }
    writeln!(text, "\n{:>8} {:>5} {:>12} {:>12}  COMMAND", "PID", "RANK", "LIVE", "EVENTS")?;
    for process in &view.processes {
        let rank = process.rank.map(|rank| rank.to_string()).unwrap_or_default();
        let live = format!("{}{}", if process.is_exact { "" } else { "~" }, bytes(process.live_bytes));
        let command = shorten(&process.command, 38);
        writeln!(text, "{:>8} {rank:>5} {live:>12} {:>12}  {command}", process.pid, count(process.events))?;
    }
    for process in &view.processes {
        if let Some(why) = &process.why {
            writeln!(text, "~ {}: {why}", process.pid)?;
        }
    }
    if !view.kinds.is_empty() {
        writeln!(text, "\n{:>8} {:>12} {:>11}  OF", "PID", "BYTES", "ALLOCATIONS")?;
    }
    for kind in view.kinds.iter().take(KINDS) {
        let what = format!("{} {}", bytes(kind.size), kind.memory);
        writeln!(text, "{:>8} {:>12} {:>11}  {what}", kind.pid, bytes(kind.bytes), count(kind.allocations))?;
        let place = stack_line(&kind.site);
        if !place.is_empty() {
            writeln!(text, "{:10}{}", "", shorten(&place, 70))?;
        }
    }
    let more = view.kinds.len().saturating_sub(KINDS) as u64;
    if more > 0 {
        writeln!(text, "{:>8} {} more {}", "", count(more), noun(more, "kind", "kinds"))?;
    }
    Ok(())
}
