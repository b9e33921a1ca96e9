//! The one thread of the library: moves records from the stage into the ring.

use std::{
    ffi::c_void,
    io,
    panic::catch_unwind,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crossbeam_channel::Receiver;
use ttmem_ring::{ASLEEP, AWAKE, Clock, FlusherPage, Moved, Mover, NAPPING, RingFile, Stage, monotonic_ns};

use crate::{
    fold::{Fold, Folder},
    gate::Gate,
    last_thread::{self, Leader},
    lifecycle, signals,
};

/// Every so many events wake a napping flusher, so that a burst does not fill the stage while it naps.
const PILE: u64 = ttmem_ring::STAGE_SLOTS / 8;
/// A token stands for so many events, up to its own. One for each would cost its caller as much as the stage does, and the
/// flusher more than the move.
pub(crate) const EVENTS_A_TOKEN: u64 = 16;
/// Tokens that are taken before the slots are moved: not so many that slots wait for them.
const TOKENS_A_ROUND: usize = 128;

/// A round that moved this many had hardly time to sleep: the next begins at once.
const BUSY_ROUND: usize = 512;
/// Between rounds that moved few records, none, or found the ring full. Each wakes the reader too, and both begin with cold
/// caches on processors that the program may want: so it is as long as may be, if an event is to stand in the reader's ledger
/// within 2 ms.
const NAP: Duration = Duration::from_micros(1300);
/// After so long without an event: until the next. Each nap costs more than the wake-up that it may save.
const QUIET: Duration = Duration::from_millis(10);
/// The deepest sleep; then one look around, to note the clock.
const DEEP_SLEEP: Duration = Duration::from_secs(1);
/// The same, while a thread is still writing its record, or the main thread has left.
const WATCHFUL_SLEEP: Duration = Duration::from_millis(100);
/// Between two readings of the clock that are noted.
const NOTE_CLOCK_NS: u64 = 100_000_000;
/// Making the ring takes some 24 KiB; only touched pages count.
const STACK_BYTES: usize = 128 * 1024;

/// What the thread works with.
pub(crate) struct Flusher {
    stage: Stage<'static>,
    mover: Mover<'static>,
    page: &'static FlusherPage,
    tokens: Receiver<u64>,
    clock: Clock,
    folder: Folder,
    /// Every record below this is to be moved.
    wanted: u64,
    clock_noted_ns: u64,
}

/// Starts the thread, with all signals blocked: it makes the ring, if it can, and then flushes. It ends with the process and
/// is never joined.
///
/// Not by std::thread, whose threads begin by registering a destructor with the loader: the first event may come from a
/// constructor of a library that is being loaded, which holds the loader's lock and waits for us. For the same reason nothing
/// on this thread looks up symbols or uses thread-locals that have destructors.
pub(crate) fn spawn(gate: &'static Gate) -> io::Result<()> {
    let argument = ptr::from_ref(gate).cast_mut().cast();
    // SAFETY: the attributes are initialised before use and destroyed after; the entry takes what is passed, which lives as
    // long as the process.
    let error = signals::with_all_blocked(|| unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut error = libc::pthread_attr_init(&raw mut attributes);
        if error == 0 {
            libc::pthread_attr_setdetachstate(&raw mut attributes, libc::PTHREAD_CREATE_DETACHED);
            libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
            error = libc::pthread_create(&raw mut thread, &raw const attributes, run_flusher, argument);
            libc::pthread_attr_destroy(&raw mut attributes);
        }
        error
    });
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

extern "C" fn run_flusher(gate: *mut c_void) -> *mut c_void {
    // SAFETY: `spawn` passes a gate, which lives as long as the process; the name is NUL-terminated and short enough.
    let gate = unsafe {
        libc::pthread_setname_np(libc::pthread_self(), c"ttmem-flush".as_ptr());
        &*gate.cast_const().cast::<Gate>()
    };
    let flushed = catch_unwind(|| {
        if let Some(mut flusher) = lifecycle::make(gate) {
            flusher.run();
        }
    });
    if flushed.is_err() {
        lifecycle::turn_off(format_args!("an error inside ttmem; please report it"));
    }
    ptr::null_mut()
}

impl Flusher {
    /// The flusher of a new ring.
    pub(crate) fn new(ring: RingFile, tokens: Receiver<u64>, folds: bool) -> Self {
        Self {
            stage: ring.stage(),
            mover: ring.mover(),
            page: ring.flusher(),
            tokens,
            clock: ring.clock(),
            folder: Folder::new(ring, folds),
            wanted: 0,
            clock_noted_ns: 0,
        }
    }

    /// Until the process ends; or until this is its last thread, which must be able to end it.
    fn run(&mut self) {
        let mut quiet = Duration::ZERO;
        loop {
            let moved = self.round();
            self.note_clock();
            self.folder.prepare(&self.mover);
            quiet = if moved.records > 0 { Duration::ZERO } else { quiet + NAP };
            if moved.ring_full && self.fold() {
                quiet = Duration::ZERO;
            } else if moved.records >= BUSY_ROUND {
                self.ring_bell();
                // Not where events pile up: on a busy machine a turn of another's may take milliseconds.
                if !self.is_behind(PILE) {
                    std::thread::yield_now();
                }
            } else if quiet < QUIET || moved.ring_full {
                self.nap(moved.records > 0);
            } else {
                let leader = last_thread::leader();
                if leader == Leader::LeftAlone {
                    return;
                }
                self.sleep_until_event(leader);
            }
        }
    }

    /// One look: tokens say how far there is something to move. Where few came, the stage itself is asked: events between
    /// two tokens, and those of signal handlers, have none.
    fn round(&mut self) -> Moved {
        let mut tokens = 0;
        for sequence in self.tokens.try_iter().take(TOKENS_A_ROUND) {
            self.wanted = self.wanted.max(sequence + 1);
            tokens += 1;
        }
        if tokens < TOKENS_A_ROUND {
            self.wanted = self.wanted.max(self.stage.claimed());
        }
        self.mover.move_up_to(self.wanted)
    }

    /// Wakes the reader, if it waits.
    fn ring_bell(&self) {
        if let Some(word) = self.mover.bell_to_ring() {
            ttmem_ring::wake(word);
        }
    }

    /// Whether more than so many events wait in the stage.
    fn is_behind(&self, events: u64) -> bool {
        !self.mover.reached(self.stage.claimed().saturating_sub(events))
    }

    /// The ring is full: makes room, if nobody else is there to do it. All of the ring where events pile up in the stage, else
    /// its older half, so that a reader finds the latest events themselves.
    fn fold(&mut self) -> bool {
        let share = if self.is_behind(ttmem_ring::STAGE_SLOTS / 2) { Fold::All } else { Fold::Half };
        self.folder.fold(&mut self.mover, share)
    }

    fn note_clock(&mut self) {
        let now = monotonic_ns();
        if now.wrapping_sub(self.clock_noted_ns) >= NOTE_CLOCK_NS {
            self.clock_noted_ns = now;
            let (ticks, now) = self.clock.with_monotonic();
            self.page.note_clock(ticks, now);
        }
    }

    /// A nap that ends early when events pile up. The reader is woken where there is something to read.
    fn nap(&self, has_news: bool) {
        let word = self.page.sleeping();
        word.store(NAPPING, Ordering::SeqCst);
        if has_news {
            self.ring_bell();
        }
        futex_wait(word, NAPPING, NAP);
        word.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps on the futex word. An event that comes between the look at `claimed` and the sleep has seen the word set and
    /// wakes us; see SYNC (B) in the ring crate.
    fn sleep_until_event(&mut self, leader: Leader) {
        let word = self.page.sleeping();
        word.store(ASLEEP, Ordering::SeqCst);
        if self.mover.reached(self.stage.claimed()) {
            let watch = self.mover.has_holes() || leader == Leader::Left;
            let longest = if watch { WATCHFUL_SLEEP } else { DEEP_SLEEP };
            futex_wait(word, ASLEEP, longest);
        }
        word.store(AWAKE, Ordering::SeqCst);
    }
}

fn futex_wait(word: &AtomicU32, while_it_is: u32, longest: Duration) {
    let timeout = libc::timespec { tv_sec: longest.as_secs() as _, tv_nsec: longest.subsec_nanos() as _ };
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is mapped for as long as the process lives; the timeout is valid for the call.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), operation, while_it_is, &raw const timeout) };
}

/// Whether an event with this number must wake the flusher: at once if it sleeps, now and then if it naps.
#[inline(always)]
pub(crate) fn wants_waking(word: u32, sequence: u64) -> bool {
    word != AWAKE && (word == ASLEEP || sequence.is_multiple_of(PILE))
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
        if tracker.flusher.sleeping().swap(AWAKE, Ordering::SeqCst) != AWAKE {
            futex_wake(tracker.flusher.sleeping());
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}
