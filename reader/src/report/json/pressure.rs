//! How full L1 is.

use serde::{Deserialize, Serialize};

use super::Context;
use crate::analysis::Pressure;

/// The L1 of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1Report {
    /// Bytes of a bank, which is a core's share for programs and buffers together; null before an allocator was seen.
    pub capacity_per_bank: Option<u64>,
    /// The core of which live programs and persistent arenas take most.
    pub fullest_core: FullestCoreReport,
}

/// The core of a device of which live programs and persistent arenas take most. Buffers take the same of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullestCoreReport {
    /// Its column.
    pub x: u16,
    /// Its row.
    pub y: u16,
    /// The union of circular buffers, dataflow buffers and scratchpads there.
    pub program_bytes: u64,
    /// What persistent arenas have handed out there, below what programs place.
    #[serde(default)]
    pub persistent_bytes: u64,
    /// What buffers take there; null where the bytes a bank of one are not known.
    pub buffer_bytes: Option<u64>,
    /// Bytes between the program that reaches furthest and the lowest buffer; null where either is not known.
    pub free_bytes: Option<u64>,
    /// The operation of ttnn whose program reaches furthest there; null where it is not known.
    pub op: Option<String>,
    /// Its call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
}

impl L1Report {
    pub(super) fn new(Pressure { l1, site }: &Pressure, context: &Context<'_>) -> Self {
        Self {
            capacity_per_bank: l1.capacity_per_bank,
            fullest_core: FullestCoreReport {
                x: l1.x,
                y: l1.y,
                program_bytes: l1.program_bytes,
                persistent_bytes: l1.persistent_bytes,
                buffer_bytes: l1.buffer_bytes,
                free_bytes: l1.free_bytes,
                op: Context::op(site),
                site: context.frames(site),
            },
        }
    }
}
