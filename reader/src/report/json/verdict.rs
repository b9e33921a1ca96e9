//! The answer, for scripts.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{
    Context,
    growth::{point_parts, round_up},
};
use crate::{
    analysis::{Leak, Loop, ProcessAnalysis},
    report::words,
};

/// The verdict on a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictReport {
    /// `clean`, `leftover`, `leak` or `inconclusive`.
    pub answer: Cow<'static, str>,
    /// The verdict in one or two sentences.
    pub text: String,
    /// What grows, the largest rate first.
    pub leaks: Vec<LeakReport>,
    /// Allocations that their owners never freed: live when the process ended, or released by a close.
    #[serde(default)]
    pub leftover_allocations: u64,
    /// Their bytes.
    #[serde(default)]
    pub leftover_bytes: u64,
}

/// A source of memory that grows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    /// Which memory.
    pub memory: String,
    /// The operation of ttnn, where it is known.
    pub op: Option<String>,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// Bytes of one allocation; null for those of several sizes.
    #[serde(default)]
    pub size: Option<u64>,
    /// Bytes that come on top in an iteration, over all devices; rounded up.
    pub bytes_per_iteration: u64,
    /// Allocations that come on top in an iteration, over all devices.
    pub allocations_per_iteration: f64,
    /// Iterations of which allocations are still live.
    pub generations: u64,
    /// Iterations that were seen.
    pub iterations: u64,
    /// Where the loop was looked at: `marks`, `closes`, `runs` or `time`.
    #[serde(default)]
    pub point: Cow<'static, str>,
    /// The marks' name.
    #[serde(default)]
    pub name: String,
    /// The devices of what is still live.
    #[serde(default)]
    pub devices: Vec<i32>,
    /// Bytes that come on top in a second; where the point is time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<f64>,
}

impl VerdictReport {
    pub(super) fn new(process: &ProcessAnalysis, context: &Context<'_>) -> Self {
        let verdict = &process.verdict;
        let left = &verdict.leftover;
        Self {
            answer: verdict.answer.name().into(),
            text: words::verdict(process),
            leaks: verdict.leaks.iter().map(|leak| LeakReport::new(leak, context)).collect(),
            leftover_allocations: left.live.allocations.saturating_add(left.released.allocations),
            leftover_bytes: left.live.bytes.saturating_add(left.released.bytes),
        }
    }
}

impl LeakReport {
    fn new(leak: &Leak, context: &Context<'_>) -> Self {
        let source = &leak.source;
        let (point, name, _) = point_parts(&leak.point);
        Self {
            memory: source.memory.to_string(),
            op: Context::op(&source.site),
            site: context.frames(&source.site),
            size: source.size,
            bytes_per_iteration: round_up(source.bytes_per_iteration),
            allocations_per_iteration: source.allocations_per_iteration,
            generations: source.generations,
            iterations: leak.iterations,
            point: point.into(),
            name,
            devices: source.devices.clone(),
            bytes_per_second: leak.bytes_per_second().filter(|_| leak.point == Loop::Time),
        }
    }
}
