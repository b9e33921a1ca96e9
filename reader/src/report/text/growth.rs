//! Whether it grows: a line for each loop, and the sources of those that do.

use std::fmt::{self, Write};

use super::{Screen, stack};
use crate::{
    analysis::{Course, Growth, Held, Loop},
    report::words::{
        count,
        growth::{amount, per_iteration, rate_of, sentence, source_sentence},
    },
};

/// Loops, and sources of each, before the rest is only counted.
const LISTED: usize = 12;

/// All loops of a process.
pub(super) fn write(out: &mut impl Write, screen: &Screen, growth: &[Growth]) -> fmt::Result {
    // Slices of time that show no growth are in the verdict.
    let is_news = |growth: &&Growth| growth.point != Loop::Time || growth.course() == Course::Grows;
    let growth: Vec<&Growth> = growth.iter().filter(is_news).collect();
    if growth.is_empty() {
        return Ok(());
    }
    screen.heading(out, "Growth", "")?;
    for growth in growth.iter().take(LISTED) {
        let grows = growth.course() == Course::Grows;
        let style = if grows { screen.paint.bad } else { anstyle::Style::new() };
        screen.styled(out, style, "  ", &sentence(growth))?;
        write_sources(out, screen, growth)?;
        // Each allocation is in the source of any size of its call site, which grows where one of its sizes does.
        let steady = growth.sources.iter().filter(|source| source.course == Course::Baseline && source.size.is_none());
        let mut held = Held::default();
        steady.for_each(|source| held.add(source.live.allocations, source.live.bytes));
        if grows && held.allocations > 0 {
            screen.faint(out, &format!("    baseline beside it: {}", amount(held)))?;
        }
    }
    if growth.len() > LISTED {
        screen.faint(out, &format!("  {} more; --json FILE has all", growth.len() - LISTED))?;
    }
    writeln!(out)
}

/// What grows, each with its call site; what the program cache has more and more of is one line.
pub(super) fn write_sources(out: &mut impl Write, screen: &Screen, growth: &Growth) -> fmt::Result {
    let each = per_iteration(&growth.point);
    let growing = || growth.sources.iter().filter(|source| source.grows() && !source.cached);
    let frames = stack::apart(growing().take(LISTED).map(|source| &source.site));
    for (source, frames) in growing().zip(frames) {
        screen.wrapped(out, "    ", &source_sentence(growth, source))?;
        stack::write_frames(out, screen, 6, &source.site, frames)?;
    }
    let more = growing().count().saturating_sub(LISTED);
    if more > 0 {
        screen.faint(out, &format!("    {} more; --json FILE has all", count(more as u64)))?;
    }
    let cache = growth.cache_growth().fold((0.0, 0.0), |(number, size), source| {
        (number + source.allocations_per_iteration, size + source.bytes_per_iteration)
    });
    if cache.1 > 0.0 {
        let line =
            format!("    the program cache: {} {each}; it goes when the cache is cleared", rate_of(cache.0, cache.1));
        screen.faint(out, &line)?;
    }
    Ok(())
}
