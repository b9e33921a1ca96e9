//! One allocation of a report.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};
use ttmem_ledger::State;
use ttmem_recording::Tensor;
use ttmem_wire::OnCore;

use super::Context;
use crate::analysis::Allocation;

/// One allocation on one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllocationReport {
    /// On which device.
    pub device_id: i32,
    /// In which memory, by name.
    pub memory: String,
    /// At which address within each bank.
    pub address: u64,
    /// Bytes on the device.
    pub size: u64,
    /// Bytes in each bank; null where they are not known.
    pub size_per_bank: Option<u64>,
    /// Where each core has an address of its own: which one, as "x-y"; "unknown" where the address stands for the holder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core: Option<String>,
    /// Holders that have not let go.
    pub holders: u32,
    /// Reports of an allocation of it.
    pub reports: u32,
    /// "live", "live_at_exit", "orphaned" or "released_at_close".
    pub state: Cow<'static, str>,
    /// `CLOCK_REALTIME`, ns since 1970.
    pub allocated_at_ns: u64,
    /// The call site, innermost frame first; empty where it is not known.
    pub site: Vec<String>,
    /// The operation of ttnn that it was made for, where a frame tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub op: Option<String>,
    /// The tensor that it was made for, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<Arc<Tensor>>,
    /// The thread that made it.
    #[serde(default)]
    pub thread: u32,
    /// Cores of program memory, else 0.
    #[serde(default)]
    pub num_cores: u32,
    /// A circular buffer inside a buffer that is counted already.
    #[serde(default)]
    pub globally_allocated: bool,
    /// Made for a program that the program cache keeps.
    #[serde(default)]
    pub cached: bool,
    /// The rule of a suppression file that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_by: Option<String>,
}

impl Context<'_> {
    pub(crate) fn allocations(&self, all: &[Allocation]) -> Vec<AllocationReport> {
        all.iter().map(|one| self.allocation(one)).collect()
    }

    pub(super) fn allocation(&self, one: &Allocation) -> AllocationReport {
        AllocationReport {
            device_id: one.device,
            memory: one.memory.to_string(),
            address: one.address,
            size: one.size,
            size_per_bank: one.size_per_bank,
            core: one.core.map(core_name),
            holders: one.owners,
            reports: one.reports,
            state: state_name(one.state).into(),
            allocated_at_ns: one.at_ns,
            site: self.frames(&one.site),
            op: Self::op(&one.site),
            tensor: one.tensor.clone(),
            thread: one.thread,
            num_cores: one.num_cores,
            globally_allocated: one.globally_allocated,
            cached: one.cached,
            suppressed_by: self.rule(one.suppressed_by),
        }
    }
}

/// The states by their names.
pub(super) const STATES: [(State, &str); 4] = [
    (State::Live, "live"),
    (State::LiveAtExit, "live_at_exit"),
    (State::Orphaned, "orphaned"),
    (State::ReleasedAtClose, "released_at_close"),
];

fn state_name(state: State) -> &'static str {
    STATES.iter().find(|(known, _)| *known == state).map_or("live", |(_, name)| name)
}

/// "0-7", as tt-metal writes a core; or "unknown".
fn core_name(core: OnCore) -> String {
    match core {
        OnCore::At { x, y } => format!("{x}-{y}"),
        OnCore::Unknown => "unknown".to_owned(),
    }
}
