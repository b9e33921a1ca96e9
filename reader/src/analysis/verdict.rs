//! The answer to "does it leak": decided here, and nowhere else.
//!
//! In this order: inconclusive, since events are missing; leak, since something grows and is never given back; leftover, since its
//! owner never freed it; clean. What is suppressed, held by the program cache or undecided is named beside it.

use ttmem_ledger::{Course, Undecided};

use super::{Allocation, Growth, GrowthSource, Loop, ProcessAnalysis, allocation::Held, empty_marks, process::Ending};

/// The verdict on one process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// What is missing, where the answer is inconclusive.
    pub missing: Option<Missing>,
    /// What grows, the largest rate first. Of an inconclusive answer too: it is what was seen.
    pub leaks: Vec<Leak>,
    /// What owners never freed.
    pub leftover: Leftover,
    /// What counts for nothing, and is named.
    pub beside: Beside,
}

/// In the order in which they are tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// Not every event is in the sums.
    Inconclusive,
    /// Something grows and is never given back.
    Leak,
    /// Something was never freed by its owner.
    Leftover,
    /// Neither.
    #[default]
    Clean,
}

impl Answer {
    /// Its name in the JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inconclusive => "inconclusive",
            Self::Leak => "leak",
            Self::Leftover => "leftover",
            Self::Clean => "clean",
        }
    }
}

/// Why the sums cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// So many events were lost.
    Lost(u64),
    /// The recording was cut short before the process ended, after so many events.
    Cut(Option<u64>),
    /// So many events went to another reader.
    DrainedElsewhere(u64),
    /// So many events are in no sum.
    NotUnderstood(u64),
    /// More or fewer events than reported are accounted for.
    Miscounted {
        /// What the program reported.
        reported: u64,
        /// What is accounted for.
        known: u64,
    },
}

/// A source of memory that grows, in the loop that shows it best.
#[derive(Clone, Debug, PartialEq)]
pub struct Leak {
    /// The source.
    pub source: GrowthSource,
    /// The loop.
    pub point: Loop,
    /// How often the loop was looked at.
    pub looks: u64,
    /// Iterations between the first look and the last.
    pub iterations: u64,
    /// From the first look to the last, in ns; 0 where it is not known.
    pub span_ns: u64,
}

impl Leak {
    /// Bytes that stay in a second, where time is known.
    pub fn bytes_per_second(&self) -> Option<f64> {
        let seconds = self.span_ns as f64 / 1e9;
        (self.span_ns > 0).then(|| self.source.bytes_per_iteration * self.iterations as f64 / seconds)
    }
}

/// What owners never freed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    /// Live when the process ended.
    pub live: Held,
    /// Released by closes of devices.
    pub released: Held,
    /// Where both were.
    pub devices: Vec<i32>,
}

/// What is no leak and no leftover, or not known to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Beside {
    /// Live, while the process runs.
    pub live_now: Held,
    /// Covered by suppressions.
    pub suppressed: Held,
    /// Live, held by the program cache.
    pub cached: Held,
    /// Leaks that suppressions cover.
    pub suppressed_leaks: u64,
    /// The program cache has more in each iteration: bytes.
    pub cache_growth: Option<f64>,
    /// No loop decides: the longest, how often it was looked at, and its reason.
    pub undecided: Option<(Loop, u64, Undecided)>,
    /// The loop that shows that nothing grows, and how often it was looked at.
    pub baseline: Option<(Loop, u64)>,
}

/// Decides. `runs` are the loops over runs of all commands: what grows there leaks in each run that has ended.
pub(super) fn verdict(process: &ProcessAnalysis, runs: &[Growth]) -> Verdict {
    let missing = missing(process);
    let loops = deciding(&process.growth);
    let command = Loop::Runs(process.command_line());
    let runs: Vec<&Growth> = runs.iter().filter(|growth| process.end.is_end() && growth.point == command).collect();
    let leaks = leaks(&[&loops[..], &runs].concat());
    let leftover = leftover(process);
    let answer = match () {
        () if missing.is_some() => Answer::Inconclusive,
        () if !leaks.is_empty() => Answer::Leak,
        () if leftover.live.allocations + leftover.released.allocations > 0 => Answer::Leftover,
        () => Answer::Clean,
    };
    Verdict { answer, missing, leaks, leftover, beside: beside(process, &loops, &runs) }
}

