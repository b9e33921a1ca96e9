//! The difference as text. Fits 80 columns.

use std::fmt::{self, Write};

use super::{Diff, Side, Snapshot};
use crate::report::{Painter, bytes, count, from_here, noun, plain_name, shorten, write_wrapped};

/// Lines before the rest is only counted.
const LISTED: usize = 30;

/// Writes the difference; of each call site the first frame, or all.
///
/// # Errors
/// Those of `out`.
pub fn write_diff(out: &mut impl Write, diff: &Diff, full_stacks: bool, paint: Painter) -> fmt::Result {
    let Painter { heading, faint, .. } = paint;
    for (name, side) in [("A", &diff.a), ("B", &diff.b)] {
        write_side(out, name, side, paint)?;
    }
    writeln!(out)?;
    if !diff.changes.is_empty() {
        writeln!(out, "{faint}{:>12}  {:>15}  {:<9} regions of{faint:#}", "bytes", "each device", "")?;
    }
    for change in diff.changes.iter().take(LISTED) {
        let sign = if change.bytes_change < 0 { '-' } else { '+' };
        let size = format!("{sign}{}", bytes(change.bytes_change.unsigned_abs()));
        let numbers = format!("{} to {}", count(change.regions_a), count(change.regions_b));
        let cached = if change.cached { ", program cache" } else { "" };
        let site = change.site.first().map_or_else(String::new, |frame| format!(": {}", from_here(frame)));
        let lead = format!("{size:>12}  {numbers:>15}  {:<9} ", change.change);
        let what = format!("{} {} on {}{cached}{site}", bytes(change.size), change.memory, plain_name(&change.devices));
        write_wrapped(out, &lead, &what)?;
        for frame in change.site.iter().skip(1).filter(|_| full_stacks) {
            writeln!(out, "{faint}{:>14}{frame}{faint:#}", "")?;
        }
    }
    if diff.changes.len() > LISTED {
        writeln!(out, "{faint}{:>12}  {} more; --json FILE has all{faint:#}", "", diff.changes.len() - LISTED)?;
    }
    if diff.unchanged_regions > 0 {
        let regions =
            format!("{} {}", count(diff.unchanged_regions), noun(diff.unchanged_regions, "region", "regions"));
        writeln!(out, "{faint}{:>12}  in both: {regions}, {}{faint:#}", "", bytes(diff.unchanged_bytes))?;
    }
    if !diff.changes.is_empty() || diff.unchanged_regions > 0 {
        writeln!(out)?;
    }
    write!(out, "{heading}")?;
    write_wrapped(out, "", &diff.text)?;
    write!(out, "{heading:#}")
}

fn write_side(out: &mut impl Write, name: &str, side: &Side, paint: Painter) -> fmt::Result {
    let held = format!("{} {}, {}", count(side.regions), noun(side.regions, "region", "regions"), bytes(side.bytes));
    let room = 76_usize.saturating_sub(held.len());
    writeln!(out, "{}: {}  {held}", paint.strong(name), shorten(&side.label, room))
}

/// What it comes to.
pub(super) fn sentence(a: &Snapshot, b: &Snapshot, regions: i64, size: i64, is_same: bool) -> String {
    if let Some((name, why)) =
        a.inconclusive.as_ref().map(|why| ("A", why)).or_else(|| b.inconclusive.as_ref().map(|why| ("B", why)))
    {
        return format!("{name} is not complete. {why}");
    }
    if is_same {
        return "No difference: B holds what A holds.".to_owned();
    }
    let number = regions.unsigned_abs();
    let amount = format!("{} {}, {}", count(number), noun(number, "region", "regions"), bytes(size.unsigned_abs()));
    match (regions, size) {
        (0, 0) => "As many bytes and regions in both, but not the same ones.".to_owned(),
        _ if regions >= 0 && size >= 0 => format!("B holds {amount} more than A."),
        _ if regions <= 0 && size <= 0 => format!("B holds {amount} less than A."),
        _ => format!(
            "B holds {} {} {} and {} {} than A.",
            count(number),
            noun(number, "region", "regions"),
            if regions > 0 { "more" } else { "fewer" },
            bytes(size.unsigned_abs()),
            if size > 0 { "more" } else { "less" }
        ),
    }
}
