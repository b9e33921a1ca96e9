//! What sessions add up to: the model ([`Report`], also the JSON), its text, and its verdict.

mod collect;
mod cut;
mod findings;
mod group;
mod growth;
mod machine;
mod model;
pub(crate) mod named;
mod out_of_memory;
mod spans;
mod text;
mod units;
mod verdict;

pub(crate) use collect::devices;
pub use cut::{Cut, write_cut};
pub use findings::FINDING_IDS;
pub use group::plain_name;
pub use growth::{GrowthReport, SourceReport};
pub use machine::{SharedDevice, SharedMemory};
pub use model::{
    DeviceReport, EndedReport, EventCounts, FindingReport, MarkReport, MemoryReport, ProcessReport, RegionReport,
    Report, SCHEMA,
};
pub(crate) use out_of_memory::terse;
pub use out_of_memory::{ClashReport, HoldingReport, OutOfMemoryReport};
pub use spans::{LeftReport, SpanDevice, SpanMemory, SpanReport};
pub use text::{Painter, write_text, write_wrapped};
pub use units::{bytes, count, from_here, noun, shorten};
pub use verdict::{Verdict, left_behind, verdict};