/// Why the sums cannot be trusted, if they cannot.
fn missing(process: &ProcessAnalysis) -> Option<Missing> {
    let counts = process.counts;
    if counts.lost > 0 {
        return Some(Missing::Lost(counts.lost));
    }
    if let Ending::Cut(after) = process.end {
        return Some(Missing::Cut(after));
    }
    if counts.drained_elsewhere > 0 {
        return Some(Missing::DrainedElsewhere(counts.drained_elsewhere));
    }
    let anomalies = process.anomalies;
    let homeless = [process.unreadable, anomalies.unknown_pools, anomalies.without_memory];
    let homeless = homeless.into_iter().fold(0, u64::saturating_add);
    if homeless > 0 {
        return Some(Missing::NotUnderstood(homeless));
    }
    // Of a process that runs, some events are on their way; of one that ended, none.
    let known = counts.drained.saturating_add(counts.lost);
    (process.end.is_end() && counts.reported != known)
        .then_some(Missing::Miscounted { reported: counts.reported, known })
}

/// The loops that count: marks and closes; time only where it is left and decides, or is the only loop.
fn deciding(growth: &[Growth]) -> Vec<&Growth> {
    let is_decided = |growth: &&Growth| !matches!(growth.course(), Course::Undecided(_));
    let (by_time, named): (Vec<&Growth>, Vec<&Growth>) = growth.iter().partition(|growth| growth.point == Loop::Time);
    if by_time.iter().any(is_decided) || named.is_empty() { by_time } else { named }
}

/// What grows in these loops, each source in the loop with the most iterations that shows it.
fn leaks(loops: &[&Growth]) -> Vec<Leak> {
    let mut loops: Vec<&Growth> = loops.to_vec();
    loops.sort_by_key(|growth| std::cmp::Reverse(growth.iterations));
    let mut leaks: Vec<Leak> = Vec::new();
    for growth in loops {
        let is_known = |source: &GrowthSource, leaks: &[Leak]| {
            leaks.iter().any(|known| {
                let sizes = (known.source.size, source.size);
                known.point != growth.point
                    && known.source.memory == source.memory
                    && known.source.site == source.site
                    && (sizes.0 == sizes.1 || sizes.0.is_none() || sizes.1.is_none())
            })
        };
        let new: Vec<Leak> = growth
            .leaks()
            .filter(|source| !is_known(source, &leaks))
            .map(|source| Leak {
                source: source.clone(),
                point: growth.point.clone(),
                looks: growth.looks,
                iterations: growth.iterations,
                span_ns: growth.span_ns,
            })
            .collect();
        leaks.extend(new);
    }
    leaks.sort_by(|one, other| other.source.bytes_per_iteration.total_cmp(&one.source.bytes_per_iteration));
    leaks
}

fn leftover(process: &ProcessAnalysis) -> Leftover {
    let mut devices: Vec<i32> = process.left_by_owners().map(|one| one.device).collect();
    devices.sort_unstable();
    devices.dedup();
    let live = process.live.iter().filter(|one| process.end.is_end() && one.is_owned());
    let released = process.released_at_close.iter().filter(|one| one.is_owned());
    Leftover { live: Held::of(live), released: Held::of(released), devices }
}

