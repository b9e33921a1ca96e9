//! A draining reader for models, as a session is one.

use ttmem_wire::Record;

use crate::{FlusherPage, ReaderPage, Slot, sync::Ordering};

/// What it has taken: each record's payload, which is one value throughout.
pub(crate) struct TestReader {
    pub(crate) position: u64,
    pub(crate) seen: Vec<u64>,
}

impl TestReader {
    /// One that begins at this position of the ring.
    pub(crate) fn new(position: u64) -> Self {
        Self { position, seen: Vec::new() }
    }

    /// Reads what the ring shows, and gives it back.
    pub(crate) fn drain(&mut self, flusher: &FlusherPage, reader: &ReaderPage, ring: &[Slot]) {
        let head = flusher.head.0.load(Ordering::Acquire);
        let at = |at: u64| Record { words: ring[at as usize & (ring.len() - 1)].copy() };
        let records: Vec<_> = (self.position..head).map(at).collect();
        self.position = self.position.max(head);
        reader.set_tail(self.position);
        self.take(&records);
    }

    fn take(&mut self, records: &[Record]) {
        for Record { words } in records {
            assert!(words[1..].iter().all(|&word| word == words[1]), "a record is whole: {words:?}");
            self.seen.push(words[1]);
        }
    }
}
