//! The one line that answers the question.

use super::{
    bytes, group,
    model::{CIRCULAR_BUFFER, ProcessReport, RegionReport, Report},
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
    // The program cache's, what a rule covers and circular buffers are no leaks: they are told of beside the verdict.
    let left: Vec<_> = process.live.iter().filter(|region| region.is_left_behind()).collect();
    if !left.is_empty() {
        let bytes_left = left.iter().fold(0_u64, |sum, region| sum.saturating_add(region.size));
        let number = left.len() as u64;
        return Verdict::Left(format!(
            "{} {} {} live {when}: {} in all, on {}.",
            count(number),
            noun(number, "buffer", "buffers"),
            noun(number, are.0, are.1),
            bytes(bytes_left),
            places(&left)
        ));
    }
    if let Some(growth) = process.growth.iter().find(|growth| growth.verdict == "grows") {
        return Verdict::Left(format!("Nothing {} live {when}, but {}", are.0, growth.text));
    }
    let excused = excused(process);
    if !excused.is_empty() {
        return Verdict::Clean(format!("No leak: nothing {} live {when} but {}.", are.0, excused.join(" and ")));
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
    if process.is_cut {
        return Some("the recording was cut short before the process ended".to_owned());
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

/// What is live and no leak, kind by kind.
fn excused(process: &ProcessReport) -> Vec<String> {
    let is_circular = |region: &&RegionReport| region.memory == CIRCULAR_BUFFER;
    let is_suppressed = |region: &&RegionReport| region.suppressed_by.is_some();
    let of = |chosen: &dyn Fn(&&RegionReport) -> bool| process.live.iter().filter(|region| chosen(region)).collect();
    let kinds: [(Vec<&RegionReport>, &str, &str); 3] = [
        (
            of(&|region| region.cached && !is_suppressed(region)),
            "buffer of the program cache",
            "buffers of the program cache",
        ),
        (of(&|region| is_circular(region) && !is_suppressed(region)), "circular buffer", "circular buffers"),
        (of(&is_suppressed), "buffer that a suppression covers", "buffers that suppressions cover"),
    ];
    let told = kinds.into_iter().filter(|(regions, ..)| !regions.is_empty()).map(|(regions, one, many)| {
        let number = regions.len() as u64;
        format!("{} {} on {}", count(number), noun(number, one, many), places(&regions))
    });
    told.collect()
}

/// Bytes that processes left behind when they ended, over all devices: what `--fail-on-leak` judges.
pub fn left_behind(report: &Report) -> u64 {
    let ended = report.processes.iter().filter(|process| process.ended.is_some());
    let left = ended.flat_map(|process| &process.live).filter(|region| region.is_left_behind());
    left.fold(0, |sum, region| sum.saturating_add(region.size))
}
