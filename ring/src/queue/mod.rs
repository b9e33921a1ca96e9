//! The queue: a bounded MPSC queue in shared memory, after Dmitry Vyukov's bounded MPMC queue.
//!
//! Any thread publishes into it; the flusher alone consumes ([`crate::Drain`]). One counter hands out sequence numbers. Word 0 of a
//! slot holds its state: a slot serves sequence number `s` in lap `s / slots`; it holds `2 * lap` while it is free for that lap or
//! claimed in it, and `2 * lap + 1` once its record is published. A file of zeroes is an empty queue.
//!
//! # Order
//! If event X had returned before event Y began, X has the lower number, and whoever sees Y's number claimed sees X published.
//!
//! # A thread that stands still between claim and publish
//! It may be preempted, stopped by a debugger, or dead. The rule, which [`crate::Drain`] implements:
//! * The flusher passes over the claimed slot and consumes it in a later round, once it is published. Nobody waits.
//! * When the queue has gone round, and the next number falls on such a slot, the flusher claims that number itself and skips it. Until
//!   then, for at most one round of the flusher, producers find the queue full.
//! * A skipped number is counted in the flusher's page and is no event. If the process dies, a slot that was claimed and never published
//!   is counted as half-written: its call had not returned.

mod recover;

pub use recover::Recovery;
pub(crate) use recover::recover;

use ttmem_wire::RECORD_WORDS;

use crate::{
    failpoint::failpoint,
    layout::{ProducerPage, Slot},
    sync::{AtomicU64, Ordering},
};

/// Words that the caller of [`Queue::push`] gives; word 0 is the queue's.
pub const PAYLOAD_WORDS: usize = RECORD_WORDS - 1;

/// A slot is prefetched so many events before it is written: by then it is there.
const PREFETCH_AHEAD: u64 = 24;

/// The next slot is not free: the flusher is behind. Nothing was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueFull;

/// A view of the queue. Copies share the slots.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    claimed: &'a AtomicU64,
    slots: &'a [Slot],
    lap_shift: u32,
}

/// What the slot of a claimed sequence number holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Its thread has not published yet.
    Unpublished,
    /// A record.
    Published,
    /// Another number: this one was consumed, or skipped.
    Gone,
}

impl<'a> Queue<'a> {
    /// A queue over these slots. Their number must be a power of two.
    ///
    /// # Panics
    /// If it is not.
    pub fn new(producers: &'a ProducerPage, slots: &'a [Slot]) -> Self {
        assert!(slots.len().is_power_of_two(), "a queue has a power of two of slots, not {}", slots.len());
        Self { claimed: &producers.claimed.0, slots, lap_shift: slots.len().trailing_zeros() }
    }

    /// Publishes one record and returns its sequence number. Lock-free and safe in a signal handler: no heap, no system call, and
    /// a thread that stops half-way holds up nobody else.
    ///
    /// # Errors
    /// [`QueueFull`] if the next slot is not free; nothing was claimed then.
    #[inline]
    pub fn push(&self, payload: &[u64; PAYLOAD_WORDS]) -> Result<u64, QueueFull> {
        let mut sequence = self.claimed.load(Ordering::Relaxed);
        let slot = loop {
            self.slot(sequence.wrapping_add(PREFETCH_AHEAD)).prefetch();
            let slot = self.slot(sequence);
            // SYNC (A): Acquire, pairs with the Release store in `free_for`: the flusher has copied the slot's last record.
            let state = slot.words[0].load(Ordering::Acquire);
            let free = self.free_state(sequence);
            if state == free {
                // SYNC (B): SeqCst, pairs with the flusher that parks: it stores its state word and then loads `claimed`; the
                // producer claims and then loads the state word. One of the two sees the other.
                match self.claimed.compare_exchange_weak(sequence, sequence + 1, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => break slot,
                    Err(now) => sequence = now,
                }
            } else {
                let now = self.claimed.load(Ordering::Relaxed);
                if now == sequence && state < free {
                    return Err(QueueFull);
                }
                sequence = now;
            }
        };
        failpoint("claimed");
        slot.write_payload(payload);
        failpoint("filled");
        // SYNC (C): Release, pairs with the Acquire load in `state`: who sees the slot published sees its payload.
        slot.words[0].store(self.free_state(sequence) | 1, Ordering::Release);
        failpoint("published");
        Ok(sequence)
    }

    /// Sequence numbers claimed so far.
    #[inline]
    pub fn claimed(&self) -> u64 {
        // SYNC (B): SeqCst, pairs with the claim in `push`. Also Acquire: who sees a number claimed sees all that its claimer had
        // published before.
        self.claimed.load(Ordering::SeqCst)
    }

    /// Slots of the queue.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// The number that falls on the same slot one lap later.
    #[inline]
    pub(crate) fn next_lap(&self, sequence: u64) -> u64 {
        sequence.wrapping_add(self.slots.len() as u64)
    }

    /// The record of a published number.
    #[inline]
    pub(crate) fn record(&self, sequence: u64) -> [u64; RECORD_WORDS] {
        self.slot(sequence).copy_payload(sequence)
    }

    /// What the slot of a claimed number holds.
    #[inline]
    pub(crate) fn state(&self, sequence: u64) -> SlotState {
        // SYNC (C): Acquire, pairs with the Release store that ends `push`.
        let state = self.slot(sequence).words[0].load(Ordering::Acquire);
        let free = self.free_state(sequence);
        if state == free {
            SlotState::Unpublished
        } else if state == free | 1 {
            SlotState::Published
        } else {
            SlotState::Gone
        }
    }

    /// Frees the slot of a record that was consumed, for `next`, a number of a later lap. The flusher's alone.
    #[inline]
    pub(crate) fn free_for(&self, next: u64) {
        // SYNC (A): Release, pairs with the Acquire load in `push`. It also keeps the ring's new head before this store: a record
        // is never in neither place.
        self.slot(next).words[0].store(self.free_state(next), Ordering::Release);
    }

    /// Claims `sequence`, if it is the next, for no event. The flusher's alone, for a slot that is not free.
    pub(crate) fn skip(&self, sequence: u64) -> bool {
        // SYNC (B): SeqCst, as the claim in `push`.
        self.claimed.compare_exchange(sequence, sequence.wrapping_add(1), Ordering::SeqCst, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn slot(&self, sequence: u64) -> &'a Slot {
        &self.slots[sequence as usize & (self.slots.len() - 1)]
    }

    /// The state of the slot while it is free for this number.
    #[inline]
    fn free_state(&self, sequence: u64) -> u64 {
        (sequence >> self.lap_shift) << 1
    }
}
