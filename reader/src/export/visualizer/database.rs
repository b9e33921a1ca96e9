//! The tables, row by row.

use std::{collections::BTreeMap, io, path::Path};

use rusqlite::{Connection, ToSql, params};
use ttmem_recording::Tensor;
use ttmem_wire::Memory;

use super::{
    failed, graph,
    live::{Buffer, Live, Place},
    operations::Operation,
};
use crate::{
    replay::ProcessInfo,
    report::{bytes, timestamp},
    sites::{Frame, memory_layout_number},
};

const SCHEMA: &str = include_str!("schema.sql");
/// Nobody else has the file, and one that is not whole is thrown away: no journal, and one transaction.
const BEGIN: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;";
/// The viewer asks for what one operation has.
const END: &str = "CREATE INDEX buffers_of_operation ON buffers (operation_id); COMMIT;";

/// A database that is being written.
pub(super) struct Database {
    connection: Connection,
    /// Operations of each rank.
    operations: Vec<i64>,
    /// By rank and device.
    l1: BTreeMap<(usize, i32), Place>,
}

impl Database {
    /// Begins a new file.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let connection = Connection::open(path).map_err(failed)?;
        connection.execute_batch(BEGIN).map_err(failed)?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        let made = Self { connection, operations: Vec::new(), l1: BTreeMap::new() };
        let version = concat!("ttmem ", env!("CARGO_PKG_VERSION"));
        made.insert("report_metadata", params!["created_by", version])?;
        Ok(made)
    }

    /// Notes a process: they come in the order of their ranks.
    pub(super) fn process(&mut self, rank: usize, name: &str) -> io::Result<()> {
        self.operations.push(0);
        self.insert("report_metadata", params![format!("process_of_rank_{rank}"), name])
    }

    fn insert(&self, table: &str, values: &[&dyn ToSql]) -> io::Result<()> {
        self.insert_or("ABORT", table, values).map(drop)
    }

    /// Returns whether a row was written.
    fn insert_or(&self, otherwise: &str, table: &str, values: &[&dyn ToSql]) -> io::Result<bool> {
        let marks = vec!["?"; values.len()].join(",");
        let sql = format!("INSERT OR {otherwise} INTO {table} VALUES ({marks})");
        let written = self.connection.prepare_cached(&sql).and_then(|mut statement| statement.execute(values));
        written.map(|rows| rows > 0).map_err(failed)
    }

    /// Writes an operation, and what is live after it.
    pub(super) fn operation(
        &mut self,
        rank: usize,
        process: &ProcessInfo,
        operation: &Operation,
        live: &mut Live,
    ) -> io::Result<()> {
        self.operations[rank] += 1;
        let id = self.operations[rank];
        let [began, ended] = operation.times_ns;
        let seconds = ended.saturating_sub(began) as f64 / 1e9;
        self.insert("operations", params![id, name(process, operation), seconds, rank as i64])?;
        let since = began.saturating_sub(process.started_ns) as f64 / 1e9;
        let arguments = [
            ("thread", operation.thread.to_string()),
            ("seconds after the first event", format!("{since:.6}")),
            ("allocations", operation.allocations.to_string()),
            ("allocated on all devices", bytes(operation.bytes)),
        ];
        for (name, value) in arguments {
            self.insert("operation_arguments", params![id, name, value, rank as i64])?;
        }
        let trace = stack_trace(process, operation.site);
        if !trace.is_empty() {
            self.insert("stack_traces", params![id, trace, None::<i64>, rank as i64])?;
        }
        if !operation.placed.is_empty() {
            let graph = graph::of(&name(process, operation), &operation.placed).to_string();
            self.insert("captured_graph", params![id, graph, rank as i64])?;
        }
        if operation.refusal.is_some() {
            self.refusal(rank, process, operation)?;
        }
        self.buffers(rank, process, operation, live)?;
        for (&(device, memory), place) in &live.memories {
            let l1 = self.l1.entry((rank, device)).or_default();
            let end = l1.end.max(place.end);
            match memory {
                Memory::L1 => (*l1, l1.end) = (*place, end),
                Memory::L1Small => l1.end = end,
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes the error of a refused operation, at the last operation that was written.
    pub(super) fn refusal(&self, rank: usize, process: &ProcessInfo, operation: &Operation) -> io::Result<()> {
        let Some(refusal) = &operation.refusal else { return Ok(()) };
        let id = self.operations[rank];
        let (name, trace) = (name(process, operation), stack_trace(process, operation.site));
        let kind = if refusal.is_other { "refused" } else { "out of memory" };
        let time = timestamp(operation.times_ns[0]);
        self.insert("errors", params![id, name, kind, refusal.to_string(), trace, time, rank as i64])
    }

    fn buffers(&self, rank: usize, process: &ProcessInfo, operation: &Operation, live: &mut Live) -> io::Result<()> {
        let id = self.operations[rank];
        let sizes: Vec<u64> = live.buffers.values().map(|buffer| live.per_bank(&buffer.life)).collect();
        let mut outputs = 0;
        for (buffer, per_bank) in live.buffers.values_mut().zip(sizes) {
            let region = &buffer.life.region;
            let tensor = process.typed_tensor(region.tensor);
            let layout = tensor.and_then(|tensor| memory_layout_number(&tensor.memory_layout));
            self.insert(
                "buffers",
                params![
                    id,
                    region.device,
                    integer(region.address),
                    integer(per_bank),
                    region.memory.code(),
                    layout,
                    rank as i64
                ],
            )?;
            let Some(tensor) = tensor.filter(|_| !buffer.is_written) else { continue };
            let is_first = self.tensor(rank, buffer, tensor)?;
            buffer.is_written = true;
            if is_first && buffer.operation == operation.number {
                self.insert("output_tensors", params![id, outputs, integer(buffer.tensor), rank as i64])?;
                outputs += 1;
            }
        }
        Ok(())
    }

    /// Writes a tensor on one device. Returns whether it is the first that has it.
    fn tensor(&self, rank: usize, buffer: &Buffer, tensor: &Tensor) -> io::Result<bool> {
        let region = &buffer.life.region;
        let number = integer(buffer.tensor);
        let config = format!(
            "MemoryConfig(memory_layout=TensorMemoryLayout::{},buffer_type=BufferType::{})",
            tensor.memory_layout, region.memory
        );
        let is_first = self.insert_or(
            "IGNORE",
            "tensors",
            params![
                number,
                format!("Shape({:?})", tensor.shape),
                format!("DataType.{}", tensor.dtype),
                format!("Layout.{}", tensor.layout),
                config,
                region.device,
                integer(region.address),
                region.memory.code(),
                rank as i64,
                "DEVICE",
                integer(region.size)
            ],
        )?;
        self.insert("device_tensors", params![number, region.device, integer(region.address), rank as i64])?;
        Ok(is_first)
    }

    /// Writes the devices, and closes the file.
    pub(super) fn finish(self) -> io::Result<()> {
        for (&(rank, device), l1) in &self.l1 {
            let l1_bytes = integer(l1.base.saturating_add(l1.capacity).max(l1.end));
            let (bank, base, banks) = (integer(l1.capacity), integer(l1.base), i64::from(l1.banks));
            let total = bank.saturating_mul(banks);
            let unknown = 0;
            self.insert(
                "devices",
                params![
                    device,
                    unknown,
                    unknown,
                    unknown,
                    unknown,
                    l1_bytes,
                    banks,
                    bank,
                    base,
                    base,
                    unknown,
                    banks,
                    unknown,
                    total,
                    total,
                    total,
                    total,
                    bank,
                    rank as i64
                ],
            )?;
        }
        self.connection.execute_batch(END).map_err(failed)?;
        self.connection.close().map_err(|(_, error)| failed(error))
    }
}

fn name(process: &ProcessInfo, operation: &Operation) -> String {
    let op = process.op(operation.site);
    let function = || process.users(operation.site).next().map(|frame| frame.function.to_string());
    match op {
        "" => function().filter(|function| !function.is_empty()).unwrap_or_else(|| "allocation".to_owned()),
        op => op.to_owned(),
    }
}

/// As `traceback` writes it, but innermost first, as ttnn does.
fn stack_trace(process: &ProcessInfo, site: u32) -> String {
    let line = |frame: &Frame| match frame.line {
        Some(line) => format!("  File \"{}\", line {line}, in {}\n", frame.file, frame.function),
        None => format!("  {frame}\n"),
    };
    process.users(site).map(line).collect()
}

/// SQLite's integers have a sign.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
