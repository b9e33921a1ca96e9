//! Two tables (Apache Parquet) in a folder: `events.parquet`, one row an event, and `regions.parquet`, one row a lifetime.

use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    thread::Scope,
};

use ttmem_ledger::{Change, Life};

use super::{
    Exporter,
    parquet_table::{Cell, Table},
    rows::{born_ns, event_row, state_name},
};
use crate::replay::{Step, StepKind};

const EVENTS: &str = "message events {
    required int64 time_ns (TIMESTAMP(NANOS, true));
    required int32 pid (INTEGER(32, false));
    required binary event (STRING);
    required binary devices (STRING);
    required int32 allocator (INTEGER(32, false));
    required binary memory (STRING);
    optional int64 address (INTEGER(64, false));
    optional int64 size (INTEGER(64, false));
    optional int64 size_per_bank (INTEGER(64, false));
    required int64 holder (INTEGER(64, false));
    required int32 thread (INTEGER(32, false));
    required int32 num_cores (INTEGER(32, false));
    optional int64 free_per_bank (INTEGER(64, false));
    optional int64 largest_free_block (INTEGER(64, false));
    required binary flags (STRING);
    required binary name (STRING);
    required binary site (STRING);
    required int64 region (INTEGER(64, false));
    required binary op (STRING);
    required binary tensor (STRING);
}";

const REGIONS: &str = "message regions {
    required int32 pid (INTEGER(32, false));
    required int32 device (INTEGER(32, true));
    required binary memory (STRING);
    required int32 allocator (INTEGER(32, false));
    required int64 program (INTEGER(64, false));
    required int64 address (INTEGER(64, false));
    required int64 size (INTEGER(64, false));
    optional int64 size_per_bank (INTEGER(64, false));
    required int32 holders (INTEGER(32, false));
    required int32 reports (INTEGER(32, false));
    required binary state (STRING);
    required int64 allocated_at_ns (TIMESTAMP(NANOS, true));
    optional int64 ended_at_ns (TIMESTAMP(NANOS, true));
    required int32 thread (INTEGER(32, false));
    required int32 num_cores (INTEGER(32, false));
    required boolean globally_allocated;
    required boolean preallocated;
    required boolean cached;
    required binary site (STRING);
    required binary op (STRING);
    required binary tensor (STRING);
}";

/// Both tables.
pub(super) struct Tables<'scope> {
    events: Table<'scope>,
    regions: Table<'scope>,
    /// The devices of the last event, and the same as text.
    devices: (Vec<i32>, String),
}

impl<'scope> Tables<'scope> {
    /// Makes the folder, if it is not there. A thread writes each table, beside the replay.
    pub(super) fn create(scope: &'scope Scope<'scope, '_>, folder: Option<&Path>) -> io::Result<Self> {
        let folder: PathBuf =
            folder.ok_or_else(|| io::Error::other("two tables do not fit it: name a folder with -o"))?.into();
        if !folder.is_dir() {
            std::fs::create_dir(&folder)?;
        }
        Ok(Self {
            events: Table::create(scope, &folder.join("events.parquet"), EVENTS)?,
            regions: Table::create(scope, &folder.join("regions.parquet"), REGIONS)?,
            devices: (Vec::new(), String::new()),
        })
    }

    fn event(&mut self, step: &Step<'_>) -> io::Result<()> {
        let Some(row) = event_row(step) else { return Ok(()) };
        let (last, devices) = &mut self.devices;
        if last != row.devices {
            row.devices.clone_into(last);
            devices.clear();
            for (at, device) in row.devices.iter().enumerate() {
                // Writing to a string does not fail.
                let _ = write!(devices, "{}{device}", if at > 0 { " " } else { "" });
            }
        }
        let site = match &step.kind {
            StepKind::Event { event, .. } => event.site,
            _ => 0,
        };
        let memory = row.memory.unwrap_or_default();
        self.events.row(&[
            Cell::Long(row.time_ns),
            Cell::Int(row.pid),
            Cell::Text(row.event),
            Cell::Text(devices),
            Cell::Int(row.allocator),
            Cell::Text(&memory),
            Cell::OptionalLong(row.address),
            Cell::OptionalLong(row.size),
            Cell::OptionalLong(row.size_per_bank),
            Cell::Long(row.holder),
            Cell::Int(row.thread),
            Cell::Int(row.num_cores),
            Cell::OptionalLong(row.free_per_bank),
            Cell::OptionalLong(row.largest_free_block),
            Cell::Text(&row.flags.join(" ")),
            Cell::Text(row.name.unwrap_or_default()),
            Cell::Keyed(key(step, site), &|| row.site.join("\n")),
            Cell::Long(row.region),
            Cell::Keyed(key(step, site), &|| row.op.to_owned()),
            Cell::Keyed(key(step, site), &|| row.tensor.to_owned()),
        ])
    }

    fn region(&mut self, step: &Step<'_>, life: &Life, is_gone: bool) -> io::Result<()> {
        let region = &life.region;
        self.regions.row(&[
            Cell::Int(step.process.pid),
            Cell::Int(region.device as u32),
            Cell::Text(&region.memory.to_string()),
            Cell::Int(life.allocator),
            Cell::Long(life.program),
            Cell::Long(region.address),
            Cell::Long(region.size),
            Cell::OptionalLong(region.size_per_bank),
            Cell::Int(region.holders),
            Cell::Int(region.reports),
            Cell::Text(state_name(region, is_gone)),
            Cell::Long(born_ns(step, region)),
            Cell::OptionalLong(is_gone.then_some(step.time_ns)),
            Cell::Int(region.thread),
            Cell::Int(region.num_cores),
            Cell::Bool(region.globally_allocated),
            Cell::Bool(region.preallocated),
            Cell::Bool(region.cached),
            Cell::Keyed(key(step, region.site), &|| step.process.frames(region.site).join("\n")),
            Cell::Keyed(key(step, region.site), &|| step.process.op(region.site).to_owned()),
            Cell::Keyed(key(step, region.tensor), &|| step.process.tensor(region.tensor).to_owned()),
        ])
    }
}

impl Exporter for Tables<'_> {
    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        match &step.kind {
            StepKind::Change(Change::Gone(life)) => self.region(step, life, true),
            StepKind::End(lives) => lives.iter().try_for_each(|life| self.region(step, life, false)),
            _ => self.event(step),
        }
    }

    fn finish(self: Box<Self>) -> io::Result<Vec<String>> {
        self.events.finish()?;
        self.regions.finish()?;
        Ok(Vec::new())
    }
}

/// A key for a number of a process, as that of a call site.
fn key(step: &Step<'_>, number: u32) -> u64 {
    ((step.index as u64) << 32) | u64::from(number)
}
