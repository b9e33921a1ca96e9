//! One column of a block of events: a number of 64 bits for each event, in one of three ways.
//!
//! * All the same: the number once.
//! * Few different ones, 256 at most: a table, and a byte for each event.
//! * Anything else: the difference to an earlier number, as few bytes as it needs. Which earlier one the caller says, see
//!   [`Bases`].

use crate::varint::{self, unzigzag, zigzag};

const SAME: u8 = 0;
const TABLE: u8 = 1;
const DIFFERENCES: u8 = 2;

/// Different numbers that a byte can tell apart.
const TABLE_SIZE: usize = 256;

/// Kinds of events that are told apart: the low bits of the kind.
pub(crate) const KINDS: usize = 16;

/// Numbers that differences are taken from: the last one of each kind, then the last one of each holder.
const BASES: usize = KINDS + HOLDERS;

/// Holders that are told apart: the low bits of their id. Others only cost bytes.
pub(crate) const HOLDERS: usize = 4096;

/// For one event: which earlier numbers its own is near to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bases {
    /// The event's kind: its number is the next one's base.
    pub(crate) kind: u16,
    /// The event's holder: its number is that one's base, too.
    pub(crate) holder: u16,
    /// Which of these two is the base of the event's own number.
    pub(crate) from: u16,
}

/// What the bases of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Near {
    /// The event before, whatever it was.
    Previous,
    /// The event before of the same kind.
    Kind,
    /// For a free the last event of the same holder, else that of the same kind.
    Holder,
}

impl Near {
    /// Which of the column's shifts goes for an event: that of its kind, where the kind matters.
    #[inline]
    fn shift(self, bases: Bases) -> usize {
        if self == Self::Previous { 0 } else { usize::from(bases.kind) }
    }
}

/// The earlier numbers that differences are taken from.
struct Last(Box<[u64; BASES]>);

impl Last {
    fn new() -> Self {
        Self(Box::new([0; BASES]))
    }

    #[inline]
    fn base(&self, near: Near, bases: Bases) -> u64 {
        match near {
            Near::Previous => self.0[0],
            Near::Kind => self.0[usize::from(bases.kind)],
            Near::Holder => self.0[usize::from(bases.from)],
        }
    }

    #[inline]
    fn replace(&mut self, near: Near, bases: Bases, value: u64) {
        self.0[near.shift(bases)] = value;
        if near == Near::Holder {
            self.0[usize::from(bases.holder)] = value;
        }
    }
}

/// Packs columns, one after the other.
pub(crate) struct ColumnEncoder {
    table: TableBuilder,
    last: Last,
    differences: Vec<u64>,
}

impl ColumnEncoder {
    pub(crate) fn new() -> Self {
        Self { table: TableBuilder::new(), last: Last::new(), differences: Vec::new() }
    }

    /// Appends a column: a byte that says how, the length of the rest, the rest.
    pub(crate) fn append(&mut self, values: &[u64], bases: &[Bases], near: Near, out: &mut Vec<u8>) {
        let head = out.len();
        out.extend_from_slice(&[0; 5]);
        out[head] = if self.table.build(values) {
            match self.table.values[..] {
                [value] => {
                    varint::write(out, value);
                    SAME
                }
                _ => {
                    self.append_table(out);
                    TABLE
                }
            }
        } else {
            self.append_differences(values, bases, near, out);
            DIFFERENCES
        };
        let length = (out.len() - head - 5) as u32;
        out[head + 1..head + 5].copy_from_slice(&length.to_le_bytes());
    }

    fn append_table(&self, out: &mut Vec<u8>) {
        out.push((self.table.values.len() - 1) as u8);
        self.table.values.iter().for_each(|&value| varint::write(out, value));
        out.extend_from_slice(&self.table.symbols);
    }

    fn append_differences(&mut self, values: &[u64], bases: &[Bases], near: Near, out: &mut Vec<u8>) {
        self.last.0.fill(0);
        self.differences.clear();
        let mut used_bits = [0; KINDS];
        for (&value, &bases) in values.iter().zip(bases) {
            let difference = value.wrapping_sub(self.last.base(near, bases));
            self.last.replace(near, bases, value);
            used_bits[near.shift(bases)] |= difference;
            self.differences.push(difference);
        }
        // Addresses and sizes are multiples of a page or so: low bits that are never used are left out.
        let shifts = used_bits.map(|bits: u64| if bits == 0 { 0 } else { bits.trailing_zeros() as u8 });
        out.extend_from_slice(&shifts);
        for (&difference, &bases) in self.differences.iter().zip(bases) {
            // The shift keeps the sign: the difference may be below zero.
            varint::write(out, zigzag((difference as i64 >> shifts[near.shift(bases)]) as u64));
        }
    }
}

