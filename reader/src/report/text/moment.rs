//! One moment of each process, or the regions of one name: `--at`, `--by`, `--tree`, `--mark` and `--region`.

use std::fmt::{self, Write};

use super::{Screen, allocations, fragmentation, process, regions, stack, statistics, table::Table, tree as trees};
use crate::{
    analysis::{Analysis, By, Key, Moment, ProcessAnalysis, Row, alike, rows, tree},
    replay::At,
    report::words::{bytes, count, devices, frame_texts, shorten},
    sites::short_dtype,
};

/// Rows before the rest is only counted.
const LISTED: usize = 40;

/// What is written of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What was live, as a list.
    List,
    /// The same, added up.
    By(By),
    /// The same, as a tree of callers.
    Tree,
    /// What was free, and what stood between.
    Fragmentation,
    /// The regions of one name.
    Regions,
    /// What was allocated in all.
    Statistics,
}

/// Writes what an analysis was reduced to.
///
/// # Errors
/// Those of `out`.
pub fn write_view(out: &mut impl Write, analysis: &Analysis, view: View, screen: &Screen) -> fmt::Result {
    for (at, process) in analysis.processes.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        process::write_title(out, screen, process)?;
        match (view, &process.moment) {
            (View::Statistics, _) => {
                if let Some(churn) = &process.churn {
                    statistics::write(out, screen, churn)?;
                }
            }
            (View::Regions, _) => regions::write_one(out, screen, process)?,
            (_, Some(moment)) => write_moment(out, screen, process, moment, view)?,
            (_, None) => {}
        }
    }
    Ok(())
}

fn write_moment(
    out: &mut impl Write,
    screen: &Screen,
    process: &ProcessAnalysis,
    moment: &Moment,
    view: View,
) -> fmt::Result {
    let (title, about) = match &moment.at {
        At::Peak => ("At the peak".to_owned(), ", when most bytes were live in all memories"),
        At::Exit => ("At the end".to_owned(), ""),
        At::Seconds(seconds) => (format!("After {seconds} s"), ""),
        At::Mark(name) => (format!("At mark {name:?}"), ", peaks and counts until then"),
    };
    let since = moment.since_ns.filter(|_| moment.at == At::Peak);
    let since = since.map_or_else(String::new, |ns| format!(", {:.3} s after the start", ns as f64 / 1e9));
    screen.heading(out, &title, &format!("{about}{since}"))?;
    writeln!(out)?;
    process::write_sums(out, screen, &moment.totals)?;
    if view == View::Fragmentation {
        return fragmentation::write(out, screen, &moment.fragmentation);
    }
    if moment.live.is_empty() {
        return writeln!(out, "Nothing was live.");
    }
    match view {
        View::By(by) => write_rows(out, screen, process, moment, by),
        View::Tree => trees::write(out, screen, &tree(&moment.live)),
        View::List | View::Regions | View::Statistics | View::Fragmentation => {
            allocations::write(out, screen, "Live then", &moment.live)
        }
    }
}

fn write_rows(
    out: &mut impl Write,
    screen: &Screen,
    process: &ProcessAnalysis,
    moment: &Moment,
    by: By,
) -> fmt::Result {
    let rows = rows(process, &moment.live, by);
    let title = match by {
        By::Site => "By call site",
        By::Op => "By op",
        By::Size => "By size",
        By::Shape => "By shape",
        By::Dtype => "By data type",
        By::Device => "By device",
        By::Memory => "By memory",
        By::Generation => "By iteration",
    };
    let mut table = Table::new(["bytes", "allocations", "program cache"]);
    // What stands beside a label of the full width.
    let room = screen.width.saturating_sub(45).max(24);
    // Rows of devices that are alike are one.
    let device = |row: &&Row| if let Key::Device(device) = row.key { device } else { 0 };
    let rows = alike(&rows, device, |row| {
        let key = (by != By::Device).then_some(&row.key);
        format!("{key:?} {:?} {:?}", row.held, row.cached)
    });
    for group in rows.iter().take(LISTED) {
        let row = group.first;
        let cells = [bytes(row.held.bytes), count(row.held.allocations), bytes(row.cached.bytes)];
        table.row(shorten(&label(&row.key, &group.devices, room), room), cells);
    }
    table.write(out, title, screen)?;
    if rows.len() > LISTED {
        screen.faint(out, &format!("  {} more; --json FILE has all", rows.len() - LISTED))?;
    }
    screen.faint(out, "program memory, which overlaps, is left out")?;
    writeln!(out)
}

fn label(key: &Key, devices: &[i32], room: usize) -> String {
    let not_known = || "not known".to_owned();
    match key {
        Key::Site(site) => {
            let frames = frame_texts(site, &site.telling(stack::FRAMES));
            let each = (room / frames.len().max(1)).saturating_sub(3);
            let line = frames.join(" < ");
            match frames.len() {
                0 => not_known(),
                _ if line.chars().count() <= room => line,
                _ => frames.iter().map(|frame| stack::short(frame, each)).collect::<Vec<_>>().join(" < "),
            }
        }
        Key::Op(op) => op.as_deref().map_or_else(not_known, str::to_owned),
        Key::Size(size) => bytes(*size),
        Key::Shape(shape) => shape.as_ref().map_or_else(not_known, |shape| format!("{shape:?}")),
        Key::Dtype(dtype) => dtype.as_deref().map_or_else(not_known, |dtype| short_dtype(dtype).to_owned()),
        Key::Device(_) => devices::each(devices, room),
        Key::Memory(memory) => memory.to_string(),
        Key::Generation(Some(0)) => "before the first mark".to_owned(),
        Key::Generation(Some(number)) => format!("iteration {}", count(*number)),
        Key::Generation(None) => "no loop with marks".to_owned(),
    }
}
