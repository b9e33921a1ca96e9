//! What was allocated in all, with --stats.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::analysis::{Churn, ChurnSource};

/// What a process allocated in all, over all devices; circular buffers are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatisticsReport {
    /// Allocations that were made.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, allocations that were freed soon.
    pub short_lived_allocations: u64,
    /// Their bytes.
    pub short_lived_bytes: u64,
    /// What soon is: `mark` (before the next) or `allocations` (before 256 further ones).
    pub short_lived_before: String,
    /// Allocations by size: entry `n` has those of 2^n bytes or more, and less than 2^(n+1); up to the last that is not 0.
    pub sizes: Vec<u64>,
    /// The sources that allocated most often.
    pub most_frequent: Vec<SourceStatisticsReport>,
    /// The sources that allocated most bytes.
    pub largest: Vec<SourceStatisticsReport>,
    /// The sources with the most short-lived allocations.
    pub most_short_lived: Vec<SourceStatisticsReport>,
}

/// What one source allocated in all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatisticsReport {
    /// Which memory.
    pub memory: String,
    /// The call site, innermost frame first.
    pub site: Vec<String>,
    /// The operation of ttnn, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Bytes of each allocation; null where they differ.
    pub size: Option<u64>,
    /// Allocations that it made.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, short-lived allocations.
    pub short_lived_allocations: u64,
}

impl StatisticsReport {
    pub(super) fn new(churn: &Churn, context: &Context<'_>) -> Self {
        let list = |all: &[ChurnSource]| all.iter().map(|one| SourceStatisticsReport::new(one, context)).collect();
        let last = churn.sizes.iter().rposition(|&number| number > 0).map_or(0, |at| at + 1);
        Self {
            allocations: churn.all.allocations,
            bytes: churn.all.bytes,
            short_lived_allocations: churn.short_lived.allocations,
            short_lived_bytes: churn.short_lived.bytes,
            short_lived_before: if churn.is_by_marks { "mark" } else { "allocations" }.to_owned(),
            sizes: churn.sizes[..last].to_vec(),
            most_frequent: list(&churn.most_frequent),
            largest: list(&churn.largest),
            most_short_lived: list(&churn.most_short_lived),
        }
    }
}

impl SourceStatisticsReport {
    fn new(source: &ChurnSource, context: &Context<'_>) -> Self {
        Self {
            memory: source.memory.to_string(),
            site: context.frames(&source.site),
            op: Context::op(&source.site),
            size: source.size,
            allocations: source.all.allocations,
            bytes: source.all.bytes,
            short_lived_allocations: source.short_lived.allocations,
        }
    }
}