fn beside(process: &ProcessAnalysis, loops: &[&Growth], runs: &[&Growth]) -> Beside {
    let is_suppressed = |one: &&Allocation| one.suppressed_by.is_some();
    let live = || process.live.iter();
    let sources = || loops.iter().chain(runs).flat_map(|growth| &growth.sources);
    let longest = |is_it: &dyn Fn(Course) -> bool| {
        let fitting = loops.iter().filter(|growth| is_it(growth.course()));
        fitting.max_by_key(|growth| growth.iterations)
    };
    let baseline = longest(&|course| course == Course::Baseline).map(|growth| (growth.point.clone(), growth.looks));
    let baseline = baseline.or_else(|| empty_marks::longest(process));
    let undecided = longest(&|course| matches!(course, Course::Undecided(_)));
    let cache_growth: f64 =
        loops.iter().flat_map(|growth| growth.cache_growth()).map(|one| one.bytes_per_iteration).sum();
    Beside {
        live_now: Held::of(live().filter(|one| !process.end.is_end() && one.is_owned())),
        suppressed: Held::of(live().chain(&process.released_at_close).filter(is_suppressed)),
        cached: Held::of(live().filter(|one| one.cached && one.suppressed_by.is_none())),
        suppressed_leaks: sources().filter(|one| one.grows() && !one.cached && one.suppressed_by.is_some()).count()
            as u64,
        cache_growth: (cache_growth > 0.0).then_some(cache_growth),
        undecided: undecided.filter(|_| baseline.is_none()).and_then(|growth| match growth.course() {
            Course::Undecided(why) => Some((growth.point.clone(), growth.looks, why)),
            _ => None,
        }),
        baseline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Counts,
        analysis::{Analysis, Suppressions},
    };

    fn marks() -> Loop {
        Loop::Marks("step #".into())
    }

    fn decided(process: ProcessAnalysis, rules: &str) -> Verdict {
        let rules = Suppressions::parse(rules).unwrap();
        Analysis::of(vec![process], &rules).processes.remove(0).verdict
    }

    fn live(cached: bool) -> Vec<Allocation> {
        vec![Allocation { cached, ..Allocation::example() }]
    }

    #[test]
    fn the_answers_are_tried_in_their_order() {
        let grows = || vec![Growth::example(marks(), Course::Grows)];
        let lossy = |growth| {
            let counts = Counts { reported: 9, drained: 7, lost: 2, ..Counts::default() };
            ProcessAnalysis { counts, ..ProcessAnalysis::example(live(false), growth) }
        };
        let inconclusive = decided(lossy(grows()), "");
        assert_eq!((inconclusive.answer, inconclusive.missing), (Answer::Inconclusive, Some(Missing::Lost(2))));
        assert_eq!(inconclusive.leaks.len(), 1, "what was seen is named");
        assert_eq!(decided(ProcessAnalysis::example(live(false), grows()), "").answer, Answer::Leak);
        let steady = vec![Growth::example(marks(), Course::Baseline)];
        let leftover = decided(ProcessAnalysis::example(live(false), steady), "");
        assert_eq!((leftover.answer, leftover.leftover.live.bytes), (Answer::Leftover, 1024));
        assert_eq!(leftover.beside.baseline, Some((marks(), 40)));
        assert_eq!(decided(ProcessAnalysis::example(Vec::new(), Vec::new()), "").answer, Answer::Clean);
    }

    #[test]
    fn what_a_close_released_is_a_leftover_and_what_runs_has_none() {
        let released_at_close = live(false);
        let closed = ProcessAnalysis { released_at_close, ..ProcessAnalysis::example(Vec::new(), Vec::new()) };
        let verdict = decided(closed, "");
        assert_eq!((verdict.answer, verdict.leftover.released.allocations), (Answer::Leftover, 1));
        let running = ProcessAnalysis { end: Ending::Running, ..ProcessAnalysis::example(live(false), Vec::new()) };
        let verdict = decided(running, "");
        assert_eq!((verdict.answer, verdict.beside.live_now.allocations), (Answer::Clean, 1));
        let cut = ProcessAnalysis { end: Ending::Cut(Some(1204)), ..ProcessAnalysis::example(live(false), Vec::new()) };
        assert_eq!(decided(cut, "").missing, Some(Missing::Cut(Some(1204))));
    }

    #[test]
    fn what_the_program_cache_holds_is_no_leak_and_no_leftover() {
        let mut cache = Growth::example(marks(), Course::Grows);
        cache.sources[0].cached = true;
        let verdict = decided(ProcessAnalysis::example(live(true), vec![cache]), "");
        assert_eq!((verdict.answer, verdict.beside.cached.allocations), (Answer::Clean, 1));
        assert_eq!(verdict.beside.cache_growth, Some(1024.0));
    }

    #[test]
    fn suppressions_cover_what_is_live_and_what_grows() {
        let process = || ProcessAnalysis::example(live(false), vec![Growth::example(marks(), Course::Grows)]);
        for rule in ["memory:DRAM size:1KiB", "device:0"] {
            let verdict = decided(process(), rule);
            assert_eq!(verdict.answer, Answer::Clean, "{rule}");
            assert_eq!((verdict.beside.suppressed.allocations, verdict.beside.suppressed_leaks), (1, 1), "{rule}");
        }
        assert_eq!(decided(process(), "memory:L1").answer, Answer::Leak);
        assert_eq!(decided(process(), "address:0x0-0x10").answer, Answer::Leak, "a source has no address");
        assert_eq!(decided(process(), "device:1").answer, Answer::Leak);
    }

    #[test]
    fn time_counts_where_no_mark_decides() {
        let undecided = Course::Undecided(Undecided::FewIterations);
        let of = |iterations: u64, marked: Course, timed: Course| {
            let marked = Growth { iterations, ..Growth::example(marks(), marked) };
            decided(ProcessAnalysis::example(Vec::new(), vec![marked, Growth::example(Loop::Time, timed)]), "")
        };
        let verdict = |marked: Course, timed: Course| of(10, marked, timed);
        let many = of(30, Course::Undecided(Undecided::StillFilling), Course::Grows);
        assert_eq!(many.answer, Answer::Clean, "thirty marks know that nothing is known");
        assert_eq!(verdict(Course::Baseline, Course::Grows).answer, Answer::Clean, "marks know the loop");
        let by_time = verdict(undecided, Course::Grows);
        assert_eq!((by_time.answer, &by_time.leaks[0].point), (Answer::Leak, &Loop::Time));
        assert_eq!(by_time.leaks[0].bytes_per_second().map(f64::round), Some(1024.0));
        let nothing = verdict(undecided, undecided);
        assert_eq!(nothing.beside.undecided, Some((marks(), 40, Undecided::FewIterations)));
    }

    #[test]
    fn suppressions_come_before_the_choice_of_a_loop() {
        let on_device = |device: i32, course: Course| GrowthSource {
            devices: vec![device],
            ..Growth::example(marks(), course).sources.remove(0)
        };
        let undecided = GrowthSource { generations: 2, ..on_device(1, Course::Undecided(Undecided::FewGenerations)) };
        let paused = on_device(0, Course::Undecided(Undecided::Paused));
        let mut marked = Growth { iterations: 10, ..Growth::example(marks(), Course::Baseline) };
        marked.sources.push(undecided);
        let answer = |rule: &str| {
            let growth = vec![marked.clone(), Growth::example(Loop::Time, Course::Grows)];
            decided(ProcessAnalysis::example(Vec::new(), growth), rule).answer
        };
        assert_eq!(answer(""), Answer::Leak, "marks do not decide, but time does");
        assert_eq!(answer("device:1"), Answer::Clean, "marks decide about the rest");
        marked.sources.push(paused);
        assert_eq!(marked.course(), Course::Undecided(Undecided::Paused), "the reason of the one that kept most");
    }

    #[test]
    fn what_grows_over_runs_leaks_in_each_that_has_ended() {
        let run = |kept: u64| {
            let live = (0..kept).map(|at| Allocation { address: at * 4096, ..Allocation::example() }).collect();
            ProcessAnalysis::example(live, Vec::new())
        };
        let decided = |runs: &[u64], rules: &str| {
            let mut processes: Vec<ProcessAnalysis> = runs.iter().map(|&kept| run(kept)).collect();
            processes.push(ProcessAnalysis { end: Ending::Running, ..run(9) });
            Analysis::of(processes, &Suppressions::parse(rules).unwrap())
        };
        let answers = |analysis: &Analysis| -> Vec<Answer> {
            analysis.processes.iter().map(|process| process.verdict.answer).collect()
        };
        let grows = decided(&[1, 2, 3, 4, 5, 6, 7, 8], "");
        assert_eq!(answers(&grows), [&[Answer::Leak; 8][..], &[Answer::Clean]].concat(), "one still runs");
        let leak = &grows.processes[0].verdict.leaks[0];
        assert_eq!((leak.looks, leak.source.bytes_per_iteration), (8, 1024.0));
        assert!(matches!(leak.point, Loop::Runs(_)));
        let covered = decided(&[1, 2, 3, 4, 5, 6, 7, 8], "memory:DRAM");
        assert_eq!(answers(&covered), [Answer::Clean; 9]);
        assert_eq!(covered.processes[0].verdict.beside.suppressed_leaks, 1);
        assert_eq!(answers(&decided(&[3; 8], ""))[0], Answer::Leftover, "each left as much");
    }

    #[test]
    fn a_leak_that_two_loops_show_is_one_leak() {
        let mut longer = Growth::example(Loop::Marks("request #".into()), Course::Grows);
        longer.iterations = 400;
        let growth = vec![Growth::example(marks(), Course::Grows), longer];
        let verdict = decided(ProcessAnalysis::example(Vec::new(), growth), "");
        assert_eq!(verdict.leaks.len(), 1);
        assert_eq!(verdict.leaks[0].iterations, 400);
    }
}
