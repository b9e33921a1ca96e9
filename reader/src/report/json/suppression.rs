//! What a rule of a suppression file covered.

use serde::{Deserialize, Serialize};

use crate::analysis::RuleUse;

/// What a rule of a suppression file covered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuppressionReport {
    /// The rule as it was written.
    pub rule: String,
    /// The file's line, from 1.
    pub line: u64,
    /// Allocations that it covered, over all processes and devices.
    pub regions: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sources that grow and that it covered.
    #[serde(default)]
    pub growth: u64,
}

impl SuppressionReport {
    pub(crate) fn new(used: &RuleUse) -> Self {
        Self {
            rule: used.rule.clone(),
            line: used.line,
            regions: used.covered.allocations,
            bytes: used.covered.bytes,
            growth: used.growth,
        }
    }
}
