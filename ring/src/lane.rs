//! A lane: slots that one thread alone fills, so that it shares no word with another thread that reports.
//!
//! Where threads share the stage, each event waits for words that the others have just written. A lane has one writer, needs no
//! locked instruction, and its slots are given back by a word of the flusher's that its thread reads once a lap.
//!
//! What lies in several lanes has no number that tells its order. It is told by the time stamps, see `cut.rs`.

use ttmem_wire::RECORD_WORDS;

use crate::{
    PAYLOAD_WORDS, Slot, StageFull, fault_at,
    sync::{AtomicU64, Ordering, fence},
};

/// The most lanes that a file has. Threads beyond it share the stage.
pub const MAX_LANES: usize = ttmem_wire::MAX_LANES as usize;

/// In a record's number: which lane it came by, from 1; 0 is the stage that all share.
const LANE_SHIFT: u32 = 56;

/// The word of a payload that has the time stamp.
const STAMP: usize = 1;

/// Slots are fetched so many events before they are written: by then they are there. Where cores are far apart that is a seventh of
/// what a call takes; farther ahead makes no difference.
const AHEAD: u64 = 8;

/// What a lane's thread writes. Two lines: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct LaneHead {
    /// Records that were begun: one more than `published` while one is being written.
    pub(crate) claimed: AtomicU64,
    /// Records that are whole.
    pub(crate) published: AtomicU64,
    /// The thread's own note: up to where the flusher had made room when it looked last.
    room: AtomicU64,
    /// The thread, by its kernel id; 0: nobody has had it yet.
    owner: AtomicU64,
}

/// One lane. Copies share it; one thread at a time may push.
#[derive(Clone, Copy, Debug)]
pub struct Lane<'a> {
    head: &'a LaneHead,
    /// Records that lie in the ring: the flusher's word.
    moved: &'a AtomicU64,
    slots: &'a [Slot],
    /// What its numbers have above [`LANE_SHIFT`].
    tag: u64,
}

/// Which lane (from 0, or none: the shared stage) a record's number is of, and its number there.
pub(crate) fn place_of(number: u64) -> (Option<usize>, u64) {
    ((number >> LANE_SHIFT).checked_sub(1).map(|lane| lane as usize), number & ((1 << LANE_SHIFT) - 1))
}

impl<'a> Lane<'a> {
    /// The lane of this index. The number of slots must be a power of two.
    pub(crate) fn new(index: usize, head: &'a LaneHead, moved: &'a AtomicU64, slots: &'a [Slot]) -> Self {
        debug_assert!(slots.len().is_power_of_two());
        Self { head, moved, slots, tag: (index as u64 + 1) << LANE_SHIFT }
    }

    /// Puts one record into the lane and returns how many it has had. For the one thread that has it, and not from a signal
    /// handler that interrupts another push: no heap, no system call, no locked instruction.
    ///
    /// # Errors
    /// [`StageFull`] if the flusher is a whole lap behind; nothing was begun then.
    #[inline]
    pub fn push(&self, payload: &[u64; PAYLOAD_WORDS]) -> Result<u64, StageFull> {
        let number = self.head.claimed.load(Ordering::Relaxed);
        if number >= self.head.room.load(Ordering::Relaxed) {
            self.look_for_room(number)?;
        }
        self.slot(number + AHEAD).fetch();
        self.head.claimed.store(number + 1, Ordering::Relaxed);
        // SYNC (M): pairs with the Acquire fence in `Early::look`: who copies a word of this record sees `moved` as it was when this
        // thread looked for room.
        fence(Ordering::Release);
        fault_at("claimed");
        for (shared, &word) in self.slot(number).words[1..].iter().zip(payload) {
            shared.store(word, Ordering::Relaxed);
        }
        fault_at("filled");
        // SYNC (C): pairs with the Acquire load in `published`: who sees the count sees the payload.
        self.head.published.store(number + 1, Ordering::Release);
        fault_at("published");
        Ok(number + 1)
    }

    #[cold]
    #[inline(never)]
    fn look_for_room(&self, number: u64) -> Result<(), StageFull> {
        // SYNC (A): pairs with the Release store in `set_moved`: the flusher's copies out of those slots are over.
        let room = self.moved.load(Ordering::Acquire).saturating_add(self.slots.len() as u64);
        self.head.room.store(room, Ordering::Relaxed);
        if number < room { Ok(()) } else { Err(StageFull) }
    }

    /// Makes it this thread's (named by its kernel id), which has none, if it is nobody's, or its thread is no more. `is_alive` asks
    /// the kernel.
    pub fn take(&self, thread: u32, is_alive: impl FnOnce(u32) -> bool) -> bool {
        let owner = self.head.owner.load(Ordering::Relaxed);
        // Another thread had the same id: its lane is not ours, and we have none yet.
        let is_free = owner == 0 || owner == u64::from(thread) || !is_alive(owner as u32);
        // SYNC (N): Acquire, with the Release of the same exchange by the last owner. What that has written since is older than its
        // end, which the kernel has told us of.
        let takes = |owner| self.head.owner.compare_exchange(owner, thread.into(), Ordering::AcqRel, Ordering::Relaxed);
        // A thread that ended in the middle of a push (as by pthread_cancel) leaves a record that will never be whole.
        is_free && takes(owner).is_ok() && self.claimed() == self.head.published.load(Ordering::Relaxed)
    }

    /// Records that were begun.
    pub(crate) fn claimed(&self) -> u64 {
        self.head.claimed.load(Ordering::Acquire)
    }

    /// Records that are whole.
    #[inline]
    pub(crate) fn published(&self) -> u64 {
        // SYNC (C): pairs with the Release store in `push`.
        self.head.published.load(Ordering::Acquire)
    }

    /// Records that lie in the ring.
    #[inline]
    pub(crate) fn moved(&self) -> u64 {
        self.moved.load(Ordering::Acquire)
    }

    /// Records that are whole, and do not lie in the ring yet.
    pub fn waiting(&self) -> u64 {
        self.head.published.load(Ordering::Relaxed).saturating_sub(self.moved.load(Ordering::Relaxed))
    }

    /// Gives the slots of all records below `number` back; they lie in the ring, and the reader was shown them.
    #[inline]
    pub(crate) fn set_moved(&self, number: u64) {
        // SYNC (A): pairs with the Acquire load in `look_for_room`. Release also keeps the ring's new head before this store: a
        // record is never in neither place.
        self.moved.store(number, Ordering::Release);
    }

    /// The time stamp of a record.
    #[inline]
    pub(crate) fn stamp(&self, number: u64) -> u64 {
        self.slot(number).stamp()
    }

    /// The record, with its number among all records of the process.
    #[inline]
    pub(crate) fn copy(&self, number: u64) -> [u64; RECORD_WORDS] {
        self.slot(number).copy_payload(self.tag | number)
    }

    /// Slots of the lane.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn slot(&self, number: u64) -> &'a Slot {
        &self.slots[number as usize & (self.slots.len() - 1)]
    }
}

impl Slot {
    /// The time stamp of the record that lies here.
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        self.words[STAMP].load(Ordering::Relaxed)
    }
}
