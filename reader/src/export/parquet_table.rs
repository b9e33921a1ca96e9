//! A table of Apache Parquet: rows come one by one, and a thread writes a group of them at a time.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Scope, ScopedJoinHandle},
};

use ::parquet::{
    basic::{Compression, Encoding, Type},
    column::writer::ColumnWriterImpl,
    data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::{parser::parse_message_type, types::ColumnPath},
};

use super::Output;

/// Rows that are kept until they are written together.
const ROWS: usize = 1 << 17;
/// Texts that are handed to the writer of a column at a time.
const BATCH: usize = 1024;
/// Numbers of which most rows have one of their own: a dictionary of them is as long as they are.
const UNIQUE: [&str; 5] = ["time_ns", "address", "holder", "allocated_at_ns", "ended_at_ns"];

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
    keyed: HashMap<u64, u32>,
    last_key: Option<u64>,
}

/// Rows that are written together.
#[derive(Default)]
struct Group {
    columns: Vec<Column>,
    rows: usize,
}

/// A table: the rows that are not written yet, and the thread that writes full groups. After the last group comes `None`; without it the
/// file is not kept.
pub(super) struct Table<'scope> {
    group: Group,
    full: SyncSender<Option<Group>>,
    writer: Option<ScopedJoinHandle<'scope, io::Result<()>>>,
}

/// A value for a column of the same kind.
pub(super) enum Cell<'a> {
    Long(u64),
    OptionalLong(Option<u64>),
    Int(u32),
    Bool(bool),
    Text(&'a str),
    /// A text that is made once for all rows of this key in a group.
    Keyed(u64, &'a dyn Fn() -> String),
}

impl<'scope> Table<'scope> {
    pub(super) fn create(scope: &'scope Scope<'scope, '_>, path: &Path, schema: &str) -> io::Result<Self> {
        let schema = Arc::new(parse_message_type(schema).map_err(failed)?);
        let mut properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
        for column in schema.get_fields() {
            let path = ColumnPath::from(column.name());
            if column.get_physical_type() == Type::BYTE_ARRAY {
                // The least and the most of texts help nobody, and cost a comparison a row.
                properties = properties.set_column_statistics_enabled(path, EnabledStatistics::None);
            } else if UNIQUE.contains(&column.name()) {
                properties = properties.set_column_dictionary_enabled(path.clone(), false);
                properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
        }
        let output = Output::create(Some(path))?;
        let file = SerializedFileWriter::new(output, schema, Arc::new(properties.build())).map_err(failed)?;
        let (full, groups) = sync_channel(1);
        let writer = thread::Builder::new().spawn_scoped(scope, move || write(file, &groups))?;
        Ok(Self { group: Group::default(), full, writer: Some(writer) })
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let group = &mut self.group;
        if group.columns.is_empty() {
            group.columns = cells.iter().map(Column::of).collect();
        }
        for (column, cell) in group.columns.iter_mut().zip(cells) {
            column.push(cell);
        }
        group.rows += 1;
        if group.rows < ROWS {
            return Ok(());
        }
        let group = std::mem::take(group);
        self.hand_over(Some(group))
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        let group = std::mem::take(&mut self.group);
        self.hand_over(Some(group))?;
        self.hand_over(None)?;
        self.end()
    }

    fn hand_over(&mut self, group: Option<Group>) -> io::Result<()> {
        // Only a writer that failed takes no more.
        if self.full.send(group).is_ok() { Ok(()) } else { self.end() }
    }

    /// How the writer ended.
    fn end(&mut self) -> io::Result<()> {
        let end = self.writer.take().map(ScopedJoinHandle::join);
        end.and_then(Result::ok).unwrap_or_else(|| Err(io::Error::other("its writer ended early")))
    }
}

/// Writes groups until the last, and what a file ends with.
fn write(mut file: SerializedFileWriter<Output>, groups: &Receiver<Option<Group>>) -> io::Result<()> {
    loop {
        match groups.recv() {
            Ok(Some(group)) => write_group(&mut file, &group).map_err(failed)?,
            Ok(None) => break,
            // The replay failed: the file is not whole.
            Err(_) => return Ok(()),
        }
    }
    let mut output = file.into_inner().map_err(failed)?;
    output.flush()?;
    output.keep()
}

fn write_group(file: &mut SerializedFileWriter<Output>, group: &Group) -> Result<(), ParquetError> {
    if group.rows == 0 {
        return Ok(());
    }
    let mut row_group = file.next_row_group()?;
    for column in &group.columns {
        let Some(mut writer) = row_group.next_column()? else { break };
        match column {
            Column::Long(values) => writer.typed::<Int64Type>().write_batch(values, None, None).map(drop)?,
            Column::OptionalLong(values, are_there) => {
                writer.typed::<Int64Type>().write_batch(values, Some(are_there), None).map(drop)?;
            }
            Column::Int(values) => writer.typed::<Int32Type>().write_batch(values, None, None).map(drop)?,
            Column::Bool(values) => writer.typed::<BoolType>().write_batch(values, None, None).map(drop)?,
            Column::Text(texts) => texts.write(writer.typed::<ByteArrayType>())?,
        }
        writer.close()?;
    }
    row_group.close().map(drop)
}

impl Column {
    fn of(cell: &Cell<'_>) -> Self {
        match cell {
            Cell::Long(_) => Self::Long(Vec::new()),
            Cell::OptionalLong(_) => Self::OptionalLong(Vec::new(), Vec::new()),
            Cell::Int(_) => Self::Int(Vec::new()),
            Cell::Bool(_) => Self::Bool(Vec::new()),
            Cell::Text(_) | Cell::Keyed(..) => Self::Text(Texts::default()),
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
            (Self::Text(texts), Cell::Keyed(key, text)) => texts.push_keyed(*key, text),
            // A row is made in one place, so its cells are of the same kinds each time.
            _ => {}
        }
    }
}

impl Texts {
    fn push(&mut self, text: &[u8]) {
        let last = self.rows.last().copied().filter(|&last| self.known[last as usize].data() == text);
        let number = last.unwrap_or_else(|| self.number(text));
        self.rows.push(number);
    }

    fn push_keyed(&mut self, key: u64, text: &dyn Fn() -> String) {
        let last = self.rows.last().copied().filter(|_| self.last_key == Some(key));
        let number = last.or_else(|| self.keyed.get(&key).copied()).unwrap_or_else(|| {
            let number = self.number(text().as_bytes());
            self.keyed.insert(key, number);
            number
        });
        self.last_key = Some(key);
        self.rows.push(number);
    }

    fn number(&mut self, text: &[u8]) -> u32 {
        self.numbers.get(text).copied().unwrap_or_else(|| {
            let number = self.known.len() as u32;
            self.known.push(ByteArray::from(text.to_vec()));
            self.numbers.insert(text.to_vec(), number);
            number
        })
    }

    /// Writes a part at a time: the texts of all rows together would be new memory for each group.
    fn write(&self, writer: &mut ColumnWriterImpl<'_, ByteArrayType>) -> Result<(), ParquetError> {
        let mut values = Vec::with_capacity(BATCH);
        for rows in self.rows.chunks(BATCH) {
            values.clear();
            values.extend(rows.iter().map(|&number| self.known[number as usize].clone()));
            writer.write_batch(&values, None, None)?;
        }
        Ok(())
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
