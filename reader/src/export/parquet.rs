//! Two tables (Apache Parquet) in a folder: `events.parquet`, one row an event, and `regions.parquet`, one row a lifetime.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use ::parquet::{
    basic::{Compression, Type},
    data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};
use ttmem_ledger::{Change, Life};

use super::{
    Exporter, Output,
    rows::{born_ns, event_row, state_name},
};
use crate::replay::{Step, StepKind};

/// Rows that are kept until they are written together.
const ROWS: usize = 1 << 17;

/// A column of a group of rows. Numbers are kept as Parquet stores them: 64 bits without sign are the same bits.
enum Column {
    Long(Vec<i64>),
    OptionalLong(Vec<i64>, Vec<i16>),
    Int(Vec<i32>),
    Bool(Vec<bool>),
    Text(Texts),
}

/// The texts of a column, each kept once: most rows have the text of some row before.
#[derive(Default)]
struct Texts {
    rows: Vec<u32>,
    known: Vec<ByteArray>,
    numbers: HashMap<Vec<u8>, u32>,
}

/// A table, and the rows that are not written yet.
struct Table {
    writer: SerializedFileWriter<Output>,
    columns: Vec<Column>,
    rows: usize,
}

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
pub(super) struct Tables {
    events: Table,
    regions: Table,
    /// The devices of an event as text.
    devices: String,
}

impl Tables {
    /// Makes the folder, if it is not there.
    pub(super) fn create(folder: Option<&Path>) -> io::Result<Self> {
        let folder: PathBuf =
            folder.ok_or_else(|| io::Error::other("two tables do not fit it: name a folder with -o"))?.into();
        if !folder.is_dir() {
            std::fs::create_dir(&folder)?;
        }
        Ok(Self {
            events: Table::create(&folder.join("events.parquet"), EVENTS)?,
            regions: Table::create(&folder.join("regions.parquet"), REGIONS)?,
            devices: String::new(),
        })
    }

    fn event(&mut self, step: &Step<'_>) -> io::Result<()> {
        let Some(row) = event_row(step) else { return Ok(()) };
        self.devices.clear();
        for (at, device) in row.devices.iter().enumerate() {
            // Writing to a string does not fail.
            let _ = write!(self.devices, "{}{device}", if at > 0 { " " } else { "" });
        }
        let memory = row.memory.unwrap_or_default();
        self.events.row(&[
            Cell::Long(row.time_ns),
            Cell::Int(row.pid),
            Cell::Text(row.event),
            Cell::Text(&self.devices),
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
            Cell::Text(&row.site.join("\n")),
            Cell::Long(row.region),
            Cell::Text(row.op),
            Cell::Text(row.tensor),
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
            Cell::Text(&step.process.frames(region.site).join("\n")),
            Cell::Text(step.process.op(region.site)),
            Cell::Text(step.process.tensor(region.tensor)),
        ])
    }
}

impl Exporter for Tables {
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

/// A value for a column of the same kind.
enum Cell<'a> {
    Long(u64),
    OptionalLong(Option<u64>),
    Int(u32),
    Bool(bool),
    Text(&'a str),
}

impl Table {
    fn create(path: &Path, schema: &str) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(schema).map_err(failed)?);
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        for column in schema.get_fields().iter().filter(|column| column.get_physical_type() == Type::BYTE_ARRAY) {
            // The least and the most of texts help nobody, and cost a comparison a row.
            let path = ColumnPath::from(column.name());
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
        }
        let properties = Arc::new(properties.build());
        let writer = SerializedFileWriter::new(Output::create(Some(path))?, schema, properties).map_err(failed)?;
        Ok(Self { writer, columns: Vec::new(), rows: 0 })
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        if self.columns.is_empty() {
            self.columns = cells.iter().map(Column::of).collect();
        }
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        self.rows += 1;
        if self.rows >= ROWS { self.write() } else { Ok(()) }
    }

    /// Writes what is kept as one group.
    fn write(&mut self) -> io::Result<()> {
        let columns = std::mem::take(&mut self.columns);
        if std::mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for column in &columns {
            let Some(mut writer) = group.next_column().map_err(failed)? else { break };
            match column {
                Column::Long(values) => writer.typed::<Int64Type>().write_batch(values, None, None),
                Column::OptionalLong(values, are_there) => {
                    writer.typed::<Int64Type>().write_batch(values, Some(are_there), None)
                }
                Column::Int(values) => writer.typed::<Int32Type>().write_batch(values, None, None),
                Column::Bool(values) => writer.typed::<BoolType>().write_batch(values, None, None),
                Column::Text(texts) => writer.typed::<ByteArrayType>().write_batch(&texts.values(), None, None),
            }
            .map_err(failed)?;
            writer.close().map_err(failed)?;
        }
        group.close().map(|_| ()).map_err(failed)
    }

    fn finish(mut self) -> io::Result<()> {
        self.write()?;
        let mut output = self.writer.into_inner().map_err(failed)?;
        output.flush()?;
        output.keep()
    }
}

impl Column {
    fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Long(_) => Self::Long(Vec::new()),
            Cell::OptionalLong(_) => Self::OptionalLong(Vec::new(), Vec::new()),
            Cell::Int(_) => Self::Int(Vec::new()),
            Cell::Bool(_) => Self::Bool(Vec::new()),
            Cell::Text(_) => Self::Text(Texts::default()),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        match (self, cell) {
            (Self::Long(values), Cell::Long(value)) => values.push(*value as i64),
            (Self::OptionalLong(values, are_there), Cell::OptionalLong(value)) => {
                values.extend(value.map(|value| value as i64));
                are_there.push(i16::from(value.is_some()));
            }
            (Self::Int(values), Cell::Int(value)) => values.push(*value as i32),
            (Self::Bool(values), Cell::Bool(value)) => values.push(*value),
            (Self::Text(texts), Cell::Text(value)) => texts.push(value.as_bytes()),
            // A row is made in one place, so its cells are of the same kinds each time.
            _ => {}
        }
    }
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        let last = self.rows.last().copied().filter(|&last| self.known[last as usize].data() == text);
        let number = last.or_else(|| self.numbers.get(text).copied()).unwrap_or_else(|| {
            let number = self.known.len() as u32;
            self.known.push(ByteArray::from(text.to_vec()));
            self.numbers.insert(text.to_vec(), number);
            number
        });
        self.rows.push(number);
    }

    fn values(&self) -> Vec<ByteArray> {
        self.rows.iter().map(|&number| self.known[number as usize].clone()).collect()
    }
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}
