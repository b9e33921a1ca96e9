//! The difference as text.

use std::fmt::{self, Write};

use super::{Screen, stack};
use crate::{
    analysis::{Difference, Side},
    report::words::{
        bytes, count,
        difference::{beside, change as what_it_did, sentence},
        growth::number,
        plain_name, shorten,
    },
};

/// Lines before the rest is only counted.
const LISTED: usize = 30;

/// Writes the difference: what it comes to, then each change.
///
/// # Errors
/// Those of `out`.
pub fn write_difference(out: &mut impl Write, difference: &Difference, screen: &Screen) -> fmt::Result {
    screen.styled(out, screen.paint.heading, "", &sentence(difference))?;
    for (name, side) in [("A", &difference.a), ("B", &difference.b)] {
        write_side(out, screen, name, side)?;
    }
    let changes = &difference.changes;
    if !changes.is_empty() {
        writeln!(out)?;
        screen.faint(out, &format!("{:>12}  {:>15}  {:<9} allocations of", "bytes", "each device", ""))?;
    }
    let frames = stack::apart(changes.iter().take(LISTED).map(|change| &change.site));
    for (change, frames) in changes.iter().zip(frames) {
        let sign = if change.bytes_change < 0 { '-' } else { '+' };
        let size = format!("{sign}{}", bytes(change.bytes_change.unsigned_abs()));
        let numbers = format!("{} to {}", count(change.in_a), count(change.in_b));
        let cached = if change.cached { ", program cache" } else { "" };
        let lead = format!("{size:>12}  {numbers:>15}  {:<9} ", what_it_did(change.kind));
        let what = format!("{} {} on {}{cached}", bytes(change.size), change.memory, plain_name(&change.devices));
        screen.wrapped(out, &lead, &what)?;
        stack::write_frames(out, screen, 14, &change.site, frames)?;
    }
    if changes.len() > LISTED {
        screen.faint(out, &format!("{:>12}  {} more; --json FILE has all", "", changes.len() - LISTED))?;
    }
    let same = difference.unchanged;
    if same.allocations > 0 {
        screen.faint(out, &format!("{:>12}  in both: {}, {}", "", number(same), bytes(same.bytes)))?;
    }
    Ok(())
}

fn write_side(out: &mut impl Write, screen: &Screen, name: &str, side: &Side) -> fmt::Result {
    let held = format!("{}, {}", number(side.held), bytes(side.held.bytes));
    let room = screen.width.saturating_sub(held.len() + 4);
    writeln!(out, "{}: {}  {held}", screen.paint.strong(name), shorten(&side.label, room))?;
    beside(side).map_or(Ok(()), |text| screen.styled(out, screen.paint.faint, "   ", &text))
}