/// Finds the different numbers of a column, as long as they are few.
struct TableBuilder {
    /// Open addressing; an index into `values` and one more, 0 where nothing lies.
    slots: Box<[u16; Self::SLOTS]>,
    values: Vec<u64>,
    symbols: Vec<u8>,
}

impl TableBuilder {
    const SLOTS: usize = 1024;

    fn new() -> Self {
        Self { slots: Box::new([0; Self::SLOTS]), values: Vec::new(), symbols: Vec::new() }
    }

    /// Whether they are few enough: on average each is there twice.
    fn build(&mut self, column: &[u64]) -> bool {
        let most = TABLE_SIZE.min(column.len() / 2).max(1);
        self.slots.fill(0);
        self.values.clear();
        self.symbols.clear();
        for &value in column {
            let mut slot = (value.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54) as usize;
            let symbol = loop {
                match self.slots[slot] {
                    0 if self.values.len() == most => return false,
                    0 => {
                        self.values.push(value);
                        self.slots[slot] = self.values.len() as u16;
                        break self.values.len() - 1;
                    }
                    found if self.values[usize::from(found) - 1] == value => break usize::from(found) - 1,
                    _ => slot = (slot + 1) % Self::SLOTS,
                }
            };
            self.symbols.push(symbol as u8);
        }
        true
    }
}

/// Reads a column, some events at a time.
pub(crate) struct ColumnDecoder {
    content: Content,
    near: Near,
    /// Where the next event's bytes begin, and where the column ends.
    at: usize,
    end: usize,
}

enum Content {
    Same(u64),
    Table(Vec<u64>),
    Differences { shifts: [u8; KINDS], last: Last },
}

impl ColumnDecoder {
    /// Begins with the column at `at` and moves on to the next one.
    pub(crate) fn begin(bytes: &[u8], at: &mut usize, near: Near) -> Result<Self, &'static str> {
        const SHORT: &str = "a column ends too early";
        let (&how, length) = bytes.get(*at..*at + 5).and_then(<[u8]>::split_first).ok_or(SHORT)?;
        let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
        let mut first = *at + 5;
        let end = first.checked_add(length).filter(|&end| end <= bytes.len()).ok_or(SHORT)?;
        *at = end;
        let bytes = &bytes[..end];
        let content = match how {
            SAME => Content::Same(varint::read(bytes, &mut first).ok_or(SHORT)?),
            TABLE => {
                let count = usize::from(*bytes.get(first).ok_or(SHORT)?) + 1;
                first += 1;
                let values = (0..count).map(|_| varint::read(bytes, &mut first));
                Content::Table(values.collect::<Option<_>>().ok_or(SHORT)?)
            }
            DIFFERENCES => {
                let shifts: [u8; KINDS] = *bytes.get(first..).and_then(<[u8]>::first_chunk).ok_or(SHORT)?;
                if shifts.iter().any(|&shift| shift > 63) {
                    return Err("a column is shifted by more than a number has bits");
                }
                first += KINDS;
                Content::Differences { shifts, last: Last::new() }
            }
            _ => return Err("a column is packed in an unknown way"),
        };
        Ok(Self { content, near, at: first, end })
    }

    /// Reads the numbers of the next events, one for each of `bases`, and passes them on with the position of the event.
    #[inline]
    pub(crate) fn read(
        &mut self,
        bytes: &[u8],
        bases: &[Bases],
        mut take: impl FnMut(usize, u64),
    ) -> Result<(), &'static str> {
        const SHORT: &str = "a column has too few numbers";
        let bytes = &bytes[..self.end];
        match &mut self.content {
            Content::Same(value) => (0..bases.len()).for_each(|index| take(index, *value)),
            Content::Table(values) => {
                let symbols = bytes.get(self.at..self.at + bases.len()).ok_or(SHORT)?;
                for (index, &symbol) in symbols.iter().enumerate() {
                    take(index, *values.get(usize::from(symbol)).ok_or("a column names what its table has not")?);
                }
                self.at += bases.len();
            }
            Content::Differences { shifts, last } => {
                let mut at = self.at;
                for (index, &bases) in bases.iter().enumerate() {
                    let difference = unzigzag(varint::read(bytes, &mut at).ok_or(SHORT)?);
                    let difference = difference << shifts[self.near.shift(bases)];
                    let value = last.base(self.near, bases).wrapping_add(difference);
                    last.replace(self.near, bases, value);
                    take(index, value);
                }
                self.at = at;
            }
        }
        Ok(())
    }

    /// Whether every byte of the column was used.
    pub(crate) fn is_used_up(&self) -> bool {
        self.at == self.end
    }
}
