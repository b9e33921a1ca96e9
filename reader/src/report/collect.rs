//! From what a process told to what a report says of it.

use std::{cell::RefCell, cmp::Reverse, collections::BTreeMap};

use ttmem_ledger::{LiveRegion, State, Totals};
use ttmem_ring::ClockMap;
use ttmem_wire::Memory;

use super::{
    findings, growth,
    model::{
        DeviceReport, EndedReport, EventCounts, MarkReport, MemoryReport, ProcessReport, RegionReport, UNKNOWN_POOLS,
        UNREADABLE, WITHOUT_MEMORY,
    },
    out_of_memory::OutOfMemoryReport,
    spans,
};
use crate::{
    Ended, SiteStyle, Symbols, Told,
    sites::{Named, Naming},
};

pub(super) fn process(told: &Told<'_>, style: SiteStyle, symbols: &RefCell<Symbols>) -> ProcessReport {
    let ledger = told.account.ledger();
    let naming = Naming::new(told.account.sites(), style, symbols);
    let regions = |regions: &[LiveRegion], clock: &ClockMap| regions_of(regions, clock, &naming);
    let clock = told.clock;
    let anomalies = ledger.anomalies();
    let marks = told.account.marks().iter().map(|mark| MarkReport {
        name: mark.name.clone(),
        at_ns: clock.realtime_ns(mark.ticks),
        devices: devices(&mark.totals),
        live: mark.live.as_ref().map(|live| regions(live, &clock)),
    });
    ProcessReport {
        pid: told.pid,
        command: told.command.join(" "),
        started_at: timestamp(told.realtime_start_ns),
        ended: told.ended.map(|ended| match ended {
            Ended::Code(code) => EndedReport::Code(code),
            Ended::Signal(signal) => EndedReport::Signal(signal),
            Ended::Unknown => EndedReport::Unknown(true),
        }),
        events: EventCounts {
            reported: told.counts.reported,
            drained: told.counts.drained,
            drained_elsewhere: told.counts.drained_elsewhere,
            restored: told.counts.restored,
            lost: told.counts.lost,
        },
        is_cut: told.cut_after.is_some(),
        unmatched_frees: anomalies.unmatched_frees,
        devices: devices(&ledger.totals()),
        live: regions(&ledger.live(), &clock),
        ring_id: format!("{:032x}", told.ring_id),
        library_version: told.library_version.to_owned(),
        marks: marks.collect(),
        regions: spans::spans(told.account, &clock, &naming),
        regions_not_listed: told.account.spans().not_listed() + told.account.spans().not_measured(),
        growth: growth::reports(&ledger.growth(), &naming),
        out_of_memory: {
            let refused = ledger.out_of_memory().iter();
            refused.map(|refused| OutOfMemoryReport::new(refused, &clock, &naming)).collect()
        },
        released_at_close: {
            let mut released = regions(&ledger.released_at_close().regions, &clock);
            // Those of one size stay in the order of the closes.
            released.sort_by_key(|region| Reverse(region.size));
            released
        },
        findings: findings::sentences(told),
        anomalies: BTreeMap::from([
            ("double_frees".into(), anomalies.double_frees),
            ("duplicate_holders".into(), anomalies.duplicate_holders),
            ("late_frees".into(), anomalies.late_frees),
            ("pretended_allocations".into(), told.counts.pretended),
            (UNKNOWN_POOLS.into(), anomalies.unknown_pools),
            ("unmatched_frees".into(), anomalies.unmatched_frees),
            (UNREADABLE.into(), told.account.unreadable()),
            (WITHOUT_MEMORY.into(), anomalies.without_memory),
        ]),
    }
}

fn timestamp(ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| String::new(), |time| time.to_string())
}

pub(crate) fn devices(totals: &[(i32, Memory, Totals)]) -> Vec<DeviceReport> {
    let mut devices: Vec<DeviceReport> = Vec::new();
    for &(device_id, memory, totals) in totals {
        let report = MemoryReport {
            live_bytes: totals.live_bytes,
            live_buffers: totals.live_buffers,
            live_bytes_per_bank: totals.live_bytes_per_bank,
            peak_bytes: totals.peak_bytes,
            peak_bytes_per_bank: totals.peak_bytes_per_bank,
            allocations: totals.allocations,
            frees: totals.frees,
            released_at_close: totals.released_at_close,
        };
        match devices.last_mut().filter(|device| device.device_id == device_id) {
            Some(device) => {
                device.memory.insert(memory.to_string(), report);
            }
            None => devices.push(DeviceReport { device_id, memory: BTreeMap::from([(memory.to_string(), report)]) }),
        }
    }
    devices
}

pub(crate) fn regions_of(regions: &[LiveRegion], clock: &ClockMap, naming: &Naming<'_>) -> Vec<RegionReport> {
    let report = |region: &LiveRegion| {
        let Named { frames, op } = naming.named(region.site);
        RegionReport {
            device_id: region.device,
            memory: region.memory.to_string(),
            address: region.address,
            size: region.size,
            size_per_bank: region.size_per_bank,
            holders: region.holders,
            reports: region.reports,
            state: match region.state {
                State::Live => "live",
                State::LiveAtExit => "live_at_exit",
                State::Orphaned => "orphaned",
                State::ReleasedAtClose => "released_at_close",
            }
            .into(),
            allocated_at_ns: clock.realtime_ns(region.allocated_at_ticks),
            site: frames,
            op,
            thread: region.thread,
            num_cores: region.num_cores,
            globally_allocated: region.globally_allocated,
            cached: region.cached,
            suppressed_by: None,
        }
    };
    regions.iter().map(report).collect()
}
