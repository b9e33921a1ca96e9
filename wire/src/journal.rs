//! The envelope of a journal: the records of a ring that were let go since the last snapshot, in a file beside the ring.
//!
//! Behind the header lie records as the ring had them, without a gap from the first on. The last may be cut short: who wrote it
//! was killed, and the ring has it still.

use crate::{EnvelopeError, EnvelopeFault, RECORD_WORDS, Record};

/// The first eight bytes of a journal, as text.
pub const JOURNAL_MAGIC: [u8; 8] = *b"TTMEMJNL";

/// The version of the envelope. A reader takes its own only.
pub const JOURNAL_VERSION: u32 = 1;

/// Bytes before the first record: as many as a record has.
pub const JOURNAL_HEADER_BYTES: usize = RECORD_BYTES;

/// No journal is larger, its header included: two million records.
pub const MAX_JOURNAL_BYTES: u64 = 128 << 20;

/// Bytes of a record.
const RECORD_BYTES: usize = RECORD_WORDS * 8;

/// Whose journal it is, and where it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// The ring that its records were in.
    pub ring_id: u128,
    /// How many records the ring had before the first of them.
    pub first: u64,
}

fn unreadable(fault: EnvelopeFault) -> EnvelopeError {
    EnvelopeError { what: "journal", fault }
}

impl Journal {
    /// The header.
    pub fn encode(&self) -> [u8; JOURNAL_HEADER_BYTES] {
        let mut header = [0; JOURNAL_HEADER_BYTES];
        header[..8].copy_from_slice(&JOURNAL_MAGIC);
        header[8..12].copy_from_slice(&JOURNAL_VERSION.to_le_bytes());
        header[16..32].copy_from_slice(&self.ring_id.to_le_bytes());
        header[32..40].copy_from_slice(&self.first.to_le_bytes());
        let checksum = crc32fast::hash(&header[..60]);
        header[60..].copy_from_slice(&checksum.to_le_bytes());
        header
    }

    /// Reads the header from a file's first bytes. Any bytes are safe to pass.
    ///
    /// # Errors
    /// [`EnvelopeError`] says what is wrong with it.
    pub fn decode(file: &[u8], ring_id: u128) -> Result<Self, EnvelopeError> {
        let Some(header) = file.first_chunk::<JOURNAL_HEADER_BYTES>() else {
            return Err(unreadable(EnvelopeFault::NotOne));
        };
        if header[..8] != JOURNAL_MAGIC {
            return Err(unreadable(EnvelopeFault::NotOne));
        }
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        let version = word(8) as u32;
        if version != JOURNAL_VERSION {
            return Err(unreadable(EnvelopeFault::Version { found: version, known: JOURNAL_VERSION }));
        }
        if (word(56) >> 32) as u32 != crc32fast::hash(&header[..60]) {
            return Err(unreadable(EnvelopeFault::Damaged));
        }
        let journal = Self { ring_id: u128::from(word(16)) | u128::from(word(24)) << 64, first: word(32) };
        if journal.ring_id != ring_id {
            return Err(unreadable(EnvelopeFault::OtherRing));
        }
        Ok(journal)
    }

    /// How far a file of so many bytes goes: the first record of the ring that is not whole in it.
    pub fn end(&self, file_bytes: u64) -> u64 {
        let records = file_bytes.saturating_sub(JOURNAL_HEADER_BYTES as u64) / RECORD_BYTES as u64;
        self.first.saturating_add(records)
    }

    /// Where in the file a record of the ring lies; `None` if it lies before the first.
    pub fn offset(&self, position: u64) -> Option<u64> {
        let records = position.checked_sub(self.first)?;
        records.checked_mul(RECORD_BYTES as u64)?.checked_add(JOURNAL_HEADER_BYTES as u64)
    }

    /// The whole records in these bytes, which begin with one.
    pub fn records(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
        let (records, _cut) = bytes.as_chunks::<RECORD_BYTES>();
        records.iter().map(|record| {
            // As they lay in the ring's memory.
            let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|byte| record[at * 8 + byte]));
            Record { words: std::array::from_fn(word) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: Journal = Journal { ring_id: 1 << 99 | 7, first: 1 << 40 };

    #[test]
    fn a_journal_comes_back_as_it_was() {
        let mut file = JOURNAL.encode().to_vec();
        assert_eq!(Journal::decode(&file, JOURNAL.ring_id), Ok(JOURNAL));
        assert_eq!(Journal::decode(&file, 7), Err(unreadable(EnvelopeFault::OtherRing)));
        let records = [1, 2].map(|value| Record { words: std::array::from_fn(|word| value << 8 | word as u64) });
        records.iter().flat_map(|record| record.words).for_each(|word| file.extend(word.to_ne_bytes()));
        assert_eq!(JOURNAL.end(file.len() as u64), JOURNAL.first + 2);
        let at = JOURNAL.offset(JOURNAL.first + 1).unwrap() as usize;
        assert_eq!(Journal::records(&file[at..]).collect::<Vec<_>>(), records[1..]);
        assert_eq!(JOURNAL.offset(JOURNAL.first - 1), None);
        // A record that is cut short is none.
        for cut in 1..64 {
            let file = &file[..file.len() - cut];
            assert_eq!(JOURNAL.end(file.len() as u64), JOURNAL.first + 1);
            assert_eq!(Journal::records(&file[JOURNAL_HEADER_BYTES..]).collect::<Vec<_>>(), records[..1]);
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_seen() {
        let whole = JOURNAL.encode();
        for at in 0..whole.len() {
            let mut changed = whole;
            changed[at] ^= 0x10;
            assert!(Journal::decode(&changed, JOURNAL.ring_id).is_err(), "byte {at}");
        }
        for length in 0..whole.len() {
            assert_eq!(Journal::decode(&whole[..length], JOURNAL.ring_id), Err(unreadable(EnvelopeFault::NotOne)));
        }
        let mut newer = whole;
        newer[8] = 9;
        assert_eq!(
            Journal::decode(&newer, JOURNAL.ring_id),
            Err(unreadable(EnvelopeFault::Version { found: 9, known: JOURNAL_VERSION }))
        );
    }

    #[test]
    fn positions_at_the_end_of_all_numbers_are_safe() {
        let last = Journal { ring_id: 0, first: u64::MAX - 1 };
        assert_eq!((last.end(u64::MAX), last.end(0)), (u64::MAX, u64::MAX - 1));
        assert_eq!(Journal::default().offset(u64::MAX), None);
    }
}
