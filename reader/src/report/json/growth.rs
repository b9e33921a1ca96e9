//! Does it grow? Each loop that was looked at, and the sources behind it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::Context;
use crate::{
    analysis::{Course, Growth, GrowthSource, Loop, Undecided},
    report::words,
};

/// What one loop does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrowthReport {
    /// Where it was looked at: `marks`, `closes`, `runs` or `time`.
    pub point: Cow<'static, str>,
    /// The marks' name, where numbers are `#`; the command of runs; else empty.
    pub name: String,
    /// The devices that were closed; else empty.
    pub devices: Vec<i32>,
    /// How often.
    pub looks: u64,
    /// Iterations between the first look and the last.
    #[serde(default)]
    pub iterations: u64,
    /// `grows`, `baseline` or `undecided`.
    pub verdict: Cow<'static, str>,
    /// Why it is undecided: `few_iterations`, `few_generations`, `still_filling`, `paused`, `nothing_repeats`,
    /// `hardly_rises` or `sizes_rise`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Cow<'static, str>>,
    /// The verdict as a sentence.
    pub text: String,
    /// Allocations that come on top in an iteration, over all devices; rounded up.
    pub regions_per_iteration: u64,
    /// Bytes that come on top in an iteration, over all devices; rounded up.
    pub bytes_per_iteration: u64,
    /// Bytes that come on top in a second; where the point is time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
    /// Whether it is the same in each iteration.
    pub is_steady: bool,
    /// Allocations at the last look, over all devices.
    #[serde(default)]
    pub live_regions: u64,
    /// Their bytes.
    #[serde(default)]
    pub live_bytes: u64,
    /// From the first look to the last.
    #[serde(default)]
    pub span_ns: u64,
    /// What each source does.
    pub sources: Vec<SourceReport>,
}

/// One source of memory in a loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceReport {
    /// Which memory.
    pub memory: String,
    /// Bytes of one allocation; null for those of every size from the call site.
    pub size: Option<u64>,
    /// `grows`, `baseline` or `undecided`.
    pub verdict: Cow<'static, str>,
    /// Why it is undecided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<Cow<'static, str>>,
    /// Whether the sums of the loop have its growth: by size where one size explains it, else by call site.
    #[serde(default)]
    pub is_reported: bool,
    /// Allocations at the last look, over all devices.
    pub live_regions: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Allocations that come on top in an iteration; rounded up.
    pub regions_per_iteration: u64,
    /// The same, not rounded.
    #[serde(default)]
    pub allocations_per_iteration: f64,
    /// Bytes that come on top in an iteration; rounded up.
    pub bytes_per_iteration: u64,
    /// Iterations of which allocations are still live, those of the warm-up left out.
    #[serde(default)]
    pub generations: u64,
    /// Allocations that were made.
    #[serde(default)]
    pub births: u64,
    /// Of these, allocations that are still live.
    #[serde(default)]
    pub births_kept: u64,
    /// Held by the program cache: it is no leak.
    #[serde(default)]
    pub cached: bool,
    /// The devices of what is still live.
    #[serde(default)]
    pub devices: Vec<i32>,
    /// The call site, innermost frame first; empty where it is not known.
    #[serde(default)]
    pub site: Vec<String>,
    /// The operation of ttnn, where a frame names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The rule of a suppression file that covers it: it is no leak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
}

/// `grows`, `baseline` or `undecided`.
pub(super) fn course_name(course: Course) -> &'static str {
    match course {
        Course::Grows => "grows",
        Course::Baseline => "baseline",
        Course::Undecided(_) => "undecided",
    }
}

/// The reasons for `undecided` by their names.
pub(super) const REASONS: [(Undecided, &str); 7] = [
    (Undecided::FewIterations, "few_iterations"),
    (Undecided::FewGenerations, "few_generations"),
    (Undecided::StillFilling, "still_filling"),
    (Undecided::Paused, "paused"),
    (Undecided::NothingRepeats, "nothing_repeats"),
    (Undecided::HardlyRises, "hardly_rises"),
    (Undecided::SizesRise, "sizes_rise"),
];

fn reason(course: Course) -> Option<Cow<'static, str>> {
    let Course::Undecided(why) = course else { return None };
    REASONS.iter().find(|(known, _)| *known == why).map(|&(_, name)| name.into())
}

/// What is above a whole number counts as one more; what floating point adds does not.
pub(super) fn round_up(rate: f64) -> u64 {
    (rate - 1e-6).ceil().max(0.0) as u64
}

/// The name of a point, what it is called, and devices.
pub(super) fn point_parts(point: &Loop) -> (&'static str, String, Vec<i32>) {
    match point {
        Loop::Marks(name) => ("marks", name.clone(), Vec::new()),
        Loop::Closes(devices) => ("closes", String::new(), devices.clone()),
        Loop::Runs(command) => ("runs", command.clone(), Vec::new()),
        Loop::Time => ("time", String::new(), Vec::new()),
    }
}

impl GrowthReport {
    pub(super) fn new(growth: &Growth, context: &Context<'_>) -> Self {
        let (point, name, devices) = point_parts(&growth.point);
        let (allocations, bytes) = growth.rate();
        let course = growth.course();
        Self {
            point: point.into(),
            name,
            devices,
            looks: growth.looks,
            iterations: growth.iterations,
            verdict: course_name(course).into(),
            undecided: reason(course),
            text: words::growth::sentence(growth),
            regions_per_iteration: round_up(allocations),
            bytes_per_iteration: round_up(bytes),
            bytes_per_second: growth.bytes_per_second().filter(|_| growth.point == Loop::Time),
            is_steady: growth.is_steady(),
            live_regions: growth.live.allocations,
            live_bytes: growth.live.bytes,
            span_ns: growth.span_ns,
            sources: growth.sources.iter().map(|source| SourceReport::new(source, context)).collect(),
        }
    }
}

impl SourceReport {
    fn new(source: &GrowthSource, context: &Context<'_>) -> Self {
        Self {
            memory: source.memory.to_string(),
            size: source.size,
            verdict: course_name(source.course).into(),
            undecided: reason(source.course),
            is_reported: source.is_reported,
            live_regions: source.live.allocations,
            live_bytes: source.live.bytes,
            regions_per_iteration: round_up(source.allocations_per_iteration),
            allocations_per_iteration: source.allocations_per_iteration,
            bytes_per_iteration: round_up(source.bytes_per_iteration),
            generations: source.generations,
            births: source.births,
            births_kept: source.births_kept,
            cached: source.cached,
            devices: source.devices.clone(),
            site: context.frames(&source.site),
            op: Context::op(&source.site),
            suppressed_by: context.rule(source.suppressed_by),
        }
    }
}
