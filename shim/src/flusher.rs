//! The one thread of the library: moves records from the stage into the ring.

use std::{
    io,
    panic::{UnwindSafe, catch_unwind},
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    thread::Builder,
    time::Duration,
};

use crossbeam_channel::Receiver;
use ttmem_ring::{Clock, FlusherPage, Mover, RingFile, Stage, monotonic_ns};

use crate::{lifecycle, signals};

/// A round that moved this many had hardly time to sleep: the next begins at once.
const BUSY_ROUND: usize = 512;
/// Between rounds that moved something.
const SHORT_NAP: Duration = Duration::from_micros(200);
/// Between rounds that moved nothing, or found the ring full.
const NAP: Duration = Duration::from_millis(1);
/// After so many rounds that moved nothing: until the next event.
const ROUNDS_TO_SLEEP: u32 = 30;
/// The deepest sleep; then one look around, for the heartbeat.
const DEEP_SLEEP: Duration = Duration::from_secs(1);
/// The same, while a thread is still writing its record.
const WATCHFUL_SLEEP: Duration = Duration::from_millis(100);
/// Between two heartbeats.
const BEAT_NS: u64 = 100_000_000;
/// Making the ring takes some 24 KiB; only touched pages count.
const STACK_BYTES: usize = 128 * 1024;

/// What the thread works with.
pub(crate) struct Flusher {
    stage: Stage<'static>,
    mover: Mover<'static>,
    page: &'static FlusherPage,
    tokens: Receiver<u64>,
    clock: Clock,
    /// Every record below this is to be moved.
    wanted: u64,
    last_beat_ns: u64,
}

/// Starts the thread, with all signals blocked: it makes the ring, if it can, and then flushes. It ends with the process and
/// is never joined.
pub(crate) fn spawn(make: impl FnOnce() -> Option<Flusher> + Send + UnwindSafe + 'static) -> io::Result<()> {
    signals::with_all_blocked(|| {
        let thread = Builder::new().name("ttmem-flush".into()).stack_size(STACK_BYTES);
        let run = || {
            let Ok(made) = catch_unwind(make) else {
                lifecycle::turn_off(format_args!("an error inside ttmem; please report it"));
                return;
            };
            if let Some(mut flusher) = made {
                flusher.run();
            }
        };
        thread.spawn(run).map(drop)
    })
}

impl Flusher {
    /// The flusher of a new ring.
    pub(crate) fn new(ring: &RingFile, tokens: Receiver<u64>) -> Self {
        Self {
            stage: ring.stage(),
            mover: ring.mover(),
            page: ring.flusher(),
            tokens,
            clock: ring.clock(),
            wanted: 0,
            last_beat_ns: 0,
        }
    }

    fn run(&mut self) {
        let mut idle_rounds = 0;
        loop {
            let (records, ring_full) = self.round();
            self.beat();
            if records >= BUSY_ROUND {
                idle_rounds = 0;
                std::thread::yield_now();
            } else if records > 0 {
                idle_rounds = 0;
                std::thread::sleep(SHORT_NAP);
            } else if idle_rounds < ROUNDS_TO_SLEEP || ring_full {
                idle_rounds += 1;
                std::thread::sleep(NAP);
            } else {
                self.sleep_until_event();
            }
        }
    }

    /// One look: tokens say how far there is something to move. Where none came, the stage itself is asked: events of
    /// signal handlers have no token.
    fn round(&mut self) -> (usize, bool) {
        let mut got_token = false;
        for sequence in self.tokens.try_iter().take(self.stage.capacity()) {
            self.wanted = self.wanted.max(sequence + 1);
            got_token = true;
        }
        if !got_token {
            self.wanted = self.wanted.max(self.stage.claimed());
        }
        let moved = self.mover.move_up_to(self.wanted);
        (moved.records, moved.ring_full)
    }

    fn beat(&mut self) {
        let now = monotonic_ns();
        if now.wrapping_sub(self.last_beat_ns) >= BEAT_NS {
            self.last_beat_ns = now;
            self.page.beat(self.clock.now(), now);
        }
    }

    /// Sleeps on the futex word. An event that comes between the look at `claimed` and the sleep has seen the word set and
    /// wakes us; see SYNC (B) in the ring crate.
    fn sleep_until_event(&mut self) {
        let word = self.page.sleeping();
        word.store(1, Ordering::SeqCst);
        if self.mover.reached(self.stage.claimed()) {
            let longest = if self.mover.has_holes() { WATCHFUL_SLEEP } else { DEEP_SLEEP };
            futex_wait(word, longest);
        }
        word.store(0, Ordering::SeqCst);
    }
}

fn futex_wait(word: &AtomicU32, longest: Duration) {
    let timeout = libc::timespec { tv_sec: longest.as_secs() as _, tv_nsec: longest.subsec_nanos() as _ };
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is mapped for as long as the process lives; the timeout is valid for the call.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), operation, 1, &raw const timeout) };
}

/// Wakes the flusher.
pub(crate) fn futex_wake(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is mapped for as long as the process lives.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), operation, 1) };
}

/// Waits until what was claimed at the call lies in the ring; says whether it does.
pub(crate) fn wait_until_moved(tracker: &'static lifecycle::Tracker, timeout_ms: u32) -> bool {
    let limit = tracker.stage.claimed();
    let deadline = std::time::Instant::now() + Duration::from_millis(timeout_ms.into());
    loop {
        if tracker.stage.all_moved_below(limit) {
            return true;
        }
        if std::time::Instant::now() >= deadline {
            return false;
        }
        if tracker.flusher.sleeping().swap(0, Ordering::SeqCst) != 0 {
            futex_wake(tracker.flusher.sleeping());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}
