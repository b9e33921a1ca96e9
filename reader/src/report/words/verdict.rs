//! The verdict in one or two sentences.

use super::{
    devices::on,
    growth::{amount, more, over, per_iteration},
    place::made_by,
    units::{bytes, count, noun},
};
use crate::{
    Ended,
    analysis::{Answer, Ending, Held, Leak, Loop, Missing, ProcessAnalysis, Undecided},
};

/// The verdict on a process, with the line of code, the op and the rate.
pub(crate) fn verdict(process: &ProcessAnalysis) -> String {
    let verdict = &process.verdict;
    let mut sentences = match (verdict.answer, verdict.missing) {
        (Answer::Inconclusive, missing) => {
            let mut text =
                missing.map_or_else(String::new, |missing| format!("Inconclusive: {}.", what_is_missing(missing)));
            if let [first, ..] = verdict.leaks.as_slice() {
                text += &format!(" What was seen grows: {}.", grows(first));
            }
            vec![text]
        }
        (Answer::Leak, _) => leak(process),
        (Answer::Leftover, _) => leftover(process),
        (Answer::Clean, _) => clean(process),
    };
    sentences.extend(beside(process));
    sentences.join(" ")
}

fn leak(process: &ProcessAnalysis) -> Vec<String> {
    let leaks = &process.verdict.leaks;
    let Some(first) = leaks.first() else { return Vec::new() };
    let mut sentences = match leaks.len() {
        1 => vec![format!("Leak: {}.", grows(first))],
        number => {
            let rest = number as u64 - 1;
            let total: f64 = leaks.iter().map(|leak| leak.source.bytes_per_iteration).sum();
            if leaks.iter().all(|leak| leak.point == first.point && leak.point != Loop::Time) {
                let (size, each) = (bytes(total.round() as u64), per_iteration(&first.point));
                let sources = format!("{size} more {each} from {} sources, {}", count(number as u64), over(first));
                vec![format!("Leak: {sources}."), format!("The largest: {}.", of_source(first))]
            } else {
                let others = format!("{} more {}", count(rest), noun(rest, "source grows", "sources grow"));
                vec![format!("Leak: {}.", grows(first)), format!("{others}.")]
            }
        }
    };
    sentences.extend(now(process));
    sentences
}

/// "1 allocation (128.0 KiB) more per iteration, over 40 marks "request #", made by ttnn.empty at …".
fn grows(leak: &Leak) -> String {
    let made = made_by(&leak.source.site).map_or_else(String::new, |made| format!(", made by {made}"));
    format!("{}, {}{made}", more(leak), over(leak))
}

/// The same without the loop.
fn of_source(leak: &Leak) -> String {
    let source = &leak.source;
    let made = made_by(&source.site).map_or_else(|| format!("in {}", source.memory), |made| format!("made by {made}"));
    format!("{}, {made}", more(leak))
}

/// Why a leak may not show at the end.
fn now(process: &ProcessAnalysis) -> Option<String> {
    let leftover = &process.verdict.leftover;
    (process.end.is_end() && leftover.live.allocations == 0 && leftover.released.allocations > 0)
        .then(|| "Nothing is live now because the device was closed.".to_owned())
}

fn leftover(process: &ProcessAnalysis) -> Vec<String> {
    let left = &process.verdict.leftover;
    let place = on(&left.devices);
    let what = match (left.live.allocations, left.released.allocations) {
        (_, 0) => format!("{} live when the process ended, {place}", was(left.live)),
        (0, _) => format!(
            "{} released by a close, not by {}, {place}",
            was(left.released),
            noun(left.released.allocations, "its owner", "their owners")
        ),
        _ => format!(
            "{} live when the process ended, and {} released by a close, {place}",
            was(left.live),
            amount(left.released)
        ),
    };
    let mut sentences = vec![format!("Leftover: {what}.")];
    let beside = &process.verdict.beside;
    match (&beside.baseline, &beside.undecided) {
        (Some((point, iterations)), _) => {
            sentences.push(format!("Nothing grows over {}.", super::growth::looks(point, *iterations)));
        }
        (None, Some(undecided)) => sentences.extend(undecided_after(undecided)),
        (None, None) => {}
    }
    sentences
}

/// Why it is not known whether it grows, and what to do. That a program is too short for a loop is no news.
pub(super) fn undecided_after((point, looks, why): &(Loop, u64, Undecided)) -> Option<String> {
    let is_by_time = *point == Loop::Time;
    let has_loop = !is_by_time || *why != Undecided::FewIterations;
    let over = super::growth::looks(point, *looks);
    let marks_help = matches!(why, Undecided::FewGenerations | Undecided::NothingRepeats | Undecided::StillFilling);
    let advice = if is_by_time && marks_help { " Mark its loop (ttmem.mark) for an answer." } else { "" };
    has_loop.then(|| format!("Whether it grows is undecided after {over}: {}.{advice}", why_undecided(*why)))
}

fn was(held: Held) -> String {
    format!("{} {}", amount(held), noun(held.allocations, "was", "were"))
}

