//! Does it grow? A verdict for each loop that was looked at, and the sources behind it.

use std::{borrow::Cow, collections::HashMap};

use serde::{Deserialize, Serialize};
use ttmem_ledger::{Amount, Course, Point, Seen, Series, Trend, judge};
use ttmem_wire::Memory;

use super::{
    bytes, group,
    model::ProcessReport,
    units::{count, noun},
};
use crate::sites::Naming;

/// Sources that are listed of a loop: growing ones first.
const LISTED: usize = 1000;

/// What one loop says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrowthReport {
    /// What was looked at: `marks`, `closes`, `runs` or `time`.
    pub point: Cow<'static, str>,
    /// The marks' name, where numbers are `#`; the command of runs; empty for closes.
    pub name: String,
    /// The devices that were closed; empty for marks and runs.
    pub devices: Vec<i32>,
    /// How often.
    pub looks: u64,
    /// `grows`, `baseline` or `undecided`.
    pub verdict: Cow<'static, str>,
    /// The verdict as a sentence.
    pub text: String,
    /// Regions that come on top in an iteration, over all devices; rounded up.
    pub regions_per_iteration: u64,
    /// Bytes that come on top in an iteration, over all devices; rounded up.
    pub bytes_per_iteration: u64,
    /// Whether it is the same in each iteration.
    pub is_steady: bool,
    /// Regions at the last look, over all devices.
    #[serde(default)]
    pub live_regions: u64,
    /// Their bytes.
    #[serde(default)]
    pub live_bytes: u64,
    /// What each source does.
    pub sources: Vec<SourceReport>,
}

/// One source of memory in a loop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Which memory.
    pub memory: String,
    /// Bytes of one region; null for those of every size, from the call site or, without one, in the memory.
    pub size: Option<u64>,
    /// Whether the text tells it: what grows is told once, by size, else by call site, else by memory.
    #[serde(skip)]
    pub is_told: bool,
    /// `grows`, `baseline` or `undecided`.
    pub verdict: Cow<'static, str>,
    /// Regions at the last look, over all devices.
    pub live_regions: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Regions that come on top in an iteration.
    pub regions_per_iteration: u64,
    /// Bytes that come on top in an iteration.
    pub bytes_per_iteration: u64,
    /// The call site, innermost frame first; empty where it is not known, and for all of the memory together.
    #[serde(default)]
    pub site: Vec<String>,
}

fn name_of(course: Course) -> &'static str {
    match course {
        Course::Grows => "grows",
        Course::Baseline => "baseline",
        Course::Undecided(_) => "undecided",
    }
}

