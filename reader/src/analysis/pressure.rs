//! How full the L1 of each device is.

use std::{collections::BTreeMap, sync::Arc};

use ttmem_ledger::{L1Pressure, Ledger};

use super::sites::CallSites;
use crate::sites::CallSite;

/// The fullest core of a device, and whose program reaches furthest there.
#[derive(Clone, Debug)]
pub struct Pressure {
    /// The core.
    pub l1: L1Pressure,
    /// The call site of the program that reaches furthest; one without frames where there is none.
    pub site: Arc<CallSite>,
}

pub(super) fn of_devices(ledger: &Ledger, sites: &CallSites<'_>) -> BTreeMap<i32, Pressure> {
    let mut devices: Vec<i32> = ledger.memories().into_iter().map(|(device, _)| device).collect();
    devices.sort_unstable();
    devices.dedup();
    let pressure = |device| {
        let l1 = ledger.l1_pressure(device)?;
        Some((device, Pressure { l1, site: sites.of(l1.site) }))
    };
    devices.into_iter().filter_map(pressure).collect()
}
