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
use ttmem_ring::{
    ASLEEP, AWAKE, Clock, FlusherPage, Lane, Moved, Mover, NAPPING, NAPPING_LONG, RingFile, Stage, monotonic_ns,
};

use crate::{
    fold::{Fold, Folder},
    gate::Gate,
    last_thread::{self, Leader},
    lifecycle, signals,
};

/// Every so many events wake a napping flusher, so that a burst does not fill the stage while it naps.
const PILE: u64 = ttmem_ring::STAGE_SLOTS / 8;
/// So many events in one lane do: half of what it holds.
const LANE_PILE: u64 = ttmem_ring::LANE_SLOTS / 2;
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
/// The same where few events come and the reader looks into the stage itself: there it takes them sooner than this.
const LONG_NAP: Duration = Duration::from_millis(10);
/// So many events of a long nap are few, and of a short one an eighth of them.
const FEW: usize = 256;
/// After so long without an event: until the next. Each nap costs more than the wake-up that it may save.
const QUIET: Duration = Duration::from_millis(10);
/// The deepest sleep; then one look around, for the heartbeat.
const DEEP_SLEEP: Duration = Duration::from_secs(1);
/// The same, while a thread is still writing its record, or the main thread has left.
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
    folder: Folder,
    /// Every record below this is to be moved.
    wanted: u64,
    last_beat_ns: u64,
    pace: Pace,
}

/// How long the flusher naps between two rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// The reader waits for each round.
    Short,
    /// It looks for events itself.
    Long,
}

impl Pace {
    fn nap(self) -> Duration {
        match self {
            Self::Short => NAP,
            Self::Long => LONG_NAP,
        }
    }

    /// The next, after a round that moved something; `reader_looks` into the stage itself.
    fn next(self, moved: Moved, reader_looks: bool) -> Self {
        let few = match self {
            Self::Short => FEW / 8,
            Self::Long => FEW,
        };
        if reader_looks && !moved.ring_full && moved.records <= few { Self::Long } else { Self::Short }
    }
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
            last_beat_ns: 0,
            pace: Pace::Short,
        }
    }

    /// Until the process ends; or until this is its last thread, which must be able to end it.
    fn run(&mut self) {
        let mut quiet = Duration::ZERO;
        loop {
            let moved = self.round();
            self.beat();
            self.folder.prepare(&self.mover);
            quiet = if moved.records > 0 { Duration::ZERO } else { quiet + self.pace.nap() };
            if moved.records > 0 || moved.ring_full {
                self.pace = self.pace.next(moved, self.mover.reader_looks());
            }
            if moved.ring_full && self.fold() {
                quiet = Duration::ZERO;
            } else if moved.records >= BUSY_ROUND {
                self.ring_bell();
                // Not where events pile up: on a busy machine a turn of another's may take milliseconds.
                if !self.is_behind(LANE_PILE) {
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
        self.mover.waiting() > events
    }

    /// The ring is full: makes room, if nobody else is there to do it. All of the ring where events pile up in the stage, else
    /// its older half, so that a reader finds the latest events themselves.
    fn fold(&mut self) -> bool {
        let share = if self.is_behind(ttmem_ring::STAGE_SLOTS / 2) { Fold::All } else { Fold::Half };
        self.folder.fold(&mut self.mover, share)
    }

    fn beat(&mut self) {
        let now = monotonic_ns();
        if now.wrapping_sub(self.last_beat_ns) >= BEAT_NS {
            self.last_beat_ns = now;
            let (ticks, now) = self.clock.with_monotonic();
            self.page.beat(ticks, now);
        }
    }

    /// A nap that ends early when events pile up. The reader hears of it where it is long, and where there is something to
    /// read: once it can see how long it is.
    fn nap(&self, has_news: bool) {
        let word = self.page.sleeping();
        let napping = if self.pace == Pace::Long { NAPPING_LONG } else { NAPPING };
        word.store(napping, Ordering::SeqCst);
        if has_news || self.pace == Pace::Long {
            self.ring_bell();
        }
        futex_wait(word, napping, self.pace.nap());
        word.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps on the futex word. An event that comes between the look at `claimed` and the sleep has seen the word set and
    /// wakes us; see SYNC (B) and (P) in the ring crate.
    fn sleep_until_event(&mut self, leader: Leader) {
        let word = self.page.sleeping();
        word.store(ASLEEP, Ordering::SeqCst);
        let is_seen = self.stage.lanes().count() == 0 || ttmem_ring::heavy_fence();
        if self.mover.reached_all() {
            let watch = self.mover.has_holes() || leader == Leader::Left;
            let longest = match (is_seen, watch) {
                (false, _) => NAP,
                (true, true) => WATCHFUL_SLEEP,
                (true, false) => DEEP_SLEEP,
            };
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

/// The same for an event with which this lane has had `count`: if it naps, where so many wait in the lane. Asked now and then, since
/// that word is the flusher's.
#[inline(always)]
pub(crate) fn lane_wants_waking(word: u32, count: u64, lane: &Lane<'_>) -> bool {
    word != AWAKE && (word == ASLEEP || (count.is_multiple_of(LANE_PILE / 4) && lane.waiting() >= LANE_PILE))
}

/// Wakes the flusher.
pub(crate) fn futex_wake(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word is mapped for as long as the process lives.
    unsafe { libc::syscall(libc::SYS_futex, ptr::from_ref(word), operation, 1) };
}

/// Waits until what was claimed at the call lies in the ring; says whether it does.
pub(crate) fn wait_until_moved(tracker: &'static lifecycle::Tracker, timeout_ms: u32) -> bool {
    let is_moved = tracker.stage.watch();
    let deadline = std::time::Instant::now() + Duration::from_millis(timeout_ms.into());
    loop {
        if is_moved() {
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