fn narrow(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Each loop of a process; devices that were closed alike are told once.
pub(super) fn reports(series: &[Series], naming: &Naming<'_>) -> Vec<GrowthReport> {
    let mut reports: Vec<GrowthReport> = Vec::new();
    for series in series {
        let (point, name, device) = match &series.point {
            Point::Marks(name) => ("marks", name.clone(), None),
            Point::Closes(device) => ("closes", String::new(), Some(*device)),
            Point::Time => ("time", String::new(), None),
        };
        // A single look is no loop, and the report has its sums already.
        if series.looks < 2 || series.point == Point::Time && series.leaks().is_empty() {
            continue;
        }
        let report = report(point, name, series, &|site| naming.named(site).frames);
        let alike = reports.iter_mut().find(|other| {
            device.is_some()
                && (&other.point, other.looks) == (&report.point, report.looks)
                && other.sources == report.sources
        });
        match (alike, device) {
            (Some(other), Some(device)) => other.devices.push(device),
            _ => reports.push(GrowthReport { devices: device.into_iter().collect(), ..report }),
        }
    }
    for report in reports.iter_mut().filter(|report| report.point == "closes") {
        report.text = sentence(report);
    }
    reports
}

/// Runs of the same command, in the order in which they began: what each left behind.
pub(super) fn over_runs(processes: &[ProcessReport]) -> Vec<GrowthReport> {
    let mut commands: Vec<&str> = Vec::new();
    for process in processes {
        if !commands.contains(&process.command.as_str()) {
            commands.push(&process.command);
        }
    }
    commands.into_iter().filter_map(|command| of_command(processes, command)).collect()
}

fn of_command(processes: &[ProcessReport], command: &str) -> Option<GrowthReport> {
    // Each process numbers its call sites by itself.
    let mut sites: Vec<&[String]> = vec![&[]];
    let mut numbers: HashMap<&[String], u32> = HashMap::from([(&[][..], 0)]);
    let runs = processes.iter().filter(|process| process.command == command && process.ended.is_some());
    let runs: Vec<Vec<Seen>> = runs
        .map(|process| {
            let left = process.live.iter().chain(&process.released_at_close);
            left.filter(|region| region.memory != super::model::CIRCULAR_BUFFER)
                .map(|region| {
                    let number = *numbers.entry(&region.site).or_insert_with(|| {
                        sites.push(&region.site);
                        sites.len() as u32 - 1
                    });
                    Seen {
                        memory: region.memory.parse().unwrap_or(Memory::Unknown(u8::MAX)),
                        device: region.device_id,
                        site: number,
                        size: region.size,
                        cached: region.cached,
                        born: 0,
                    }
                })
                .collect()
        })
        .collect();
    let series = (runs.len() >= 2).then(|| judge(&runs))?;
    let frames = |number: u32| sites.get(number as usize).map_or_else(Vec::new, |site| site.to_vec());
    (!series.trends.is_empty()).then(|| report("runs", command.to_owned(), &series, &frames))
}

type Frames<'a> = &'a dyn Fn(u32) -> Vec<String>;

fn report(point: &'static str, name: String, series: &Series, frames: Frames<'_>) -> GrowthReport {
    let wholes = || series.trends.iter().filter(|trend| trend.source.size.is_none());
    let growing = series.leaks();
    let undecided = || wholes().find(|whole| matches!(whole.course, Course::Undecided(_)));
    let course =
        if growing.is_empty() { undecided().map_or(Course::Baseline, |trend| trend.course) } else { Course::Grows };
    let sum = |amount: fn(&Trend) -> f64| growing.iter().map(|trend| amount(trend)).sum::<f64>().ceil() as u64;
    let mut trends: Vec<&Trend> = series.trends.iter().collect();
    trends.sort_by_key(|trend| (trend.course != Course::Grows, std::cmp::Reverse(trend.live.bytes), trend.source));
    let mut report = GrowthReport {
        point: point.into(),
        name,
        devices: Vec::new(),
        looks: series.looks,
        verdict: name_of(course).into(),
        text: String::new(),
        regions_per_iteration: sum(|trend| trend.allocations_per_iteration),
        bytes_per_iteration: sum(|trend| trend.bytes_per_iteration),
        is_steady: growing.iter().all(|trend| trend.allocations_per_iteration.fract() == 0.0),
        live_regions: wholes().fold(0, |sum: u64, trend| sum.saturating_add(trend.live.allocations)),
        live_bytes: wholes().fold(0, |sum: u64, trend| sum.saturating_add(narrow(trend.live.bytes))),
        sources: trends
            .into_iter()
            .take(LISTED)
            .map(|trend| SourceReport { is_told: growing.contains(&trend), ..source(trend, frames) })
            .collect(),
    };
    report.text = sentence(&report);
    report
}

fn source(trend: &Trend, frames: Frames<'_>) -> SourceReport {
    let Trend { source, course, live: Amount { allocations, bytes }, .. } = trend;
    SourceReport {
        memory: source.memory.to_string(),
        size: source.size,
        is_told: false,
        verdict: name_of(*course).into(),
        live_regions: *allocations,
        live_bytes: narrow(*bytes),
        regions_per_iteration: trend.allocations_per_iteration.ceil() as u64,
        bytes_per_iteration: trend.bytes_per_iteration.ceil() as u64,
        site: frames(source.site),
    }
}

fn sentence(report: &GrowthReport) -> String {
    let looks = count(report.looks);
    let place = match report.point.as_ref() {
        "closes" if report.devices.len() > 1 => {
            format!("{looks} closes of each of {}", group::plain_name(&report.devices))
        }
        "closes" => format!("{looks} closes of {}", group::plain_name(&report.devices)),
        "runs" => format!("{looks} runs"),
        "time" => format!("{looks} slices of time"),
        _ => format!("{looks} marks \"{}\"", report.name),
    };
    let regions = report.live_regions;
    let held = format!("{} {}, {}", count(regions), noun(regions, "region", "regions"), bytes(report.live_bytes));
    let unit = match report.point.as_ref() {
        "closes" => "a close",
        "runs" => "a run",
        _ => "an iteration",
    };
    match report.verdict.as_ref() {
        "grows" => {
            let number = report.regions_per_iteration;
            let about = if report.is_steady { "" } else { "about " };
            format!(
                "{place}: grows {about}{} {}, {} {unit}.",
                count(number),
                noun(number, "region", "regions"),
                bytes(report.bytes_per_iteration)
            )
        }
        "baseline" => format!("{place}: baseline, does not grow ({held})."),
        _ => format!("{place}: undecided ({held} at the last)."),
    }
}
