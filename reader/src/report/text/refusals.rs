//! When memory was refused, and who held most.

use std::fmt::{self, Write};

use ttmem_wire::Space;

use super::{Screen, allocations::at, fragmentation, stack};
use crate::{
    analysis::{Collision, Refusal},
    report::words::{
        bytes, count, noun,
        refusals::{of_holding, sentence, size},
    },
};

/// Refusals that are listed.
const LISTED: usize = 6;
/// Holdings of the last of them.
const HOLDINGS: usize = 5;

/// The last of these refusals and who held most then, in a few lines for a failure of a test; nothing where there is none.
pub(crate) fn terse(refusals: &[Refusal]) -> Option<String> {
    let last = refusals.last()?;
    let size = size(last).map_or_else(String::new, |size| format!("{size} "));
    let what = if last.other_reason.is_some() { "refused" } else { "out of memory" };
    let mut text = format!("ttmem: {what}: {size}{}\n", sentence(last));
    // Writing to a string does not fail.
    let _ = write_holdings(&mut text, &Screen::plain(), last, "then");
    if refusals.len() > 1 {
        let _ = writeln!(text, "  ({} more refusals before it)", refusals.len() - 1);
    }
    Some(text)
}

/// All refusals; of the last, who held most.
pub(super) fn write(out: &mut impl Write, screen: &Screen, refusals: &[Refusal]) -> fmt::Result {
    let Some(last) = refusals.last() else { return Ok(()) };
    let heading =
        if refusals.iter().all(|refusal| refusal.other_reason.is_some()) { "Refused" } else { "Out of memory" };
    screen.heading(out, heading, ": what was asked for, and what was live then")?;
    for refusal in refusals.iter().take(LISTED) {
        let size = size(refusal).unwrap_or_else(|| "?".to_owned());
        screen.wrapped(out, &format!("{size:>12}  "), &sentence(refusal))?;
        stack::write(out, screen, 14, &refusal.site)?;
    }
    if refusals.len() > LISTED {
        screen.faint(out, &format!("{:>12}  {} more", "", refusals.len() - LISTED))?;
    }
    write_holdings(out, screen, last, if refusals.len() == 1 { "then" } else { "at the last of them" })?;
    writeln!(out)
}

/// What the program itself has placed.
fn write_parts(out: &mut impl Write, screen: &Screen, clash: &Collision) -> fmt::Result {
    if clash.parts.is_empty() {
        return Ok(());
    }
    screen.faint(out, "  the program's own, on each of its cores:")?;
    for part in clash.parts.iter().take(HOLDINGS) {
        let cores = noun(part.num_cores.into(), "core", "cores");
        let line =
            format!("{:>12}  {} at {:#x} on {} {cores}", bytes(part.size), part.memory, part.address, part.num_cores);
        writeln!(out, "{line}")?;
    }
    let more = &clash.parts[clash.parts.len().min(HOLDINGS)..];
    if !more.is_empty() {
        let sum = more.iter().fold(0_u64, |sum, part| sum.saturating_add(part.size));
        screen.faint(out, &format!("{:>12}  {} more", bytes(sum), more.len()))?;
    }
    Ok(())
}

/// What is free, and what would give the program the bytes that it lacks.
fn write_reliefs(out: &mut impl Write, screen: &Screen, clash: &Collision, space: Option<Space>) -> fmt::Result {
    if let Some(space) = space {
        let line =
            format!("  free in L1: {} per bank, largest block {}", bytes(space.free), bytes(space.largest_block));
        screen.faint(out, &line)?;
    }
    let missing = clash.shortfall.unwrap_or(0);
    if clash.reliefs.is_empty() && clash.parts.is_empty() || missing == 0 {
        return Ok(());
    }
    screen.faint(out, &format!("  what gives how much of the {} missing on each core:", bytes(missing)))?;
    // From the bottom up; neighbours of one call site are one line.
    let mut below = 0;
    for run in clash.reliefs.chunk_by(|one, other| one.buffer.site_key() == other.buffer.site_key()) {
        let Some(last) = run.last() else { continue };
        below += run.len() as u64;
        let which =
            if below == 1 { "the lowest buffer".to_owned() } else { format!("the {} lowest buffers", count(below)) };
        let what = format!(
            "free, or move to DRAM, {which}, up to that of {} at {:#x}",
            bytes(last.buffer.size),
            last.buffer.address
        );
        screen.wrapped(out, &format!("{:>12}  ", bytes(last.gained)), &what)?;
        stack::write(out, screen, 14, &last.buffer.site)?;
    }
    let own = clash.parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.size));
    if own > 0 {
        let what = "at most: shard the op over twice as many cores, or halve its blocks";
        screen.wrapped(out, &format!("{:>12}  ", bytes(own / 2)), what)?;
    }
    Ok(())
}

/// What was in the way, and who held most.
fn write_holdings(out: &mut impl Write, screen: &Screen, last: &Refusal, which: &str) -> fmt::Result {
    if let Some((clash, lowest)) = last.clash.as_ref().and_then(|clash| Some((clash, clash.lowest.as_ref()?))) {
        let op = lowest.site.op.as_ref().map_or_else(String::new, |op| format!(", of {op}"));
        screen.faint(out, &format!("  the lowest buffer {which}:"))?;
        let what = format!("{} {}{op}", lowest.memory, at(lowest));
        screen.wrapped(out, &format!("{:>12}  ", bytes(lowest.size)), &what)?;
        stack::write(out, screen, 14, &lowest.site)?;
        let number = clash.in_the_way.allocations;
        if number > 1 {
            let line = format!(
                "  {} {} in L1 begin below {}: {}",
                count(number),
                noun(number, "buffer", "buffers"),
                clash.region_end.unwrap_or(0),
                bytes(clash.in_the_way.bytes)
            );
            screen.faint(out, &line)?;
        }
    }
    if let Some(clash) = &last.clash {
        write_parts(out, screen, clash)?;
        write_reliefs(out, screen, clash, last.space)?;
    }
    fragmentation::write_ways(out, screen, &last.ways_out, last.size_per_bank)?;
    if last.by_site.iter().all(|holding| holding.site.frames.is_empty()) {
        // Nobody knows whose they are: then each by itself.
        if !last.largest.is_empty() {
            screen.faint(out, &format!("  the largest allocations {which}:"))?;
        }
        for one in last.largest.iter().take(HOLDINGS) {
            let why = if one.cached { ", program cache" } else { "" };
            writeln!(out, "{:>12}  {} {}{why}", bytes(one.size), one.memory, at(one))?;
        }
        return Ok(());
    }
    screen.faint(out, &format!("  live {which}, by call site:"))?;
    for holding in last.by_site.iter().take(HOLDINGS) {
        screen.wrapped(out, &format!("{:>12}  ", bytes(holding.held.bytes)), &of_holding(holding, last.at_ns))?;
        stack::write(out, screen, 14, &holding.site)?;
    }
    if last.by_op.iter().any(|holding| holding.site.op.is_some()) {
        let by_op = last.by_op.iter().take(HOLDINGS).map(|holding| {
            let op = holding.site.op.as_deref().unwrap_or("no op");
            format!("{op} {}{}", bytes(holding.held.bytes), if holding.cached { " (program cache)" } else { "" })
        });
        screen.wrapped(out, "  ", &format!("by op: {}", by_op.collect::<Vec<_>>().join(", ")))?;
    }
    Ok(())
}
