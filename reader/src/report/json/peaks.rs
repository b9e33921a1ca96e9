//! What peaks, and other moments, were made of.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{AllocationReport, Context, DeviceReport, FragmentationReport};
use crate::{
    analysis::{By, Key, Peak, ProcessAnalysis, Row, rows},
    replay::At,
};

/// The peak of one memory, on devices that have it alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakReport {
    /// The devices.
    pub devices: Vec<i32>,
    /// Which memory.
    pub memory: String,
    /// The most bytes that were live at once, on each.
    pub peak_bytes: u64,
    /// Bytes that were live when `sources` were taken: at the peak, or a little below it.
    pub at_bytes: u64,
    /// When that was.
    pub at_ns: u64,
    /// What was live then, the largest source first; 64 at most.
    pub sources: Vec<PeakSourceReport>,
}

/// What one call site had live at a peak, on each device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakSourceReport {
    /// The call site, innermost frame first.
    pub site: Vec<String>,
    /// The operation of ttnn, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Bytes of one allocation; null for several sizes.
    pub size: Option<u64>,
    /// Held by the program cache.
    pub cached: bool,
    /// How many.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One moment of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MomentReport {
    /// `peak`, `exit`, `mark` or `seconds`.
    pub moment: Cow<'static, str>,
    /// The mark's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// When; null at the end.
    pub at_ns: Option<u64>,
    /// The sums then.
    pub devices: Vec<DeviceReport>,
    /// What was live then: largest first.
    pub live: Vec<AllocationReport>,
    /// The same added up, with --by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<RowReport>>,
    /// How what was free then is split, with --fragmentation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fragmentation: Vec<FragmentationReport>,
}

/// Allocations with something in common: one of the keys is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowReport {
    /// The call site, innermost frame first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Vec<String>>,
    /// The operation of ttnn; null, with every other key missing, where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// Bytes of one allocation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Dimensions of the tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<u32>>,
    /// Data type of the tensor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// The device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<i32>,
    /// The memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// Marks of the loop that were passed before they were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// How many, over all devices.
    pub allocations: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, bytes that the program cache holds.
    pub cached_bytes: u64,
}

impl PeakReport {
    pub(super) fn new(peak: &Peak, context: &Context<'_>) -> Self {
        let sources = peak.sources.iter().map(|source| PeakSourceReport {
            site: context.frames(&source.site),
            op: Context::op(&source.site),
            size: source.size,
            cached: source.cached,
            allocations: source.held.allocations,
            bytes: source.held.bytes,
        });
        Self {
            devices: peak.devices.clone(),
            memory: peak.memory.to_string(),
            peak_bytes: peak.peak_bytes,
            at_bytes: peak.at_bytes,
            at_ns: peak.at_ns,
            sources: sources.collect(),
        }
    }
}

impl MomentReport {
    pub(super) fn new(process: &ProcessAnalysis, by: Option<By>, context: &Context<'_>) -> Option<Self> {
        let moment = process.moment.as_ref()?;
        let (name, mark) = match &moment.at {
            At::Peak => ("peak", None),
            At::Exit => ("exit", None),
            At::Seconds(_) => ("seconds", None),
            At::Mark(mark) => ("mark", Some(mark.clone())),
        };
        let added = by.map(|by| rows(process, &moment.live, by));
        Some(Self {
            moment: name.into(),
            mark,
            at_ns: moment.at_ns,
            devices: super::devices(&moment.totals),
            live: context.allocations(&moment.live),
            fragmentation: moment.fragmentation.iter().map(|one| FragmentationReport::new(one, context)).collect(),
            rows: added.map(|rows| rows.iter().map(|row| RowReport::new(row, context)).collect()),
        })
    }
}

impl RowReport {
    fn new(row: &Row, context: &Context<'_>) -> Self {
        let sums = Self {
            allocations: row.held.allocations,
            bytes: row.held.bytes,
            cached_bytes: row.cached.bytes,
            ..Self::default()
        };
        match &row.key {
            Key::Site(site) => Self { site: Some(context.frames(site)), op: Context::op(site), ..sums },
            Key::Op(op) => Self { op: op.as_deref().map(str::to_owned), ..sums },
            Key::Size(size) => Self { size: Some(*size), ..sums },
            Key::Shape(shape) => Self { shape: shape.clone(), ..sums },
            Key::Dtype(dtype) => Self { dtype: dtype.as_deref().map(str::to_owned), ..sums },
            Key::Device(device) => Self { device_id: Some(*device), ..sums },
            Key::Memory(memory) => Self { memory: Some(memory.to_string()), ..sums },
            Key::Generation(generation) => Self { generation: *generation, ..sums },
        }
    }
}
