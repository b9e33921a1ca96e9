//! A block of events: the content of a chunk, by columns.

use ttmem_wire::{EventKind, Record};

use crate::column::{Bases, ColumnDecoder, ColumnEncoder, HOLDERS, KINDS, Near};

/// A column: which bits of a record it holds, and what its numbers are near to.
struct Column {
    word: usize,
    shift: u32,
    mask: u64,
    near: Near,
}

const fn word(word: usize, near: Near) -> Column {
    Column { word, shift: 0, mask: u64::MAX, near }
}

/// The columns in their order. What the others are near to depends on the first two.
const COLUMNS: [Column; 9] = [
    WHAT,
    HOLDER,
    Column { word: 7, shift: 40, mask: (1 << 24) - 1, near: Near::Kind }, // site
    word(3, Near::Kind),                                                  // target and extra
    word(0, Near::Previous),                                              // sequence
    word(1, Near::Previous),                                              // ticks
    word(4, Near::Holder),                                                // address
    word(5, Near::Holder),                                                // size
    word(6, Near::Holder),                                                // bytes a bank
];

/// Kind, memory, flags and thread.
const WHAT: Column = word(2, Near::Previous);
const HOLDER: Column = Column { word: 7, shift: 0, mask: (1 << 40) - 1, near: Near::Kind };

/// Events that are decoded at a time: their records fit the first cache, whichever column is at work.
const STEP: usize = 256;

impl Column {
    #[inline]
    fn of(&self, record: &Record) -> u64 {
        record.words[self.word] >> self.shift & self.mask
    }

    /// Puts the number into a record that has only zeros there.
    #[inline]
    fn put(&self, record: &mut Record, value: u64) {
        record.words[self.word] |= (value & self.mask) << self.shift;
    }
}

/// What an event's numbers are near to, from its kind and its holder: the first two columns.
#[inline]
fn bases(record: &Record) -> Bases {
    let what = WHAT.of(record);
    let kind = (what % KINDS as u64) as u16;
    let holder = KINDS as u16 + (HOLDER.of(record) % HOLDERS as u64) as u16;
    // A free says once more what the allocation said, and its holder is the one that the allocation named.
    let from = if what as u8 == EventKind::Free as u8 { holder } else { kind };
    Bases { from, kind, holder }
}

/// Packs blocks of events.
pub(crate) struct BlockEncoder {
    column: ColumnEncoder,
    columns: [Vec<u64>; COLUMNS.len()],
    bases: Vec<Bases>,
}

impl BlockEncoder {
    pub(crate) fn new() -> Self {
        Self { column: ColumnEncoder::new(), columns: Default::default(), bases: Vec::new() }
    }

    /// Appends the content of a chunk.
    pub(crate) fn append(&mut self, records: &[Record], out: &mut Vec<u8>) {
        self.columns.iter_mut().for_each(Vec::clear);
        self.bases.clear();
        // One pass over the records, and all others over one column.
        for record in records {
            self.bases.push(bases(record));
            for (numbers, column) in self.columns.iter_mut().zip(&COLUMNS) {
                numbers.push(column.of(record));
            }
        }
        for (numbers, column) in self.columns.iter().zip(&COLUMNS) {
            self.column.append(numbers, &self.bases, column.near, out);
        }
    }
}

/// Reads the events of a chunk, some at a time.
pub(crate) struct BlockDecoder {
    columns: Vec<ColumnDecoder>,
    left: usize,
}

impl BlockDecoder {
    /// Begins with a content of `events` events.
    pub(crate) fn begin(content: &[u8], events: usize) -> Result<Self, &'static str> {
        let mut at = 0;
        let mut columns = Vec::with_capacity(COLUMNS.len());
        for column in &COLUMNS {
            columns.push(ColumnDecoder::begin(content, &mut at, column.near)?);
        }
        if at != content.len() {
            return Err("bytes follow the last column");
        }
        Ok(Self { columns, left: events })
    }

    /// Reads the next events of the same content into `records`, up to `most`; none at the end.
    pub(crate) fn read(&mut self, content: &[u8], records: &mut Vec<Record>, most: usize) -> Result<(), &'static str> {
        records.clear();
        records.resize(most.min(self.left), Record::default());
        self.left -= records.len();
        let mut bases = [Bases::default(); STEP];
        for records in records.chunks_mut(STEP) {
            self.step(content, records, &mut bases[..records.len()])?;
        }
        if self.left == 0 && !self.columns.iter().all(ColumnDecoder::is_used_up) {
            return Err("a column has too many numbers");
        }
        Ok(())
    }

    fn step(&mut self, content: &[u8], records: &mut [Record], bases: &mut [Bases]) -> Result<(), &'static str> {
        for (index, (decoder, column)) in self.columns.iter_mut().zip(&COLUMNS).enumerate() {
            decoder.read(content, bases, |index, value| column.put(&mut records[index], value))?;
            if index < 2 {
                bases.iter_mut().zip(&*records).for_each(|(near, record)| *near = self::bases(record));
            }
        }
        Ok(())
    }
}
