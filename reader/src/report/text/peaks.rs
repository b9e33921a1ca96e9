//! At the peak: who made it.

use std::fmt::{self, Write};

use super::{Screen, stack};
use crate::{
    analysis::Peak,
    report::words::{bytes, count, devices},
};

/// Sources of each peak.
const SOURCES: usize = 5;
/// Peaks that are listed.
const LISTED: usize = 4;

/// The five largest sources of each memory's peak.
pub(super) fn write(out: &mut impl Write, screen: &Screen, peaks: &[Peak]) -> fmt::Result {
    if peaks.is_empty() {
        return Ok(());
    }
    screen.heading(out, "At the peak", ", the largest sources of each memory")?;
    for peak in peaks.iter().take(LISTED) {
        let at = if peak.at_bytes < peak.peak_bytes {
            format!("{} of {}", bytes(peak.at_bytes), bytes(peak.peak_bytes))
        } else {
            bytes(peak.peak_bytes)
        };
        let lead = format!("  {} {at} on ", peak.memory);
        let room = screen.width.saturating_sub(lead.len());
        writeln!(out, "{lead}{}", devices::each(&peak.devices, room))?;
        let listed = &peak.sources[..peak.sources.len().min(SOURCES)];
        for (source, frames) in listed.iter().zip(stack::apart(listed.iter().map(|source| &source.site))) {
            let size = match (source.held.allocations, source.size) {
                (1, _) => "1 allocation".to_owned(),
                (number, Some(size)) => format!("{} allocations of {}", count(number), bytes(size)),
                (number, None) => format!("{} allocations of several sizes", count(number)),
            };
            let cached = if source.cached { ", program cache" } else { "" };
            writeln!(out, "{:>12}  {size}{cached}", bytes(source.held.bytes))?;
            stack::write_frames(out, screen, 14, &source.site, frames)?;
        }
        let rest = peak.sources.len().saturating_sub(SOURCES);
        if rest > 0 {
            screen.faint(out, &format!("{:>12}  {rest} more", ""))?;
        }
    }
    writeln!(out)
}
