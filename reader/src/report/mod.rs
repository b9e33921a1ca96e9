//! What sessions add up to: the model ([`Report`], also the JSON), its text, and its verdict.

mod findings;
mod group;
mod model;
mod text;
mod units;
mod verdict;

pub use model::{
    DeviceReport, EndedReport, EventCounts, FindingReport, MarkReport, MemoryReport, OutOfMemoryReport, ProcessReport,
    RegionReport, Report, SCHEMA,
};
pub use text::{Painter, write_text};
pub use units::{bytes, shorten};
pub use verdict::{Verdict, live_bytes, verdict};
