//! What allocations would have come to, as text.

use std::fmt::{self, Write};

use super::{Screen, stack, table::Table};
use crate::{
    analysis::{PlacedMemory, Question, RefusedRequest, WhatIf},
    report::words::{bytes, count, from_here, noun, shorten, whatif as sentences},
};

/// Requests of each kind that are listed.
const LISTED: usize = 6;
/// Frames of a request that are shown.
const FRAMES: usize = 2;

/// Writes what would have been otherwise: the question, then each memory.
///
/// # Errors
/// Those of `out`.
pub fn write_what_if(out: &mut impl Write, question: &Question, all: &[WhatIf], screen: &Screen) -> fmt::Result {
    screen.styled(out, screen.paint.heading, "", &format!("What if: {}", sentences::question(question)))?;
    if all.is_empty() {
        return writeln!(out, "Nothing to place: no allocator of tt-metal was seen.");
    }
    for process in all {
        writeln!(out)?;
        let command = shorten(&process.command.join(" "), screen.width.saturating_sub(20));
        screen.heading(out, &format!("process {}", process.pid), &format!(": {command}"))?;
        for memory in &process.memories {
            write_memory(out, screen, memory)?;
        }
    }
    Ok(())
}

fn write_memory(out: &mut impl Write, screen: &Screen, memory: &PlacedMemory) -> fmt::Result {
    screen.wrapped(out, "", &sentences::replay(memory))?;
    let mut table = Table::new(["as it was", "what if"]);
    let [was, would] = memory.courses;
    table.row("bank", memory.capacity.map(bytes));
    table.row("peak per bank", [was.peak, would.peak].map(bytes));
    table.row("least largest free block", [was.least_block, would.least_block].map(bytes));
    table.row("requests refused", [was.refusals, would.refusals].map(count));
    table.write(out, "", screen)?;
    let (fit, still): (Vec<_>, Vec<_>) = memory.refused.iter().partition(|request| request.fits);
    write_requests(out, screen, "were refused, and fit", &fit)?;
    write_requests(out, screen, "are refused as before", &still)?;
    let newly: Vec<&RefusedRequest> = memory.newly_refused.iter().collect();
    write_requests(out, screen, "fitted, and are refused", &newly)
}

fn write_requests(out: &mut impl Write, screen: &Screen, what: &str, all: &[&RefusedRequest]) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    writeln!(out, "  {} that {what}:", noun(all.len() as u64, "a request", "requests"))?;
    for request in all.iter().take(LISTED) {
        let size = bytes(request.size);
        let block = bytes(request.largest_block);
        let line = format!("{} per bank; the largest free block is {block}", bytes(request.per_bank));
        screen.wrapped(out, &format!("{size:>12}  "), &line)?;
        let op = (!request.op.is_empty()).then(|| request.op.clone());
        for line in op.into_iter().chain(request.frames.iter().take(FRAMES).map(|frame| from_here(frame))) {
            screen.faint(out, &format!("{:14}{}", "", stack::short(&line, screen.width.saturating_sub(14))))?;
        }
    }
    if all.len() > LISTED {
        screen.faint(out, &format!("{:>12}  {} more; --json FILE has them", "", all.len() - LISTED))?;
    }
    Ok(())
}
