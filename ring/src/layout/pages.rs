//! The pages of a ring file that change: one for each writer, so that no two processes write into one cache line.

use super::requests::Requests;
use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

/// One cache line with one counter in it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) AtomicU64);

/// A futex word, alone in its line: every event reads the flusher's, hardly anything writes it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct FutexLine(pub(crate) AtomicU32);

/// What the threads that report events write.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct ProducerPage {
    /// Sequence numbers claimed in the queue.
    pub(crate) claimed: Line,
    /// Events that were dropped because the queue was full.
    pub(crate) dropped_full: Line,
    /// Events that came while the ring was being made, or from inside ttmem itself.
    pub(crate) dropped_early: Line,
    /// Allocations that a graph capture only pretended to make: they are no memory.
    pub(crate) pretended: Line,
    /// Programs that were launched.
    pub(crate) programs: Line,
    pub(super) requests: Requests,
}

/// What the flusher thread writes, and the exit hook.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct FlusherPage {
    /// Records ever put into the ring.
    pub(crate) head: Line,
    /// How the flusher sleeps: [`crate::AWAKE`], [`crate::NAPPING`] or [`crate::PARKED`].
    pub(crate) state: FutexLine,
    /// A later reading of the clock: ticks and ns, both zero until there is one.
    pub(crate) clock: ClockLine,
    /// 0, or the exit code + 1 that the process ran its exit handlers with, or [`STOPPED`].
    pub(crate) exited: Line,
    /// Changes when a parked reader is to wake up.
    pub(crate) wakeups: FutexLine,
    /// Sequence numbers that the flusher claimed for no event: see [`crate::Queue`].
    pub(crate) skipped: Line,
}

/// In place of an exit code: the process stopped tracking, and runs on.
const STOPPED: u64 = 1 << 32;

/// A sequence lock around two words.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct ClockLine {
    version: AtomicU64,
    ticks: AtomicU64,
    nanoseconds: AtomicU64,
}

/// What the holder of the tail lock writes: the draining reader, or the flusher while it writes a checkpoint.
#[derive(Debug, Default)]
#[repr(C, align(4096))]
pub struct ReaderPage {
    /// Records ever released from the ring.
    pub(crate) tail: Line,
    /// The holder's process id, for messages.
    pub(crate) pid: Line,
    /// 1 while the draining reader is parked.
    pub(crate) parked: Line,
    /// 1 once a reader wants the process to stop tracking.
    pub(crate) stop: Line,
}

/// A type that may lie on a page of a ring file.
///
/// # Safety
/// It has the size and alignment of a page, any bytes are a valid value of it, and it is made of atomics alone.
#[cfg(not(any(loom, shuttle)))]
pub(crate) unsafe trait Page {}

// SAFETY: `repr(C, align(4096))`, and made of integer atomics; `Mapped::page` checks the size.
#[cfg(not(any(loom, shuttle)))]
unsafe impl Page for ProducerPage {}
// SAFETY: as above.
#[cfg(not(any(loom, shuttle)))]
unsafe impl Page for FlusherPage {}
// SAFETY: as above.
#[cfg(not(any(loom, shuttle)))]
unsafe impl Page for ReaderPage {}

impl ProducerPage {
    /// Counts an event that found the queue full.
    #[cold]
    pub fn count_dropped(&self) {
        self.dropped_full.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Events that found the queue full so far.
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
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn note_holder(&self, pid: u32) {
        self.pid.0.store(u64::from(pid), Ordering::Relaxed);
    }

    /// Asks the process to stop tracking.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn ask_to_stop(&self) {
        self.stop.0.store(1, Ordering::Relaxed);
    }

    /// Whether a reader has asked for that.
    pub(crate) fn is_asked_to_stop(&self) -> bool {
        self.stop.0.load(Ordering::Relaxed) != 0
    }

    /// Releases all records below `tail`; for a reader in the same process.
    pub fn set_tail(&self, tail: u64) {
        // SYNC (D): Release, pairs with the Acquire load of the tail in `RingWriter`: the copies are made.
        self.tail.0.store(tail, Ordering::Release);
    }
}

impl FlusherPage {
    /// The futex word on which the flusher sleeps.
    pub fn state(&self) -> &AtomicU32 {
        &self.state.0
    }

    /// Records ever put into the ring.
    pub fn head(&self) -> u64 {
        // SYNC (E): Acquire, pairs with the Release store in `RingWriter::publish`.
        self.head.0.load(Ordering::Acquire)
    }

    /// Sequence numbers that no event has.
    pub fn skipped(&self) -> u64 {
        self.skipped.0.load(Ordering::Relaxed)
    }

    /// Notes how the clock stands now. One writer.
    pub(crate) fn note_clock(&self, ticks: u64, monotonic_ns: u64) {
        let ClockLine { version, .. } = &self.clock;
        let before = version.load(Ordering::Relaxed);
        // SYNC (G): odd while the pair changes. The fence and the Release store pair with the Acquire load and fence in `clock`.
        version.store(before | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.clock.ticks.store(ticks, Ordering::Relaxed);
        self.clock.nanoseconds.store(monotonic_ns, Ordering::Relaxed);
        version.store((before | 1) + 1, Ordering::Release);
    }

    /// The clock as it was noted last: ticks, `CLOCK_MONOTONIC` ns. `None` before the first time, or if a dead process stopped in
    /// the middle.
    pub fn clock(&self) -> Option<(u64, u64)> {
        /// After so many torn readings, the process has stopped in the middle.
        const TRIES: usize = if cfg!(loom) { 2 } else { 1000 };
        for _ in 0..TRIES {
            // SYNC (G): Acquire load and fence, pair with the fence and the Release store in `note_clock`.
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

    /// Notes that the process runs its exit handlers.
    pub fn set_exited(&self, code: i32) {
        // SYNC (R): Release, pairs with the Acquire load in `exit_status`.
        self.exited.0.store(u64::from(code as u32 & 0xFF) + 1, Ordering::Release);
    }

    /// Notes that the process takes no more events. What it has reported lies in the ring.
    pub(crate) fn set_stopped(&self) {
        // SYNC (R): Release, pairs with the Acquire load in `has_stopped`.
        self.exited.0.store(STOPPED, Ordering::Release);
    }

    /// Whether the process takes no more events, though it may run.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn has_stopped(&self) -> bool {
        // SYNC (R): Acquire, pairs with the Release store in `set_stopped`.
        self.exited.0.load(Ordering::Acquire) == STOPPED
    }

    /// The exit code with which the process ran its exit handlers, if it came so far.
    #[cfg(not(any(loom, shuttle)))]
    pub(crate) fn exit_status(&self) -> Option<i32> {
        // SYNC (R): Acquire, pairs with the Release store in `set_exited`.
        let code = self.exited.0.load(Ordering::Acquire).checked_sub(1)?;
        u8::try_from(code).ok().map(i32::from)
    }
}
