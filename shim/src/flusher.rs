//! The one thread of the library: drains the queue into the ring, replies to flush requests, and writes checkpoints where nobody reads.

use std::{
    ffi::c_void,
    io, ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use crossbeam_channel::Receiver;
use ttmem_ring::{
    AWAKE, Clock, Drain, Drained, NAPPING, PARKED, QUEUE_SLOTS, Queue, RingFile, futex_wait, futex_wake, monotonic_ns,
};

use crate::{
    checkpoints::{Checkpoints, Share},
    control,
    flush::{Reply, Request},
    full_queue::FullQueue,
    last_thread::{self, Leader},
    nap::{self, Patience},
    signals, thread,
};

/// Every so many events wake a napping flusher, so that a burst does not fill the queue meanwhile.
const PILE: u64 = QUEUE_SLOTS / 8;
/// A round that drained this many had hardly time to sleep: the next begins at once.
const BUSY_ROUND: usize = 512;
/// Between rounds that drained few records, none, or found the ring full. Each wakes the reader too, and both begin with cold
/// caches on processors that the program may want: so it is as long as may be, if an event is to stand in the reader's ledger
/// within 2 ms.
const NAP: Duration = Duration::from_micros(1300);
/// After so long without an event the flusher parks until the next. Each nap costs more than the wake-up that it may save.
const QUIET: Duration = Duration::from_millis(10);
/// The longest that it is parked; then one look around, to note the clock.
const DEEP_SLEEP: Duration = Duration::from_secs(1);
/// The same, while a claimed slot is not published, or the main thread has left.
const WATCHFUL_SLEEP: Duration = Duration::from_millis(100);
/// Between two readings of the clock that are noted.
const NOTE_CLOCK_NS: u64 = 100_000_000;
/// At a stop threads may still be on their way with an event: they are given so long to come to the queue,
const LAST_CALLS: Duration = Duration::from_millis(2);
/// and so long to publish what they have claimed there. What they have not is counted as lost.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// Making the ring takes some 24 KiB; only touched pages count.
const STACK_BYTES: usize = 128 * 1024;

/// What the thread works with.
pub(crate) struct Flusher {
    queue: Queue<'static>,
    drain: Drain<'static>,
    state: &'static AtomicU32,
    requests: Receiver<Request>,
    /// Taken from the channel, and not replied to yet.
    open_requests: Vec<Request>,
    /// Whether it ends once all is in the ring, how long it waits for that, and whom it replies to then.
    ending: Option<Patience>,
    stopped: Option<Reply>,
    full_queue: &'static FullQueue,
    clock: Clock,
    clock_noted_ns: u64,
    checkpoints: Checkpoints,
}

/// Starts the thread that runs `entry`, with all signals blocked. It ends with the process and is never joined.
///
/// Not by std::thread, whose threads begin by registering a destructor with the loader: the first event may come from a
/// constructor of a library that is being loaded, which holds the loader's lock and waits for us. For the same reason nothing
/// on this thread looks up symbols or uses thread-locals that have destructors.
pub(crate) fn spawn(entry: extern "C" fn(*mut c_void) -> *mut c_void) -> io::Result<()> {
    // SAFETY: the attributes are initialised before use and destroyed after; the entry takes any argument.
    let error = signals::with_all_blocked(|| unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        let mut thread: libc::pthread_t = std::mem::zeroed();
        let mut error = libc::pthread_attr_init(&raw mut attributes);
        if error == 0 {
            libc::pthread_attr_setdetachstate(&raw mut attributes, libc::PTHREAD_CREATE_DETACHED);
            libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
            error = libc::pthread_create(&raw mut thread, &raw const attributes, entry, ptr::null_mut());
            libc::pthread_attr_destroy(&raw mut attributes);
        }
        error
    });
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

impl Flusher {
    /// The flusher of a new ring.
    pub(crate) fn new(
        ring: RingFile,
        requests: Receiver<Request>,
        full_queue: &'static FullQueue,
        writes_checkpoints: bool,
    ) -> Self {
        Self {
            queue: ring.queue(),
            drain: ring.drain(),
            state: ring.flusher().state(),
            requests,
            open_requests: Vec::new(),
            ending: None,
            stopped: None,
            full_queue,
            clock: ring.clock(),
            clock_noted_ns: 0,
            checkpoints: Checkpoints::new(ring, full_queue, writes_checkpoints),
        }
    }

    /// Until the process ends, or tracking is stopped; or until this is its last thread, which must be able to end it.
    pub(crate) fn run(&mut self) {
        // SAFETY: the name is NUL-terminated and short enough.
        unsafe { libc::pthread_setname_np(libc::pthread_self(), c"ttmem-flush".as_ptr()) };
        let mut quiet = Duration::ZERO;
        loop {
            let drained = self.round();
            self.note_clock();
            if let Some(patience) = &mut self.ending
                && !drained.ring_full
            {
                let is_done = self.drain.waiting() == 0 && !self.drain.has_unpublished();
                if is_done || !patience.nap(LAST_CALLS) {
                    self.drain.note_stopped();
                    self.wake_reader();
                    return self.stopped.take().map_or((), Reply::send);
                }
                continue;
            }
            if self.drain.is_asked_to_stop() && self.ending.is_none() && control::stop_from_flusher() {
                self.end();
                continue;
            }
            self.checkpoints.prepare(&self.drain);
            quiet = if drained.records > 0 { Duration::ZERO } else { quiet + NAP };
            if drained.ring_full && self.checkpoint() {
                quiet = Duration::ZERO;
            } else if drained.records >= BUSY_ROUND {
                self.wake_reader();
                // Not where events pile up: on a busy machine a turn of another's may take milliseconds.
                if self.drain.waiting() < QUEUE_SLOTS / 2 {
                    std::thread::yield_now();
                }
            } else if quiet < QUIET || drained.ring_full {
                if drained.ring_full && drained.records == 0 {
                    self.full_queue.note_ring_full();
                }
                self.nap(drained.records > 0);
            } else {
                let leader = last_thread::leader();
                if leader == Leader::LeftAlone {
                    return;
                }
                self.park(leader);
            }
        }
    }

    /// Drains what is claimed by now. What had returned before a request was sent is among it: requests are taken first.
    fn round(&mut self) -> Drained {
        self.open_requests.extend(self.requests.try_iter());
        let drained = self.drain.drain_up_to(self.queue.claimed());
        if drained.records > 0 {
            self.full_queue.note_progress();
        }
        if !drained.ring_full {
            for request in self.open_requests.drain(..) {
                match request {
                    Request::Flush(reply) => reply.send(),
                    Request::Stop(reply) => self.stopped = Some(reply),
                    Request::Memory(request) => request.reply(self.checkpoints.account(&self.drain)),
                }
            }
        }
        if self.stopped.is_some() && self.ending.is_none() {
            self.end();
        }
        drained
    }

    /// No event begins any more. Those that began come to the queue meanwhile.
    fn end(&mut self) {
        nap::nap(LAST_CALLS);
        self.ending = Some(Patience::new(STOP_PATIENCE));
    }

    fn wake_reader(&mut self) {
        if let Some(word) = self.drain.parked_reader() {
            ttmem_ring::wake(word);
        }
    }

    /// The ring is full: writes a checkpoint, if nobody else drains it. Of the whole ring where events pile up in the queue, else
    /// of its older half, so that a reader finds the latest events themselves.
    fn checkpoint(&mut self) -> bool {
        let share = if self.drain.waiting() > QUEUE_SLOTS / 2 { Share::All } else { Share::OlderHalf };
        self.checkpoints.write(&mut self.drain, share)
    }

    fn note_clock(&mut self) {
        let now = monotonic_ns();
        if now.wrapping_sub(self.clock_noted_ns) >= NOTE_CLOCK_NS {
            self.clock_noted_ns = now;
            let (ticks, now) = self.clock.with_monotonic();
            self.drain.note_clock(ticks, now);
        }
    }

    /// A nap that ends early when events pile up. The reader is woken where there is something to read.
    fn nap(&mut self, has_news: bool) {
        self.state.store(NAPPING, Ordering::SeqCst);
        if has_news {
            self.wake_reader();
        }
        futex_wait(self.state, NAPPING, NAP);
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// Sleeps until the next event, or flush request.
    fn park(&mut self, leader: Leader) {
        // SYNC (B) of the ring crate: SeqCst, pairs with the load in `capture::announce`. An event that comes between the look at the
        // queue and the sleep has seen the word set and wakes us.
        self.state.store(PARKED, Ordering::SeqCst);
        if self.drain.waiting() == 0 && self.requests.is_empty() {
            let watch = self.drain.has_unpublished() || leader == Leader::Left;
            futex_wait(self.state, PARKED, if watch { WATCHFUL_SLEEP } else { DEEP_SLEEP });
        }
        self.state.store(AWAKE, Ordering::SeqCst);
    }
}

/// Whether an event with this number must wake the flusher: at once if it is parked, now and then if it naps.
#[inline(always)]
pub(crate) fn wants_waking(state: u32, sequence: u64) -> bool {
    state != AWAKE && (state == PARKED || sequence.is_multiple_of(PILE))
}

/// Wakes the flusher, if it sleeps.
#[cold]
#[inline(never)]
pub(crate) fn wake_flusher(state: &AtomicU32) {
    if state.swap(AWAKE, Ordering::SeqCst) != AWAKE {
        thread::keeping_errno(|| futex_wake(state));
    }
}