fn clean(process: &ProcessAnalysis) -> Vec<String> {
    let verdict = &process.verdict;
    let beside = &verdict.beside;
    let mut sentences = Vec::new();
    if !process.end.is_end() {
        if beside.live_now.allocations == 0 {
            sentences.push("Clean so far: nothing is live now.".to_owned());
        } else {
            let mut devices: Vec<i32> =
                process.live.iter().filter(|one| one.is_owned()).map(|one| one.device).collect();
            devices.sort_unstable();
            devices.dedup();
            let are = noun(beside.live_now.allocations, "is", "are");
            sentences.push(format!("Clean so far: {} {are} live now, {}.", amount(beside.live_now), on(&devices)));
        }
    } else if process.totals.is_empty() {
        sentences.push("Clean: nothing was allocated.".to_owned());
    } else {
        let nothing_else = beside.cached.allocations + beside.suppressed.allocations == 0;
        let rest = if nothing_else { "every allocation was freed by its owner" } else { "nothing else is left" };
        sentences.push(format!("Clean: {rest}."));
        if !nothing_else {
            sentences.clear();
            sentences.push("Clean: every owner freed what it had.".to_owned());
        }
    }
    if let (None, Some(undecided)) = (&beside.baseline, &beside.undecided)
        && beside.live_now.allocations > 0
    {
        sentences.extend(undecided_after(undecided));
    }
    sentences
}

/// What is named beside the answer.
fn beside(process: &ProcessAnalysis) -> Option<String> {
    let beside = &process.verdict.beside;
    let mut parts = Vec::new();
    if beside.cached.allocations > 0 {
        let growth = beside
            .cache_growth
            .map_or_else(String::new, |rate| format!(", which grows by {} an iteration", bytes(rate.round() as u64)));
        parts.push(format!("{} in the program cache{growth}", amount(beside.cached)));
    }
    if beside.suppressed.allocations > 0 {
        parts.push(format!("{} suppressed", amount(beside.suppressed)));
    }
    if beside.suppressed_leaks > 0 {
        let number = beside.suppressed_leaks;
        parts.push(format!("{} suppressed {}", count(number), noun(number, "leak", "leaks")));
    }
    (!parts.is_empty()).then(|| format!("Beside it: {}.", parts.join(", ")))
}

/// How a process ended, if it did.
pub(crate) fn ending(end: Ending) -> String {
    match end {
        Ending::Running => "is running".to_owned(),
        Ending::Cut(Some(after)) => format!("cut short after {} {}", count(after), noun(after, "event", "events")),
        Ending::Cut(None) => "cut short".to_owned(),
        Ending::Ended(Ended::Code(code)) => format!("exited with code {code}"),
        Ending::Ended(Ended::Signal(signal)) => format!("was killed by signal {signal}"),
        Ending::Ended(Ended::Unknown) => "ended; exit status unknown".to_owned(),
        Ending::Ended(Ended::Stopped) => "stopped tracking".to_owned(),
    }
}

/// Why the sums cannot be trusted.
pub(crate) fn what_is_missing(missing: Missing) -> String {
    let events = |number: u64| format!("{} {}", count(number), noun(number, "event was", "events were"));
    match missing {
        Missing::Lost(number) => format!("{} lost", events(number)),
        Missing::Cut(after) => format!("the recording was {}", ending(Ending::Cut(after))),
        Missing::DrainedElsewhere(number) => {
            format!("{} drained by another reader, whose report has them", events(number))
        }
        Missing::NotUnderstood(number) => format!("{} of an unknown kind, device or memory", events(number)),
        Missing::Miscounted { reported, known } => {
            format!("{} reported, but {} {} accounted for", events(reported), count(known), noun(known, "is", "are"))
        }
    }
}

/// Why a loop does not decide.
pub(crate) fn why_undecided(why: Undecided) -> &'static str {
    match why {
        Undecided::FewIterations => "too few iterations",
        Undecided::FewGenerations => "too few iterations kept something",
        Undecided::StillFilling => "it may be a cache that still fills",
        Undecided::Paused => "it grew, and has not for longer than usual",
        Undecided::NothingRepeats => {
            "memory rises to the end and nothing is freed, as in a leak or while a program loads"
        }
        Undecided::SizesRise => "no more are live, but each is larger than the one that it replaces",
        Undecided::HardlyRises => "old allocations stay, but what is live hardly rises",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undecided_by_time_names_what_to_do_where_marks_help() {
        let sentence = |point: Loop, why| undecided_after(&(point, 12, why)).unwrap_or_default();
        assert_eq!(
            sentence(Loop::Time, Undecided::NothingRepeats),
            "Whether it grows is undecided after 12 slices of time: memory rises to the end and nothing is freed, as in a \
             leak or while a program loads. Mark its loop (ttmem.mark) for an answer."
        );
        assert_eq!(
            sentence(Loop::Time, Undecided::SizesRise),
            "Whether it grows is undecided after 12 slices of time: no more are live, but each is larger than the one that \
             it replaces."
        );
        assert_eq!(sentence(Loop::Time, Undecided::FewIterations), "", "a short program has no loop");
        assert_eq!(
            sentence(Loop::Marks("step #".into()), Undecided::StillFilling),
            "Whether it grows is undecided after 12 marks \"step #\": it may be a cache that still fills."
        );
    }
}
