//! The one line that answers the question.

use super::{
    bytes, group,
    model::{ProcessReport, RegionReport},
    units::{count, noun},
};

/// What a process's events say about leaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is left.
    Clean(String),
    /// Something is left.
    Left(String),
    /// Not every event is in the sums: nobody can say.
    Inconclusive(String),
}

/// The verdict on a process.
pub fn verdict(process: &ProcessReport) -> Verdict {
    let is_over = process.ended.is_some();
    let (are, when) = if is_over { (("was", "were"), "when the process ended") } else { (("is", "are"), "now") };
    if let Some(why) = what_is_missing(process) {
        return Verdict::Inconclusive(format!("Inconclusive: {why}."));
    }
    // Circular buffers are no buffers: they are told of only where nothing else is left.
    let (circular, buffers): (Vec<_>, Vec<_>) = process.live.iter().partition(|region| region.memory == "CB");
    if !buffers.is_empty() {
        let left = buffers.iter().fold(0_u64, |sum, region| sum.saturating_add(region.size));
        let number = buffers.len() as u64;
        return Verdict::Left(format!(
            "{} {} {} live {when}: {} in all, on {}.",
            count(number),
            noun(number, "buffer", "buffers"),
            noun(number, are.0, are.1),
            bytes(left),
            places(&buffers)
        ));
    }
    if !circular.is_empty() {
        let number = circular.len() as u64;
        return Verdict::Left(format!(
            "No buffer {} live {when}, but {} circular {}, on {}.",
            are.0,
            count(number),
            noun(number, &format!("buffer {}", are.0), &format!("buffers {}", are.1)),
            places(&circular)
        ));
    }
    let released = process.released_at_close.len() as u64;
    if released > 0 {
        return Verdict::Clean(format!(
            "Nothing {} live {when}; {} {} went only when the device was closed.",
            are.0,
            count(released),
            noun(released, "region", "regions")
        ));
    }
    if process.devices.is_empty() {
        return Verdict::Clean(format!("No leak: nothing was allocated, and nothing {} live {when}.", are.0));
    }
    Verdict::Clean(format!("No leak: nothing {} live {when}, and every buffer was freed by its owner.", are.0))
}

/// Why the sums cannot be trusted, if they cannot.
fn what_is_missing(process: &ProcessReport) -> Option<String> {
    let events = process.events;
    let were = |number: u64| format!("{} {}", count(number), noun(number, "event was", "events were"));
    if events.lost > 0 {
        return Some(format!("{} lost", were(events.lost)));
    }
    if events.drained_elsewhere > 0 {
        return Some(format!(
            "{} taken by another reader, and only its report has them",
            were(events.drained_elsewhere)
        ));
    }
    let unattributed = process.unattributed();
    if unattributed > 0 {
        return Some(format!("{} not understood", were(unattributed)));
    }
    // Of a process that runs, some events are on their way; of one that ended, none.
    let known = events.drained.saturating_add(events.lost);
    (process.ended.is_some() && events.reported != known)
        .then(|| format!("{} reported, but {} can be accounted for", were(events.reported), count(known)))
}

fn places(regions: &[&RegionReport]) -> String {
    let mut ids: Vec<i32> = regions.iter().map(|region| region.device_id).collect();
    ids.sort_unstable();
    ids.dedup();
    group::plain_name(&ids)
}

/// Bytes that the process holds, over all devices; as many as can be told.
pub fn live_bytes(process: &ProcessReport) -> u64 {
    let memories = process.devices.iter().flat_map(|device| device.memory.values());
    memories.fold(0, |sum, memory| sum.saturating_add(memory.live_bytes))
}
