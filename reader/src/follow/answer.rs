//! An answer: types become text here, and nowhere before.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::region::RegionAnalysis;
use crate::{
    Session, SiteStyle, Suppressions,
    analysis::{Alike, Allocation},
    report::{
        Context, DeviceReport, EventCounts, OutOfMemoryReport, Report, SpanReport, SuppressionReport, VerdictReport,
        terse,
    },
    visible::visible_json,
};

/// Groups of allocations that an answer lists, the largest.
const LEFTOVER_LISTED: usize = 256;
/// Frames of a stack.
const FRAMES: usize = 6;

/// A line of output.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<Value>,
    /// Whether every event that the process reported is in the sums.
    pub(super) complete: bool,
    #[serde(flatten)]
    pub(super) body: Body,
}

/// What the kinds of answers have.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Body {
    Error { error: String },
    Region(Box<RegionAnswer>),
    Now(NowAnswer),
    Verdict(Box<VerdictAnswer>),
    Report { report: Box<Report> },
    Record(RecordAnswer),
    RecordEnd(RecordEndAnswer),
}

/// A recording that has begun.
#[derive(Debug, Serialize)]
pub(super) struct RecordAnswer {
    pub(super) file: PathBuf,
}

/// A recording that has ended.
#[derive(Debug, Serialize)]
pub(super) struct RecordEndAnswer {
    pub(super) file: PathBuf,
    /// Events in it.
    pub(super) events: u64,
}

/// One region of the program.
#[derive(Debug, Serialize)]
pub(super) struct RegionAnswer {
    region: SpanReport,
    /// Regions inside it that have ended, in the order in which they began.
    nested: Vec<SpanReport>,
    /// What it left and no rule covers, the largest first; devices that have it alike are one entry.
    leftover: Vec<LeftoverReport>,
    /// Rules that cover something of what it left.
    suppressions: Vec<SuppressionReport>,
    /// What was refused in that time, the latest last.
    out_of_memory: Vec<OutOfMemoryReport>,
    /// The last of it, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_memory_text: Option<String>,
}

/// An allocation that was left, on each of some devices.
#[derive(Debug, Serialize)]
struct LeftoverReport {
    memory: String,
    address: u64,
    /// Bytes on each of the devices.
    size: u64,
    devices: Vec<i32>,
    /// The operation of ttnn, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    op: Option<String>,
    /// The frames that a person looks for, innermost first: those of wrappers, of torch and of the test runner are folded.
    stack: Vec<String>,
}

/// The sums now.
#[derive(Debug, Serialize)]
pub(super) struct NowAnswer {
    pub(super) pid: u32,
    pub(super) alive: bool,
    pub(super) rings: Vec<String>,
    pub(super) events: EventCounts,
    pub(super) devices: Vec<DeviceReport>,
    /// Names of the regions that are open, outermost first.
    pub(super) open_regions: Vec<String>,
}

/// The verdict on the process as it is now.
#[derive(Debug, Serialize)]
pub(super) struct VerdictAnswer {
    pub(super) verdict: VerdictReport,
    /// What each rule covers.
    pub(super) suppressions: Vec<SuppressionReport>,
}

impl Answer {
    pub(super) fn new(body: Body, tag: Option<Value>, complete: bool) -> Self {
        let answer = match &body {
            Body::Error { .. } => "error",
            Body::Region(_) => "region",
            Body::Now(_) => "now",
            Body::Verdict(_) => "verdict",
            Body::Report { .. } => "report",
            Body::Record(_) => "record",
            Body::RecordEnd(_) => "record_end",
        };
        Self { answer, tag, complete, body }
    }

    pub(super) fn to_line(&self) -> String {
        visible_json(serde_json::to_string(self).unwrap_or_default())
    }
}

impl RegionAnswer {
    pub(super) fn new(found: &RegionAnalysis, suppressions: &Suppressions) -> Self {
        let rules: Vec<&str> = suppressions.texts().map(|(rule, _)| rule).collect();
        let context = Context { style: SiteStyle::default(), rules: &rules };
        Self {
            region: SpanReport::new(&found.region, &context),
            nested: found.nested.iter().map(|region| SpanReport::new(region, &context)).collect(),
            leftover: found.leftover().iter().take(LEFTOVER_LISTED).map(LeftoverReport::new).collect(),
            suppressions: (found.uses.iter().filter(|used| used.covered.allocations > 0))
                .map(SuppressionReport::new)
                .collect(),
            out_of_memory: found.refusals.iter().map(|refusal| OutOfMemoryReport::new(refusal, &context)).collect(),
            out_of_memory_text: terse(&found.refusals),
        }
    }
}

impl LeftoverReport {
    fn new(group: &Alike<&Allocation>) -> Self {
        let Alike { devices, first } = group;
        Self {
            memory: first.memory.to_string(),
            address: first.address,
            size: first.size,
            devices: devices.clone(),
            op: first.site.op.as_deref().map(str::to_owned),
            stack: first.site.telling(FRAMES).into_iter().map(ToString::to_string).collect(),
        }
    }
}

/// The rings of sessions, for people.
pub(super) fn paths(sessions: &[Session]) -> Vec<String> {
    sessions.iter().map(|session| session.path().display().to_string()).collect()
}
