//! The stage: slots that any thread may fill, claimed by sequence number.
//!
//! Word 0 of a slot tells its state. A slot serves sequence number `s` in lap `s / slots`; it holds `2 * lap` while it is
//! free for that lap (or claimed and being written), and `2 * lap + 1` once it is published. A file of zeroes is a stage
//! in which all slots are free for lap 0.

use ttmem_wire::RECORD_WORDS;

use crate::{
    ProducerPage, Slot, fault_at,
    sync::{AtomicU64, Ordering},
};

/// Words that the caller of [`Stage::push`] gives; word 0 is the stage's.
pub const PAYLOAD_WORDS: usize = RECORD_WORDS - 1;

/// Slots are fetched so many events before they are written: by then they are there.
const AHEAD: u64 = 8;

/// No slot was free: the flusher is behind. The event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageFull;

/// A view of the stage. Copies share the slots.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    claimed: &'a AtomicU64,
    slots: &'a [Slot],
    lap_shift: u32,
}

/// What a slot says about one sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Claimed, or not even that; nothing to read.
    Unpublished,
    /// A record lies there.
    Published,
    /// It was moved into the ring, and the slot belongs to a later sequence number.
    Moved,
    /// No state that the protocol can reach.
    Impossible,
}

impl<'a> Stage<'a> {
    /// A stage over these slots. Their number must be a power of two.
    ///
    /// # Panics
    /// If it is not.
    pub fn new(producers: &'a ProducerPage, slots: &'a [Slot]) -> Self {
        assert!(slots.len().is_power_of_two(), "a stage has a power of two of slots, not {}", slots.len());
        Self { claimed: &producers.claimed.0, slots, lap_shift: slots.len().trailing_zeros() }
    }

    /// Puts one record into the stage and returns its sequence number. Lock-free and safe in a signal handler: no heap,
    /// no system call, and a thread that stops half-way holds up nobody else.
    ///
    /// # Errors
    /// [`StageFull`] if the slot that is next has not been moved yet; nothing was claimed then.
    #[inline]
    pub fn push(&self, payload: &[u64; PAYLOAD_WORDS]) -> Result<u64, StageFull> {
        let mut sequence = self.claimed.load(Ordering::Relaxed);
        let slot = loop {
            self.slot(sequence.wrapping_add(AHEAD)).prefetch();
            let slot = self.slot(sequence);
            // SYNC (A): pairs with the Release store in `free`, so that the flusher's reading of the slot's last record is
            // over before this thread writes the next one.
            let state = slot.words[0].load(Ordering::Acquire);
            let free = self.free_state(sequence);
            if state == free {
                // SYNC (B): SeqCst, for the handshake with a flusher about to sleep: it sets the sleeping word and then
                // reads `claimed`; the producer claims and then reads the sleeping word. One of the two sees the other.
                match self.claimed.compare_exchange_weak(sequence, sequence + 1, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => break slot,
                    Err(now) => sequence = now,
                }
            } else {
                let now = self.claimed.load(Ordering::Relaxed);
                if now == sequence && state < free {
                    return Err(StageFull);
                }
                sequence = now;
            }
        };
        fault_at("claimed");
        for (shared, &word) in slot.words[1..].iter().zip(payload) {
            shared.store(word, Ordering::Relaxed);
        }
        fault_at("filled");
        // SYNC (C): pairs with the Acquire load in `state`: who sees the slot published sees its payload.
        slot.words[0].store(self.free_state(sequence) | 1, Ordering::Release);
        fault_at("published");
        Ok(sequence)
    }

    /// Sequence numbers handed out so far.
    #[inline]
    pub fn claimed(&self) -> u64 {
        // SYNC (B): see `push`. Also Acquire: whoever sees a number claimed sees all that its claimer had published before.
        self.claimed.load(Ordering::SeqCst)
    }

    /// Whether every record below `limit` (a number that [`Stage::claimed`] gave) has left the stage for the ring.
    pub fn all_moved_below(&self, limit: u64) -> bool {
        let oldest = limit.saturating_sub(self.slots.len() as u64);
        (oldest..limit).all(|sequence| !matches!(self.state(sequence), SlotState::Unpublished | SlotState::Published))
    }

    /// Slots in the stage.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn slot(&self, sequence: u64) -> &'a Slot {
        &self.slots[sequence as usize & (self.slots.len() - 1)]
    }

    /// What the slot of `sequence` says.
    #[inline]
    pub(crate) fn state(&self, sequence: u64) -> SlotState {
        // SYNC (C): pairs with the Release store that ends `push`.
        let state = self.slot(sequence).words[0].load(Ordering::Acquire);
        let free = self.free_state(sequence);
        match state {
            _ if state == free => SlotState::Unpublished,
            _ if state == free | 1 => SlotState::Published,
            _ if state == free + 2 => SlotState::Moved,
            _ => SlotState::Impossible,
        }
    }

    /// Hands the slot of a record that lies safely in the ring to the next lap.
    #[inline]
    pub(crate) fn free(&self, sequence: u64) {
        // SYNC (A): pairs with the Acquire load in `push`. Release also keeps the ring's new head before this store: a
        // record is never in neither place.
        self.slot(sequence).words[0].store(self.free_state(sequence) + 2, Ordering::Release);
    }

    #[inline]
    fn free_state(&self, sequence: u64) -> u64 {
        (sequence >> self.lap_shift) << 1
    }
}
