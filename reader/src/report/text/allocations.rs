//! Lists of allocations: what is alike is one line.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt::{self, Write},
};

use super::{Screen, stack};
use crate::{
    analysis::{Allocation, alike},
    report::words::{bytes, count, devices, noun},
    sites::{CallSite, tell_apart},
};

/// Lines of a list before the rest is only counted.
const LISTED: usize = 12;

/// Allocations that are alike but for their address; of the program cache and one call site, but for their size too.
struct Kind<'a> {
    /// On each of these.
    devices: Vec<i32>,
    /// The first of them.
    first: &'a Allocation,
    /// How many, on each device.
    number: u64,
    /// Their bytes, on each device.
    bytes: u64,
    /// Whether they are of one size.
    is_one_size: bool,
}

fn kinds(all: &[Allocation]) -> Vec<Kind<'_>> {
    let held = |one: &Allocation| (one.owners, one.reports, one.cached, one.suppressed_by.is_some());
    let groups = alike(
        all,
        |one| one.device,
        |one| (one.memory, one.address, one.size, one.size_per_bank, held(one), one.site_key()),
    );
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (order, group) in groups.into_iter().enumerate() {
        let one = group.first;
        // Without a call site nobody knows whether they belong together.
        let alone = one.site.frames.is_empty().then_some(order);
        let is_of_line = one.cached && alone.is_none();
        let shape = (!is_of_line).then(|| (one.size, held(one), one.num_cores, one.globally_allocated));
        let key = (group.devices.clone(), one.memory, one.cached, one.site_key(), shape, alone);
        match places.get(&key).and_then(|&at: &usize| kinds.get_mut(at)) {
            Some(kind) => {
                kind.number += 1;
                kind.bytes = kind.bytes.saturating_add(one.size);
                kind.is_one_size &= kind.first.size == one.size;
            }
            None => {
                places.insert(key, kinds.len());
                kinds.push(Kind { devices: group.devices, first: one, number: 1, bytes: one.size, is_one_size: true });
            }
        }
    }
    // What the program cache holds is seldom what is looked for.
    kinds.sort_by_key(|kind| (kind.first.cached, Reverse(kind.bytes)));
    kinds
}

/// Writes a list below its title; nothing where there is nothing.
pub(super) fn write(out: &mut impl Write, screen: &Screen, title: &str, all: &[Allocation]) -> fmt::Result {
    if all.is_empty() {
        return Ok(());
    }
    let kinds = kinds(all);
    screen.heading(out, title, ", largest first")?;
    let listed = &kinds[..kinds.len().min(LISTED)];
    let memory_width = listed.iter().map(|kind| kind.first.memory.to_string().len() + 1).fold(9, usize::max);
    let shape = |kind: &Kind<'_>| match (kind.number, kind.is_one_size) {
        (1, _) => format!("at {:#x}", kind.first.address),
        (number, true) => format!("{} of {}", count(number), bytes(kind.first.size)),
        (number, false) => format!("{} of several sizes", count(number)),
    };
    let shape_width = listed.iter().map(|kind| shape(kind).len()).fold(14, usize::max);
    let sites: Vec<&CallSite> = listed.iter().map(|kind| &*kind.first.site).collect();
    for (kind, frames) in listed.iter().zip(tell_apart(&sites, stack::FRAMES)) {
        let one = kind.first;
        let lead = format!("{:>12}  {:<memory_width$}{:<shape_width$}  ", bytes(kind.bytes), one.memory, shape(kind));
        let room = screen.width.saturating_sub(lead.len());
        screen.wrapped(out, &lead, &format!("{}{}", devices::each(&kind.devices, room), remarks(kind)))?;
        stack::write_frames(out, screen, 14, &one.site, frames)?;
    }
    if kinds.len() > LISTED {
        let rest = kinds[LISTED..].iter().fold(0, |sum, kind| sum + kind.number);
        screen.faint(out, &format!("{:>12}  {} more; --json FILE has all", "", count(rest)))?;
    }
    writeln!(out)
}

fn remarks(kind: &Kind<'_>) -> String {
    let one = kind.first;
    let mut text = String::new();
    if one.num_cores > 0 {
        text += &format!(", {} {}", one.num_cores, noun(one.num_cores.into(), "core", "cores"));
    }
    if one.globally_allocated {
        text += ", inside a buffer";
    } else if (one.owners, one.reports) != (1, 1) && kind.is_one_size && !one.memory.is_of_programs() {
        let freed = one.reports.saturating_sub(one.owners);
        text += &match freed {
            0 => format!(", {} owners", one.reports),
            freed => {
                format!(", {freed} of {} owners {} freed it", one.reports, noun(freed.into(), "has", "have"))
            }
        };
    }
    if one.suppressed_by.is_some() {
        text += ", suppressed";
    } else if one.cached {
        text += ", program cache";
    }
    text
}
