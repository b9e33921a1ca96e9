//! What a thread does when the queue is full: by default it waits as long as the flusher makes progress.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use ttmem_ring::monotonic_ns;

use crate::{config::OnFull, nap::nap, thread};

/// Without progress for so long, the thread stops waiting,
const PATIENCE: Duration = Duration::from_millis(100);
/// but not before the flusher has found the ring full in so many turns: on a busy machine, or after a stop of the whole process, it and
/// the reader may have had no processor.
const FRUITLESS_TURNS: u64 = 16;
/// Of the flusher's rounds within this time one counts.
const TURN_NS: u64 = 5_000_000;
/// A flusher that has had none for so long is not waited for.
const LONGEST: Duration = Duration::from_secs(5);
/// Between two tries.
const NAP: Duration = Duration::from_micros(100);

/// The policy, and the flusher's progress.
pub(crate) struct FullQueue {
    on_full: OnFull,
    /// Counts what the flusher has done. SYNC: Relaxed; a thread only compares it with what it saw before.
    progress: AtomicU64,
    /// Counts the flusher's turns that found the ring full. SYNC: Relaxed, as above.
    fruitless: AtomicU64,
    /// When the last of them was counted. SYNC: Relaxed, the flusher's alone.
    fruitless_at_ns: AtomicU64,
    /// The progress + 1 at which a thread waited in vain; until there is more, no thread waits. SYNC: Relaxed, as above.
    stuck_at: AtomicU64,
}

impl FullQueue {
    pub(crate) fn new(on_full: OnFull) -> Self {
        Self {
            on_full,
            progress: AtomicU64::new(0),
            fruitless: AtomicU64::new(0),
            fruitless_at_ns: AtomicU64::new(0),
            stuck_at: AtomicU64::new(0),
        }
    }

    /// For the flusher: it has drained records, or done a part of a checkpoint.
    pub(crate) fn note_progress(&self) {
        self.progress.fetch_add(1, Ordering::Relaxed);
    }

    /// For the flusher: the ring is full, and nobody makes room.
    pub(crate) fn note_ring_full(&self) {
        let now = monotonic_ns();
        if now.wrapping_sub(self.fruitless_at_ns.load(Ordering::Relaxed)) >= TURN_NS {
            self.fruitless_at_ns.store(now, Ordering::Relaxed);
            self.fruitless.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Tries to push until it succeeds, or the policy says to drop the event; false then. `wake` wakes the flusher.
    pub(crate) fn wait(&self, wake: impl Fn(), mut push: impl FnMut() -> bool) -> bool {
        let mut seen = self.progress.load(Ordering::Relaxed);
        let patience = match self.on_full {
            OnFull::Drop => return false,
            OnFull::Wait if self.stuck_at.load(Ordering::Relaxed) == seen + 1 => return false,
            OnFull::Wait => PATIENCE,
            OnFull::Block(patience) => patience,
        };
        let turns = || self.fruitless.load(Ordering::Relaxed);
        let (mut since, mut from) = (Instant::now(), turns());
        loop {
            wake();
            thread::keeping_errno(|| nap(NAP));
            if push() {
                return true;
            }
            let progress = self.progress.load(Ordering::Relaxed);
            let waited = since.elapsed();
            let waits = self.on_full == OnFull::Wait;
            if waits && progress != seen {
                (seen, since, from) = (progress, Instant::now(), turns());
            } else if waited >= patience && (!waits || turns() - from >= FRUITLESS_TURNS || waited >= LONGEST) {
                self.stuck_at.store(seen + 1, Ordering::Relaxed);
                return false;
            }
        }
    }
}
