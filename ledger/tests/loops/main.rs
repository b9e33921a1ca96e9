//! Loops that leak, and loops that do not: what the rule of surviving generations says of each.
//!
//! `TTMEM_LOOPS_SEEDS` sets how often each is tried, `TTMEM_LOOPS_ONLY` a part of the names of those in the table. The table in
//! docs/measurements/growth.md is made by
//!
//!     TTMEM_LOOPS_SEEDS=5 cargo test --release -p ttmem-ledger --test loops -- --ignored --nocapture

mod caches;
mod families;
mod program;
mod work;

use families::{FAMILIES, Family};
use program::{Leaked, Program};
use ttmem_ledger::{Course, Point, Series};

const ITERATIONS: [u64; 3] = [60, 240, 2000];

/// What was said of a loop.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    found: u64,
    missed: u64,
    false_alarms: u64,
    undecided: u64,
    /// Loops that kept enough to be found for sure, and those of them that were not.
    wanted: u64,
    not_found: u64,
    /// Rates of them that are off by more than a tenth.
    rates_off: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.found += other.found;
        self.missed += other.missed;
        self.false_alarms += other.false_alarms;
        self.undecided += other.undecided;
        self.wanted += other.wanted;
        self.not_found += other.not_found;
        self.rates_off += other.rates_off;
    }
}

fn seeds() -> u64 {
    std::env::var("TTMEM_LOOPS_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(5)
}

fn run(family: &Family, seed: u64, iterations: u64, with_marks: bool) -> Tally {
    let mut program = Program::new(seed, iterations, with_marks);
    family.run(&mut program);
    let growth = program.ledger.growth();
    let point = |series: &&Series| {
        if with_marks { matches!(series.point, Point::Marks(_)) } else { series.point == Point::Time }
    };
    let series = growth.iter().find(point).expect("a loop");
    let leaks = series.leaks();
    let is_leaked = |site: u32| program.leaked.contains_key(&site);
    let mut tally =
        Tally { false_alarms: u64::from(leaks.iter().any(|leak| !is_leaked(leak.source.site))), ..Tally::default() };
    for (&site, leaked) in &program.leaked {
        let of_site = || leaks.iter().filter(|leak| leak.source.site == site);
        let kept = leaked.iterations.len();
        let is_wanted = kept >= if with_marks { 10 } else { 20 };
        let is_found = of_site().next().is_some();
        let is_undecided = series.trends.iter().any(|trend| {
            trend.source.site == site && matches!(trend.course, Course::Undecided(_)) && trend.generations > 0
        });
        tally.wanted += u64::from(is_wanted);
        match (is_found, is_undecided) {
            (true, _) => tally.found += 1,
            (false, true) => tally.undecided += 1,
            (false, false) if kept == 0 => {}
            (false, false) => tally.missed += 1,
        }
        tally.not_found += u64::from(is_wanted && !is_found);
        if is_wanted && is_found && iterations >= 240 {
            let rate: f64 = of_site().map(|leak| leak.bytes_per_iteration).sum();
            tally.rates_off += u64::from((rate / true_rate(leaked, series, with_marks) - 1.0).abs() > 0.1);
        }
    }
    if family.leaks == program.leaked.is_empty() {
        assert!(iterations < 100, "{}: labelled wrongly", family.name);
    }
    if !family.leaks {
        tally.undecided += u64::from(series.trends.iter().any(|trend| matches!(trend.course, Course::Undecided(_))));
    }
    tally
}

/// Bytes an iteration between the first and the last that were kept; by time, as slices of the same time would have.
fn true_rate(leaked: &Leaked, series: &Series, with_marks: bool) -> f64 {
    let (first, last) = (leaked.iterations.keys().next().unwrap(), leaked.iterations.keys().next_back().unwrap());
    let bytes: u64 = leaked.iterations.values().skip(1).sum();
    if with_marks {
        return bytes as f64 / (last - first) as f64;
    }
    let (begin, end) = leaked.ticks.unwrap();
    bytes as f64 / (end - begin) as f64 * series.ticks as f64 / series.iterations as f64
}

fn tally(family: &Family, iterations: u64, with_marks: bool, seeds: u64) -> Tally {
    let mut tally = Tally::default();
    (0..seeds).for_each(|seed| tally.add(run(family, seed, iterations, with_marks)));
    tally
}

#[test]
fn no_clean_loop_is_called_a_leak_and_leaks_are_found() {
    let mut all = [Tally::default(); 2];
    for family in FAMILIES {
        for iterations in ITERATIONS {
            for with_marks in [true, false] {
                // The longest take as long as all others.
                let seeds = if iterations > 1000 { seeds().div_ceil(5) } else { seeds() };
                let tally = tally(family, iterations, with_marks, seeds);
                let text = format!("{}, {iterations} iterations, marks: {with_marks}: {tally:?}", family.name);
                let (may_alarm, may_miss) = if family.is_ambiguous { (seeds.div_ceil(5), seeds) } else { (0, 0) };
                assert!(tally.false_alarms <= may_alarm, "{text}");
                assert!(!with_marks || tally.not_found <= may_miss && tally.missed == 0, "{text}");
                if !family.is_ambiguous {
                    all[usize::from(with_marks)].add(tally);
                }
            }
        }
    }
    let [time, marks] = all;
    assert!(marks.wanted > 100 && time.wanted > 100);
    assert!(time.not_found * 10 <= time.wanted, "{time:?}");
    assert!(marks.rates_off * 20 <= marks.wanted && time.rates_off * 10 <= time.wanted, "{marks:?} {time:?}");
}

#[test]
#[ignore = "takes minutes; makes the table of docs/measurements/growth.md"]
fn table() {
    let columns = ["found", "missed", "undecided", "false", "wanted", "of them not found", "rate off"];
    println!("| loop | by | iterations | {} |", columns.join(" | "));
    println!("|---|---|---|{}", "---:|".repeat(columns.len()));
    let mut sums = [Tally::default(); 2];
    let only = std::env::var("TTMEM_LOOPS_ONLY").unwrap_or_default();
    for family in FAMILIES.iter().filter(|family| family.name.contains(&only)) {
        for with_marks in [true, false] {
            for iterations in ITERATIONS {
                let tally =
                    tally(family, iterations, with_marks, seeds().div_ceil(if iterations > 1000 { 10 } else { 1 }));
                sums[usize::from(with_marks)].add(tally);
                println!("{}", row(family.name, with_marks, &iterations.to_string(), tally));
            }
        }
    }
    for with_marks in [true, false] {
        println!("{}", row("all", with_marks, "", sums[usize::from(with_marks)]));
    }
}

fn row(name: &str, with_marks: bool, iterations: &str, tally: Tally) -> String {
    let Tally { found, missed, false_alarms, undecided, wanted, not_found, rates_off } = tally;
    let by = if with_marks { "marks" } else { "time" };
    format!(
        "| {name} | {by} | {iterations} | {found} | {missed} | {undecided} | {false_alarms} | {wanted} | {not_found} | {rates_off} |"
    )
}
