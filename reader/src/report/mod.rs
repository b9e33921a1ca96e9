//! What an analysis looks like: as JSON ([`Report`]), and as text.
//!
//! * [`json`]: the model that `--json` writes and the page reads, schema `ttmem-report/1`; and back from it;
//! * [`text`]: screens, from the verdict down;
//! * [`words`]: numbers and sentences, which both have.

mod json;
mod text;
mod words;

pub use json::{
    AllocationReport, BlockReport, ChangeReport, ClashReport, DeviceReport, DifferenceReport, EndedReport, EventCounts,
    FindingReport, FragmentationReport, FullestCoreReport, GrowthReport, HoldingReport, L1Report, LeakReport,
    LeftReport, MarkReport, MemoryReport, MomentReport, OutOfMemoryReport, PeakReport, PeakSourceReport, ProcessReport,
    ReliefReport, Report, RowReport, SCHEMA, SharedDevice, SharedMemory, SideReport, SourceReport,
    SourceStatisticsReport, SpanDevice, SpanMemory, SpanReport, StatisticsReport, SuppressionReport, VerdictReport,
    WayOutReport, WhatIfCourse, WhatIfMemory, WhatIfProcess, WhatIfReport, WhatIfRequest,
};
pub(crate) use json::{Context, devices, timestamp};
pub use text::{Painter, Screen, View, write_difference, write_text, write_view, write_what_if};
pub(crate) use text::{Part, in_short, terse, write_part};
pub use words::{FINDING_IDS, bytes, count, from_here, noun, plain_name, shorten};
pub(crate) use words::{
    cores, difference::incomplete, ending, finding_id, growth_sentence, growth_source, headroom, program_memory,
    stack_line, what_is_missing,
};
