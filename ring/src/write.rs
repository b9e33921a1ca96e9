//! The ring's writing half: the flusher's alone.

use ttmem_wire::RECORD_WORDS;

use crate::{
    FlusherPage, ReaderPage, Slot,
    sync::{AtomicU32, Ordering},
};

/// Puts records behind the ring's head. They become visible with [`RingWriter::publish`].
#[derive(Debug)]
pub struct RingWriter<'a> {
    flusher: &'a FlusherPage,
    reader: &'a ReaderPage,
    slots: &'a [Slot],
    head: u64,
    tail_seen: u64,
}

impl<'a> RingWriter<'a> {
    /// The writer of an empty ring.
    ///
    /// # Panics
    /// If the number of slots is no power of two.
    pub fn new(flusher: &'a FlusherPage, reader: &'a ReaderPage, slots: &'a [Slot]) -> Self {
        assert!(slots.len().is_power_of_two(), "a ring has a power of two of slots, not {}", slots.len());
        Self { flusher, reader, slots, head: 0, tail_seen: 0 }
    }

    /// Slots in the ring.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Whether a record can be put now. Asks the reader's tail only when the last answer is used up.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        let capacity = self.slots.len() as u64;
        if self.head.wrapping_sub(self.tail_seen) < capacity {
            return true;
        }
        // SYNC (D): pairs with the reader's Release store of the tail: its copies out of the slots are over.
        self.tail_seen = self.reader.tail.0.load(Ordering::Acquire);
        // A tail ahead of the head (a damaged or hostile reader page) counts as no room.
        self.head.wrapping_sub(self.tail_seen) < capacity
    }

    /// Writes a record behind the head; there must be room.
    #[inline]
    pub(crate) fn put(&mut self, words: &[u64; RECORD_WORDS]) {
        self.slots[self.head as usize & (self.slots.len() - 1)].fill(words);
        self.head += 1;
    }

    /// Shows the reader all that was put.
    #[inline]
    pub(crate) fn publish(&self) {
        // SYNC (E): pairs with the reader's Acquire load of the head.
        self.flusher.head.0.store(self.head, Ordering::Release);
    }

    /// The word of the reader that waits for what was published, if one does.
    pub(crate) fn bell_to_ring(&self) -> Option<&AtomicU32> {
        self.flusher.bell_to_ring(self.reader)
    }

    /// Records ever put.
    pub fn head(&self) -> u64 {
        self.head
    }
}
