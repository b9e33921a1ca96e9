//! What is free, how it is split, and what stands between.

use std::fmt::{self, Write};

use super::{Screen, stack};
use crate::{
    analysis::{Allocation, Fragmentation, WayOut},
    report::words::{bytes, count, devices, noun},
};

/// Free blocks of a memory that are listed.
const LISTED: usize = 6;

/// The memories of a moment.
pub(super) fn write(out: &mut impl Write, screen: &Screen, all: &[Fragmentation]) -> fmt::Result {
    if all.is_empty() {
        return writeln!(out, "What is free is not known: no allocator of tt-metal was seen.");
    }
    for one in all {
        let (free, largest, blocks) = (one.list.free(), one.list.largest_block(), one.list.blocks.len() as u64);
        let share = u128::from(largest) * 100 / u128::from(free.max(1));
        let title = format!("{} of {}", one.memory, devices::plain(&one.devices));
        let about = format!(
            ": {} of {} are free in each bank, in {} {}; the largest {} ({share} %)",
            bytes(free),
            bytes(one.list.bank.bytes),
            count(blocks),
            noun(blocks, "block", "blocks"),
            bytes(largest)
        );
        screen.wrapped(out, "", &format!("{title}{about}"))?;
        let mut by_size: Vec<_> = one.list.blocks.iter().map(|block| (block.end - block.start, block.start)).collect();
        by_size.sort_by_key(|&(size, address)| (std::cmp::Reverse(size), address));
        for (size, address) in by_size.iter().take(LISTED) {
            writeln!(out, "{:>12}  free at {address:#x}", bytes(*size))?;
        }
        if by_size.len() > LISTED {
            screen.faint(out, &format!("{:>12}  {} more", "", by_size.len() - LISTED))?;
        }
        if one.wanted > one.list.bank.bytes {
            screen.wrapped(out, "  ", &format!("a block of {} is larger than a bank", bytes(one.wanted)))?;
        } else if largest >= one.wanted {
            screen.wrapped(out, "  ", &format!("a block of {} per bank is free", bytes(one.wanted)))?;
        }
        write_ways(out, screen, &one.ways_out, Some(one.wanted))?;
        writeln!(out)?;
    }
    Ok(())
}

/// What would have to go for a block that is large enough.
pub(super) fn write_ways(out: &mut impl Write, screen: &Screen, ways: &[WayOut], wanted: Option<u64>) -> fmt::Result {
    for (at, way) in ways.iter().enumerate() {
        let which = if at == 0 { "the cheapest way" } else { "another way" };
        let wanted = wanted.map_or_else(String::new, bytes);
        let line = format!(
            "  {which} to a block of {wanted} per bank: release {} {} ({} per bank), for {} at {:#x}:",
            count(way.allocations),
            noun(way.allocations, "allocation", "allocations"),
            bytes(way.released_per_bank),
            bytes(way.block),
            way.address
        );
        screen.wrapped(out, "  ", line.trim_start())?;
        for (number, one) in by_site(&way.released) {
            let cached = if one.cached { ", goes with the program cache" } else { "" };
            let what = match number {
                1 => format!("at {:#x}{cached}", one.address),
                _ => format!("{} of {}{cached}", count(number), bytes(one.size)),
            };
            let sum = bytes(one.size.saturating_mul(number));
            writeln!(out, "{sum:>12}  {} {what}", one.memory)?;
            stack::write(out, screen, 14, &one.site)?;
        }
        let more = way.allocations.saturating_sub(way.released.len() as u64);
        if more > 0 {
            screen.faint(out, &format!("{:>12}  {} more", "", count(more)))?;
        }
    }
    Ok(())
}

/// Those of one call site and size, which are counted, in the order of the first of each.
fn by_site(all: &[Allocation]) -> Vec<(u64, &Allocation)> {
    let mut groups: Vec<(u64, &Allocation)> = Vec::new();
    for one in all {
        let key = |one: &Allocation| (one.site_key(), one.size, one.cached);
        match groups.iter_mut().find(|(_, first)| key(first) == key(one)) {
            Some((number, _)) => *number += 1,
            None => groups.push((1, one)),
        }
    }
    groups
}
