//! What changed between two moments, for scripts: schema `ttmem-diff/1`.

use serde::Serialize;

use super::Context;
use crate::{
    SiteStyle,
    analysis::{Change, Difference, Side},
    report::words,
};

/// The name of the schema.
const SCHEMA: &str = "ttmem-diff/1";

/// What B has other than A.
#[derive(Clone, Debug, Serialize)]
pub struct DifferenceReport {
    /// Always `ttmem-diff/1`.
    pub schema: &'static str,
    /// The first moment.
    pub a: SideReport,
    /// The second.
    pub b: SideReport,
    /// Allocations that B has more, over all devices; circular buffers are left out, here and below, since they overlap.
    pub regions_change: i64,
    /// Bytes that B has more.
    pub bytes_change: i64,
    /// What came, went, grew and shrank: the largest change first.
    pub changes: Vec<ChangeReport>,
    /// Allocations that both have alike.
    pub unchanged_regions: u64,
    /// Their bytes.
    pub unchanged_bytes: u64,
    /// What it comes to, in a sentence.
    pub text: String,
}

/// One of the two moments.
#[derive(Clone, Debug, Serialize)]
pub struct SideReport {
    /// Which file, and which moment of it.
    pub label: String,
    /// Allocations that were live then, over all devices.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of them in the program cache.
    pub cached_regions: u64,
    /// Their bytes.
    pub cached_bytes: u64,
    /// Allocations that suppressions cover: they are in no sum here.
    pub suppressed_regions: u64,
    /// Their bytes.
    pub suppressed_bytes: u64,
    /// Why it is not known whether it grows, where a process with no leak has a loop that decides nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undecided: Option<&'static str>,
    /// Why the sums may be wrong, where they may.
    pub inconclusive: Option<String>,
}

/// What allocations of one memory, call site and size did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeReport {
    /// `appeared`, `went`, `grew` or `shrank`.
    pub change: &'static str,
    /// Which memory.
    pub memory: String,
    /// Bytes of one allocation.
    pub size: u64,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// The operation of ttnn, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// On which devices, each alike.
    pub devices: Vec<i32>,
    /// Allocations in A, on each of them.
    pub regions_a: u64,
    /// Allocations in B, on each of them.
    pub regions_b: u64,
    /// Bytes that B has more, over these devices.
    pub bytes_change: i64,
    /// All of them are held by the program cache.
    pub cached: bool,
}

impl DifferenceReport {
    /// The report on a difference.
    pub fn new(difference: &Difference, style: SiteStyle) -> Self {
        let context = Context { style, rules: &[] };
        Self {
            schema: SCHEMA,
            a: SideReport::new(&difference.a),
            b: SideReport::new(&difference.b),
            regions_change: difference.allocations_change,
            bytes_change: difference.bytes_change,
            changes: difference.changes.iter().map(|change| ChangeReport::new(change, &context)).collect(),
            unchanged_regions: difference.unchanged.allocations,
            unchanged_bytes: difference.unchanged.bytes,
            text: words::difference::sentence(difference),
        }
    }
}

impl SideReport {
    fn new(side: &Side) -> Self {
        Self {
            label: side.label.clone(),
            regions: side.held.allocations,
            bytes: side.held.bytes,
            cached_regions: side.cached.allocations,
            cached_bytes: side.cached.bytes,
            suppressed_regions: side.suppressed.allocations,
            suppressed_bytes: side.suppressed.bytes,
            undecided: side.undecided.as_ref().map(|(.., why)| words::why_undecided(*why)),
            inconclusive: side.incomplete.map(words::difference::why_incomplete),
        }
    }
}

impl ChangeReport {
    fn new(change: &Change, context: &Context<'_>) -> Self {
        Self {
            change: words::difference::change(change.kind),
            memory: change.memory.to_string(),
            size: change.size,
            site: context.frames(&change.site),
            op: Context::op(&change.site),
            devices: change.devices.clone(),
            regions_a: change.in_a,
            regions_b: change.in_b,
            bytes_change: change.bytes_change,
            cached: change.cached,
        }
    }
}
