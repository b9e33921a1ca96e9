//! The pages of a ring file that change: one for each writer, so that no two processes write into one cache line.

use ttmem_wire::Record;

use crate::{
    Slot,
    sync::{AtomicU32, AtomicU64, Ordering, fence},
};

/// One cache line with one counter in it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) AtomicU64);

/// What the threads that report events write.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct ProducerPage {
    /// Sequence numbers handed out: the number of records that were ever claimed in the stage.
    pub(crate) claimed: Line,
    /// Events that were dropped because the stage was full.
    pub(crate) dropped_full: Line,
    /// Events that came while the ring was being made, or from inside ttmem itself.
    pub(crate) dropped_early: Line,
    /// Allocations that a graph capture only pretended to make: seen, and rightly not counted as memory.
    pub(crate) pretended: Line,
    /// Programs that were launched.
    pub(crate) programs: Line,
    /// Requests that an allocator is at work on. Word 0 of an entry: 0 free, 1 being written, 2 open.
    pub(crate) requests: [Slot; REQUESTS],
}

/// How many requests can be noted at the same time. More go unnoted.
const REQUESTS: usize = 32;
const FREE: u64 = 0;
const WRITING: u64 = 1;
const OPEN: u64 = 2;

/// What the flusher thread writes, and the exit hook.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct FlusherPage {
    /// Records that were ever put into the ring.
    pub(crate) head: Line,
    /// Whether the flusher sleeps, and when it wants to be woken: the futex word.
    pub(crate) sleeping: SleepWord,
    /// A later reading of the clock: ticks, in the same line its ns, both zero until there is one.
    pub(crate) clock: ClockLine,
    /// 0, or the exit code + 1 that the process ran its exit handlers with.
    pub(crate) exited: Line,
    /// Changes when a reader that waits is to look: its futex word, see `bell.rs`.
    pub(crate) bell: SleepWord,
}

/// A futex word, alone in its line: every event reads the flusher's, hardly anything writes it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct SleepWord(pub(crate) AtomicU32);

/// A sequence lock around two words.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct ClockLine {
    pub(crate) version: AtomicU64,
    pub(crate) ticks: AtomicU64,
    pub(crate) nanoseconds: AtomicU64,
}

/// What the draining reader writes, or in its place the flusher while it folds: whoever holds the lock.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct ReaderPage {
    /// Records that were ever taken out of the ring.
    pub(crate) tail: Line,
    /// The reader's process id, for messages.
    pub(crate) pid: Line,
    /// 1 while the draining reader waits for the bell.
    pub(crate) waiting: Line,
}

impl ProducerPage {
    /// Notes what an allocator is asked for while it is at work, so that a process which it ends (an exception that nobody
    /// catches) still tells. Gives what [`ProducerPage::end_request`] takes; `None` if there is no room, or the request
    /// of another thread has the same `hint`.
    #[inline]
    pub fn begin_request(&self, hint: u64, record: &Record) -> Option<usize> {
        let index = hint as usize % REQUESTS;
        let entry = &self.requests[index];
        // SYNC (H): Acquire, pairs with the Release store in `end_request`.
        entry.words[0].compare_exchange(FREE, WRITING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        for (shared, &word) in entry.words.iter().zip(&record.words).skip(1) {
            shared.store(word, Ordering::Relaxed);
        }
        // SYNC (I): pairs with the Acquire load in `open_requests`.
        entry.words[0].store(OPEN, Ordering::Release);
        Some(index)
    }

    /// The allocator has answered, one way or the other.
    #[inline]
    pub fn end_request(&self, index: usize) {
        if let Some(entry) = self.requests.get(index) {
            // SYNC (H): see `begin_request`.
            entry.words[0].store(FREE, Ordering::Release);
        }
    }

    /// The requests that were never answered; for a process that is gone.
    pub(crate) fn open_requests(&self) -> Vec<Record> {
        // SYNC (I): see `begin_request`.
        let open = self.requests.iter().filter(|entry| entry.words[0].load(Ordering::Acquire) == OPEN);
        open.map(|entry| Record { words: entry.copy_payload(0) }).collect()
    }

    /// Counts an event that found the stage full.
    #[cold]
    pub fn count_dropped(&self) {
        self.dropped_full.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Events that found the stage full so far.
    pub fn dropped_full(&self) -> u64 {
        self.dropped_full.0.load(Ordering::Relaxed)
    }

    /// Counts `events` that came while the ring was being made.
    pub fn count_early(&self, events: u64) {
        self.dropped_early.0.fetch_add(events, Ordering::Relaxed);
    }

    /// Events that came while the ring was being made.
    pub fn dropped_early(&self) -> u64 {
        self.dropped_early.0.load(Ordering::Relaxed)
    }

    /// Counts an allocation that was only pretended.
    pub fn count_pretended(&self) {
        self.pretended.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a program launch.
    pub fn count_program(&self) {
        self.programs.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl ReaderPage {
    /// Notes who holds the lock, for messages.
    pub(crate) fn note_holder(&self, pid: u32) {
        self.pid.0.store(u64::from(pid), Ordering::Relaxed);
    }

    /// It does not sleep on the bell any more, or will not.
    pub(crate) fn waits_no_more(&self) {
        self.waiting.0.store(0, Ordering::Relaxed);
    }

    /// Gives the ring's room up to `tail` back to the producer, as a reader does; for a reader in the same process.
    pub fn set_tail(&self, tail: u64) {
        // SYNC (D): see `RingReader::release`.
        self.tail.0.store(tail, Ordering::Release);
    }
}

/// Readings of the clock that are given up as torn: so often that only a process that stopped in between can be the cause.
const CLOCK_TRIES: usize = if cfg!(loom) { 2 } else { 1000 };

impl FlusherPage {
    /// The futex word on which the flusher sleeps: [`crate::AWAKE`], or how it sleeps.
    pub fn sleeping(&self) -> &AtomicU32 {
        &self.sleeping.0
    }

    /// Records ever put into the ring.
    pub fn head(&self) -> u64 {
        self.head.0.load(Ordering::Acquire)
    }

    /// Writes down how the clock stands. One writer.
    pub fn note_clock(&self, ticks: u64, monotonic_ns: u64) {
        let version = self.clock.version.load(Ordering::Relaxed);
        // SYNC (G): odd while the pair changes; pairs with the two loads of the version in `clock`.
        self.clock.version.store(version | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.clock.ticks.store(ticks, Ordering::Relaxed);
        self.clock.nanoseconds.store(monotonic_ns, Ordering::Relaxed);
        self.clock.version.store((version | 1) + 1, Ordering::Release);
    }

    /// The clock as it was written down last: ticks, `CLOCK_MONOTONIC` ns. `None` before the first time, or if a dead
    /// process stopped in the middle.
    pub fn clock(&self) -> Option<(u64, u64)> {
        for _ in 0..CLOCK_TRIES {
            // SYNC (G): see `note_clock`.
            let before = self.clock.version.load(Ordering::Acquire);
            let pair = (self.clock.ticks.load(Ordering::Relaxed), self.clock.nanoseconds.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            let after = self.clock.version.load(Ordering::Relaxed);
            if before == after && before.is_multiple_of(2) {
                return (before != 0).then_some(pair);
            }
        }
        None
    }

    /// Writes down that the process runs its exit handlers.
    pub fn set_exited(&self, code: i32) {
        self.exited.0.store(u64::from(code as u32 & 0xFF) + 1, Ordering::Release);
    }
}
