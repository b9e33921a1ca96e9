//! A refusal, and who held most, in sentences.

use super::{
    devices::plain,
    place::asked,
    units::{self, bytes, count, noun},
};
use crate::analysis::{Collision, Holding, Refusal};

/// What happened, in a sentence without its first number.
pub(crate) fn sentence(refusal: &Refusal) -> String {
    let place = plain(&refusal.devices);
    let asked = asked(&refusal.site);
    if let Some(clash) = &refusal.clash {
        return format!("{}{asked}", of_clash(clash, &place));
    }
    if let Some(reason) = &refusal.other_reason {
        let said = if reason.is_empty() { "for another reason than memory" } else { reason };
        return format!("of {} on {place}{asked}; the allocator refused: {said}", refusal.memory);
    }
    let banks = refusal.size_per_bank.map_or_else(String::new, |size| format!("({} per bank) ", bytes(size)));
    let why = match (refusal.is_fragmented, refusal.space) {
        (Some(is_fragmented), Some(space)) => format!(
            "; free: {} per bank, largest free block {}: {}, {} missing per bank",
            bytes(space.free),
            bytes(space.largest_block),
            if is_fragmented { "fragmented" } else { "exhausted" },
            bytes(refusal.missing_per_bank.unwrap_or(0))
        ),
        _ => String::new(),
    };
    format!("{banks}of {} on {place}{asked}; live then: {}{why}", refusal.memory, bytes(refusal.live_bytes))
}

/// The first number: what was asked for, or what was missing.
pub(crate) fn size(refusal: &Refusal) -> Option<String> {
    match &refusal.clash {
        Some(clash) => clash.shortfall.map(bytes),
        None => Some(bytes(refusal.size)),
    }
}

fn of_clash(clash: &Collision, place: &str) -> String {
    let buffers = if clash.is_dataflow { "dataflow" } else { "circular" };
    let cores = cores(clash).map_or_else(String::new, |cores| format!(" on cores {cores}"));
    let end = clash.region_end.map_or_else(String::new, |end| format!(" end at {end}"));
    let met = match (clash.lowest_address, clash.l1_size) {
        (Some(lowest), _) => format!("; the lowest buffer in L1 lies at {lowest}"),
        (_, Some(size)) => format!("; L1 is no larger than {size}"),
        _ => String::new(),
    };
    format!("missing on each core of {place}: {buffers} buffers of a program{end}{cores}{met}")
}

/// The range of cores, as tt-metal writes it: "[0-0 - 7-7]".
pub(crate) fn cores(clash: &Collision) -> Option<String> {
    clash.cores.map(units::cores)
}

/// What they are, how old, and what would free them.
pub(crate) fn of_holding(holding: &Holding, now_ns: u64) -> String {
    let number = holding.held.allocations;
    let mut text = format!("{} {}", count(number), noun(number, "allocation", "allocations"));
    if let Some(op) = &holding.site.op {
        text += &format!(" of {op}");
    }
    let (oldest, youngest) = (age(now_ns, holding.oldest_ns), age(now_ns, holding.youngest_ns));
    text += &if oldest == youngest { format!(", {oldest} old") } else { format!(", {youngest} to {oldest} old") };
    if holding.most_owners > 1 {
        text += &format!(", up to {} owners", holding.most_owners);
    }
    if holding.cached {
        text += ", goes with the program cache";
    }
    text
}

fn age(now_ns: u64, then_ns: u64) -> String {
    let ms = now_ns.saturating_sub(then_ns) / 1_000_000;
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..120_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min", ms / 60_000),
    }
}
