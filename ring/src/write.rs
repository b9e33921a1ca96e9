//! The ring's writing half: the flusher's alone.

use std::ops::Range;

use ttmem_wire::RECORD_WORDS;

use crate::{
    FlusherPage, ReaderPage, Slot,
    sync::{AtomicU32, Ordering, fence},
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
        // SYNC (J): pairs with the Acquire fence in `RingReader::drop_overwritten`: who copies one of the records that are
        // written from here on sees the tail moved.
        fence(Ordering::Release);
        // A tail ahead of the head (a damaged or hostile reader page) counts as no room.
        self.head.wrapping_sub(self.tail_seen) < capacity
    }

    /// Writes a record behind the head; there must be room.
    #[inline]
    pub(crate) fn put(&mut self, words: &[u64; RECORD_WORDS]) {
        self.slots[self.head as usize & (self.slots.len() - 1)].fill(words);
        self.head += 1;
    }

    /// Where the tail is, and how far records are published. `None` if the tail is where no tail can be (a damaged or hostile
    /// reader page).
    pub(crate) fn unread(&self) -> Option<Range<u64>> {
        // SYNC (D): as in `has_room`.
        let tail = self.reader.tail.0.load(Ordering::Acquire);
        let length = self.head.checked_sub(tail)?;
        (length <= self.slots.len() as u64).then_some(tail..self.head)
    }

    /// A record that was put, and not overwritten since.
    pub(crate) fn record(&self, at: u64) -> [u64; RECORD_WORDS] {
        self.slots[at as usize & (self.slots.len() - 1)].copy()
    }

    /// Moves the tail, in the place of a reader: the caller holds the lock, and all below lies in a snapshot that has its
    /// name.
    pub(crate) fn release(&mut self, tail: u64) {
        self.tail_seen = tail;
        // SYNC (D): pairs with the Acquire load of the tail in readers: who sees it moved finds the snapshot that was
        // named before.
        self.reader.tail.0.store(tail, Ordering::Release);
        // SYNC (J): see `has_room`.
        fence(Ordering::Release);
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
