//! What a loop says, in a sentence.

use super::{
    devices::plain,
    units::{bytes, count, noun},
    verdict::why_undecided,
};
use crate::{
    analysis::{Course, Growth, GrowthSource, Held, Leak, Loop},
    visible::visible,
};

/// The sentence on a loop.
pub(crate) fn sentence(growth: &Growth) -> String {
    let looks = looks(&growth.point, growth.looks);
    let held = amount(growth.live);
    match growth.course() {
        Course::Grows => {
            let (allocations, size) = growth.rate();
            let about = if growth.is_steady() { "" } else { "about " };
            let rate = rate_of(allocations, size);
            let each = per_iteration(&growth.point);
            match growth.bytes_per_second().filter(|_| growth.point == Loop::Time) {
                Some(second) => format!("{looks}: grows, about {} a second.", bytes(second.round() as u64)),
                None => format!("{looks}: grows, {about}{rate} {each}."),
            }
        }
        Course::Baseline => format!("{looks}: baseline, does not grow; at the last, {held}."),
        Course::Undecided(why) => format!("{looks}: undecided, {}; at the last, {held}.", why_undecided(why)),
    }
}

/// "1 allocation (128.0 KiB) per iteration, in DRAM, of several sizes; after the warm-up: 40 made, 10 live, from 10 iterations".
pub(crate) fn source_sentence(growth: &Growth, source: &GrowthSource) -> String {
    let rate = rate_of(source.allocations_per_iteration, source.bytes_per_iteration);
    let sizes = if source.size.is_some() { "" } else { ", of several sizes" };
    let suppressed = if source.suppressed_by.is_some() { "; suppressed" } else { "" };
    format!(
        "{rate} {}, in {}{sizes}; after the warm-up: {} made, {} live, from {}{suppressed}",
        per_iteration(&growth.point),
        source.memory,
        count(source.births),
        count(source.births_kept),
        iterations(&growth.point, source.generations)
    )
}

/// "5 allocations (640.0 KiB)".
pub(crate) fn amount(held: Held) -> String {
    format!("{} ({})", number(held), bytes(held.bytes))
}

/// "5 allocations".
pub(crate) fn number(held: Held) -> String {
    format!("{} {}", count(held.allocations), noun(held.allocations, "allocation", "allocations"))
}

/// "1 allocation (128.0 KiB)" of each iteration; of less than one an iteration, how often.
pub(crate) fn rate_of(allocations: f64, size: f64) -> String {
    let size = bytes(size.round().max(0.0) as u64);
    let number = if (allocations - allocations.round()).abs() < 0.005 {
        count(allocations.round() as u64)
    } else if allocations < 10.0 {
        format!("{allocations:.2}")
    } else {
        count(allocations.round() as u64)
    };
    let noun = if number == "1" { "allocation" } else { "allocations" };
    format!("{number} {noun} ({size})")
}

/// "per iteration", as the point calls it.
pub(crate) fn per_iteration(point: &Loop) -> &'static str {
    match point {
        Loop::Marks(_) => "per iteration",
        Loop::Closes(_) => "per close",
        Loop::Runs(_) => "per run",
        Loop::Time => "per slice",
    }
}

/// "10 iterations", as the point calls them.
fn iterations(point: &Loop, number: u64) -> String {
    let name = match point {
        Loop::Marks(_) => noun(number, "iteration", "iterations"),
        Loop::Closes(_) => noun(number, "close", "closes"),
        Loop::Runs(_) => noun(number, "run", "runs"),
        Loop::Time => noun(number, "slice", "slices"),
    };
    format!("{} {name}", count(number))
}

/// "40 marks "request #"".
pub(crate) fn looks(point: &Loop, number: u64) -> String {
    let number = count(number);
    match point {
        Loop::Marks(name) => format!("{number} marks \"{}\"", visible(name)),
        Loop::Closes(devices) if devices.len() > 1 => format!("{number} closes of each of {}", plain(devices)),
        Loop::Closes(devices) => format!("{number} closes of {}", plain(devices)),
        Loop::Runs(_) => format!("{number} runs"),
        Loop::Time => format!("{number} slices of time"),
    }
}

/// "over 40 marks "request #"".
pub(crate) fn over(leak: &Leak) -> String {
    format!("over {}", looks(&leak.point, leak.looks))
}

/// "1 allocation (128.0 KiB) more per iteration"; where the loop is time, "about 3.0 MiB more per second".
pub(crate) fn more(leak: &Leak) -> String {
    match leak.bytes_per_second().filter(|_| leak.point == Loop::Time) {
        Some(second) => format!("about {} more per second", bytes(second.round() as u64)),
        None => {
            let rate = rate_of(leak.source.allocations_per_iteration, leak.source.bytes_per_iteration);
            format!("{rate} more {}", per_iteration(&leak.point))
        }
    }
}
