//! Lists of allocations: what is alike is one line.

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt::{self, Write},
};

use ttmem_ledger::State;
use ttmem_recording::Tensor;
use ttmem_wire::OnCore;

use super::{Screen, stack};
use crate::{
    analysis::{Allocation, alike},
    report::words::{bytes, count, devices, noun},
    sites::TensorText,
};

/// Lines of a list before the rest is only counted.
const LISTED: usize = 12;

/// Allocations that are alike but for their address. Of one call site and held by the program cache, or released by a close, they
/// may differ in size too.
struct Kind<'a> {
    /// On each of these.
    devices: Vec<i32>,
    /// The first of them.
    first: &'a Allocation,
    /// How many, on each device.
    number: u64,
    /// Their bytes, on each device.
    bytes: u64,
    /// The smallest and the largest size.
    sizes: (u64, u64),
    /// The tensor that each was made for, if all are alike.
    tensor: Option<&'a Tensor>,
}

fn kinds(all: &[Allocation]) -> Vec<Kind<'_>> {
    let held = |one: &Allocation| (one.owners, one.reports, one.cached, one.suppressed_by.is_some());
    let groups = alike(
        all,
        |one| one.device,
        |one| (one.memory, (one.core, one.address), one.size, one.size_per_bank, held(one), one.site_key()),
    );
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    let mut places = HashMap::new();
    for (order, group) in groups.into_iter().enumerate() {
        let one = group.first;
        // Without a call site nobody knows whether they belong together.
        let alone = one.site.frames.is_empty().then_some(order);
        let is_of_line = (one.cached || one.state == State::ReleasedAtClose) && alone.is_none();
        let shape = (!is_of_line).then(|| (one.size, held(one), one.num_cores, one.globally_allocated));
        let marks = (one.cached, one.suppressed_by.is_some());
        let key = (group.devices.clone(), one.memory, marks, one.site_key(), shape, alone);
        match places.get(&key).and_then(|&at: &usize| kinds.get_mut(at)) {
            Some(kind) => {
                kind.number += 1;
                kind.bytes = kind.bytes.saturating_add(one.size);
                kind.sizes = (kind.sizes.0.min(one.size), kind.sizes.1.max(one.size));
                kind.tensor = kind.tensor.filter(|tensor| one.tensor.as_deref() == Some(tensor));
            }
            None => {
                places.insert(key, kinds.len());
                let sizes = (one.size, one.size);
                let tensor = one.tensor.as_deref();
                kinds.push(Kind { devices: group.devices, first: one, number: 1, bytes: one.size, sizes, tensor });
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
    let shape = |kind: &Kind<'_>| match (kind.number, kind.sizes) {
        (1, _) => at(kind.first),
        (number, (least, most)) if least == most => format!("{} of {}", count(number), bytes(most)),
        (number, (least, most)) => format!("{} of {} to {}", count(number), bytes(least), bytes(most)),
    };
    let shape_width = listed.iter().map(|kind| shape(kind).len()).fold(14, usize::max);
    for (kind, frames) in listed.iter().zip(stack::apart(listed.iter().map(|kind| &kind.first.site))) {
        let one = kind.first;
        let lead = format!("{:>12}  {:<memory_width$}{:<shape_width$}  ", bytes(kind.bytes), one.memory, shape(kind));
        let room = screen.width.saturating_sub(lead.len());
        screen.wrapped(out, &lead, &format!("{}{}", devices::each(&kind.devices, room), remarks(kind)))?;
        if let Some(tensor) = kind.tensor {
            writeln!(out, "{:14}{}", "", TensorText(tensor))?;
        }
        stack::write_frames(out, screen, 14, &one.site, frames)?;
    }
    if kinds.len() > LISTED {
        let rest = kinds[LISTED..].iter().fold(0, |sum, kind| sum + kind.number);
        screen.faint(out, &format!("{:>12}  {} more; --json FILE has all", "", count(rest)))?;
    }
    writeln!(out)
}

/// Its address, and the core whose address it is.
pub(super) fn at(one: &Allocation) -> String {
    match one.core {
        None => format!("at {:#x}", one.address),
        Some(OnCore::At { x, y }) => format!("at {:#x} on core {x}-{y}", one.address),
        Some(OnCore::Unknown) => "at unknown addresses".to_owned(),
    }
}

fn remarks(kind: &Kind<'_>) -> String {
    let one = kind.first;
    let mut text = String::new();
    if one.num_cores > 0 {
        text += &format!(", {} {}", one.num_cores, noun(one.num_cores.into(), "core", "cores"));
    }
    if one.globally_allocated {
        text += ", inside a buffer";
    } else if (one.owners, one.reports) != (1, 1) && kind.sizes.0 == kind.sizes.1 && !one.memory.is_of_programs() {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::sites::{CallSite, Frame};

    #[test]
    fn what_closes_released_is_a_line_for_each_call_site() {
        let site = Arc::new(CallSite { op: None, frames: [Frame::parse("f (a.py:1)")].into() });
        let text = |state| {
            let one = |size| Allocation { size, address: size, state, site: site.clone(), ..Allocation::example() };
            let mut text = String::new();
            write(&mut text, &Screen::plain(), "Released", &[one(4096), one(2048), one(1024)]).unwrap();
            text
        };
        let released = text(State::ReleasedAtClose);
        assert!(released.contains("     7.0 KiB  DRAM     3 of 1.0 KiB to 4.0 KiB  device 0\n"), "{released}");
        assert_eq!(text(State::LiveAtExit).matches("DRAM").count(), 3);
    }
}
