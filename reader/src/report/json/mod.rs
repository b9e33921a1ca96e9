//! The report as data: what `--json` writes, schema `ttmem-report/1` (docs/report.schema.json). Keys are added, their
//! meanings never change.

use std::{borrow::Cow, io::Read};

mod allocation;
mod device;
mod difference;
mod fragmentation;
mod growth;
mod peaks;
mod pressure;
mod process;
mod read;
mod refusals;
mod regions;
mod shared;
mod statistics;
mod suppression;
mod verdict;
mod whatif;

use serde::{Deserialize, Serialize};

pub use allocation::AllocationReport;
pub(crate) use device::devices;
pub use device::{DeviceReport, MemoryReport};
pub use difference::{ChangeReport, DifferenceReport, SideReport};
pub use fragmentation::{BlockReport, FragmentationReport, WayOutReport};
pub use growth::{GrowthReport, SourceReport};
pub use peaks::{MomentReport, PeakReport, PeakSourceReport, RowReport};
pub use pressure::{FullestCoreReport, L1Report};
pub use process::{EndedReport, EventCounts, FindingReport, MarkReport, ProcessReport};
pub use refusals::{ClashReport, HoldingReport, OutOfMemoryReport, ReliefReport};
pub use regions::{LeftReport, SpanDevice, SpanMemory, SpanReport};
pub use shared::{SharedDevice, SharedMemory};
pub use statistics::{SourceStatisticsReport, StatisticsReport};
pub use suppression::SuppressionReport;
pub use verdict::{LeakReport, VerdictReport};
pub use whatif::{WhatIfCourse, WhatIfMemory, WhatIfProcess, WhatIfReport, WhatIfRequest};

use self::shared::shared;
use crate::{
    SiteStyle,
    analysis::{Analysis, By},
    sites::CallSite,
    visible::visible_json,
};

/// The name of the schema.
pub const SCHEMA: &str = "ttmem-report/1";

/// A report on some processes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: Cow<'static, str>,
    /// The version of the reader.
    pub ttmem_version: Cow<'static, str>,
    /// The processes that reported events, in the order in which they began to.
    pub processes: Vec<ProcessReport>,
    /// The devices as a whole, over all processes.
    #[serde(default)]
    pub devices: Vec<SharedDevice>,
    /// What each rule of a suppression file covered.
    #[serde(default)]
    pub suppressions: Vec<SuppressionReport>,
    /// Whether runs of the same command hold more each time.
    #[serde(default)]
    pub growth_over_runs: Vec<GrowthReport>,
}

impl Report {
    /// The report on an analysis; `by` adds up what was live at the moment that it is about.
    pub fn new(analysis: &Analysis, style: SiteStyle, by: Option<By>) -> Self {
        let rules: Vec<&str> = analysis.suppressions.iter().map(|used| used.rule.as_str()).collect();
        let context = Context { style, rules: &rules };
        Self {
            schema: SCHEMA.into(),
            ttmem_version: env!("CARGO_PKG_VERSION").into(),
            devices: shared(&analysis.devices),
            growth_over_runs: analysis.runs.iter().map(|growth| GrowthReport::new(growth, &context)).collect(),
            processes: analysis.processes.iter().map(|process| context.process(process, by)).collect(),
            suppressions: analysis.suppressions.iter().map(SuppressionReport::new).collect(),
        }
    }

    /// A larger file is not read: in memory a report takes some times its size.
    pub(crate) const MAX_BYTES: u64 = 1 << 30;

    /// Reads what [`Report::to_json`] wrote.
    ///
    /// # Errors
    /// What is wrong with it, in a line.
    pub fn from_json(json: impl Read) -> Result<Self, String> {
        let report: Self =
            serde_json::from_reader(json).map_err(|error| format!("not a report of ttmem ({SCHEMA}): {error}"))?;
        if report.schema == SCHEMA {
            Ok(report)
        } else {
            Err(format!("a report of schema {:?}, this ttmem reads {SCHEMA:?}", report.schema))
        }
    }

    /// The report as JSON, with a newline at its end.
    pub fn to_json(&self) -> String {
        let mut json = visible_json(serde_json::to_string_pretty(self).unwrap_or_default());
        json.push('\n');
        json
    }
}

/// What a report writes its parts with.
pub(crate) struct Context<'a> {
    pub(crate) style: SiteStyle,
    /// The rules of the suppression file.
    pub(crate) rules: &'a [&'a str],
}

impl Context<'_> {
    /// A call site's frames, innermost first.
    fn frames(&self, site: &CallSite) -> Vec<String> {
        if self.style.full {
            return site.frames.iter().map(ToString::to_string).collect();
        }
        site.users().map(ToString::to_string).collect()
    }

    fn op(site: &CallSite) -> Option<String> {
        site.op.as_deref().map(str::to_owned)
    }

    fn rule(&self, place: Option<usize>) -> Option<String> {
        place.and_then(|at| self.rules.get(at)).map(|&rule| rule.to_owned())
    }
}

/// A time as text.
pub(crate) fn timestamp(ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |time| time.to_string())
}
