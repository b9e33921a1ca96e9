//! The ring's writing half: the flusher's alone.

use std::ops::Range;

use ttmem_wire::RECORD_WORDS;

use crate::{
    layout::{FlusherPage, ReaderPage, Slot},
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

    /// Slots of the ring.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Records ever put.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Whether a slot is free. Loads the reader's tail only when the slots that were free the last time are used up.
    #[inline]
    pub(crate) fn has_free_slot(&mut self) -> bool {
        let capacity = self.slots.len() as u64;
        if self.head.wrapping_sub(self.tail_seen) < capacity {
            return true;
        }
        // SYNC (D): Acquire, pairs with the Release store of the tail: the reader's copies out of the slots are made.
        self.tail_seen = self.reader.tail.0.load(Ordering::Acquire);
        // SYNC (J): Release, pairs with the Acquire fence in `RingReader::drop_overwritten`: who copies one of the records that are
        // written from here on sees the tail moved.
        fence(Ordering::Release);
        // A tail ahead of the head (a damaged or hostile reader page) frees no slot.
        self.head.wrapping_sub(self.tail_seen) < capacity
    }

    /// Writes a record behind the head; a slot must be free.
    #[inline]
    pub(crate) fn put(&mut self, words: &[u64; RECORD_WORDS]) {
        self.slots[self.head as usize & (self.slots.len() - 1)].write(words);
        self.head += 1;
    }

    /// Shows the reader all that was put.
    #[inline]
    pub(crate) fn publish(&mut self) {
        // SYNC (E): Release, pairs with the Acquire loads of the head in readers.
        self.flusher.head.0.store(self.head, Ordering::Release);
    }

    /// The records that nobody has released. `None` if the tail is where no tail can be (a damaged or hostile reader page).
    pub(crate) fn unreleased(&self) -> Option<Range<u64>> {
        // SYNC (D): Acquire, as in `has_free_slot`.
        let tail = self.reader.tail.0.load(Ordering::Acquire);
        let length = self.head.checked_sub(tail)?;
        (length <= self.slots.len() as u64).then_some(tail..self.head)
    }

    /// A record that was put, and not overwritten since.
    pub(crate) fn record(&self, position: u64) -> [u64; RECORD_WORDS] {
        self.slots[position as usize & (self.slots.len() - 1)].copy()
    }

    /// Moves the tail in the place of a reader. The caller holds the tail lock, and a checkpoint has all records below.
    pub(crate) fn release(&mut self, tail: u64) {
        self.tail_seen = tail;
        // SYNC (D): Release, pairs with the Acquire loads of the tail in readers: who sees it moved finds the checkpoint.
        self.reader.tail.0.store(tail, Ordering::Release);
        // SYNC (J): Release, as in `has_free_slot`.
        fence(Ordering::Release);
    }

    /// Counts a sequence number that was skipped.
    pub(crate) fn count_skipped(&mut self) {
        let skipped = &self.flusher.skipped.0;
        skipped.store(skipped.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// See [`ReaderPage::is_asked_to_stop`].
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.reader.is_asked_to_stop()
    }

    /// See [`FlusherPage::set_stopped`].
    pub(crate) fn note_stopped(&mut self) {
        self.flusher.set_stopped();
    }

    /// Notes how the clock stands now.
    pub(crate) fn note_clock(&mut self, ticks: u64, monotonic_ns: u64) {
        self.flusher.note_clock(ticks, monotonic_ns);
    }

    /// The futex word of a parked reader, after records were published; `None` if none is parked.
    pub(crate) fn parked_reader(&mut self) -> Option<&'a AtomicU32> {
        self.flusher.parked_reader(self.reader)
    }
}
