//! A draining reader for models, as a session is one: the ring first, and then the stage.

use ttmem_wire::Record;

use crate::{FlusherPage, ReaderPage, Slot, Stage, early::Early, sync::Ordering};

/// What it has taken: each record's payload, which is one value throughout, but for the stamp.
pub(crate) struct TestReader {
    pub(crate) early: Early,
    pub(crate) position: u64,
    pub(crate) seen: Vec<u64>,
}

impl TestReader {
    /// One that begins at this position of the ring.
    pub(crate) fn new(position: u64) -> Self {
        Self { early: Early::default(), position, seen: Vec::new() }
    }

    /// Reads what the ring shows, and gives it back.
    pub(crate) fn drain(&mut self, flusher: &FlusherPage, reader: &ReaderPage, ring: &[Slot]) {
        let head = flusher.head.0.load(Ordering::Acquire);
        let at = |at: u64| Record { words: ring[at as usize & (ring.len() - 1)].copy() };
        let mut records = (self.position..head).map(at).collect();
        self.position = self.position.max(head);
        self.early.meet(&mut records, 0);
        reader.set_tail(self.position);
        self.take(&records);
    }

    /// Reads what the stage has behind it.
    pub(crate) fn look(&mut self, stage: Stage<'_>, flusher: &FlusherPage) {
        let mut records = Vec::new();
        // More than a stage has: while it looks, slots may go round.
        self.early.look(stage, flusher, self.position, &mut records, 8);
        self.take(&records);
    }

    fn take(&mut self, records: &[Record]) {
        for Record { words } in records {
            assert!(words[2..].iter().all(|&word| word == words[2]), "a record is whole: {words:?}");
            self.seen.push(words[2]);
        }
    }
}
