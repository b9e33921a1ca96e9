//! Who has which lane, and how events are stamped there.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use ttmem_ring::{Clock, Lane, Stage};

use crate::thread::{self, Thread};

/// The lanes of a process, and how many threads have reported.
pub(crate) struct ThreadLanes {
    lanes: Vec<Lane<'static>>,
    threads: AtomicU32,
    /// Whether threads may take them: the flusher can be sure to see what they do there.
    open: AtomicBool,
}

impl ThreadLanes {
    /// The lanes of this stage, not open yet.
    pub(crate) fn new(stage: Stage<'static>) -> Self {
        Self { lanes: stage.lanes().iter().collect(), threads: AtomicU32::new(0), open: AtomicBool::new(false) }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// From now on threads may take them.
    pub(crate) fn open(&self) {
        // SYNC: Relaxed; a thread that sees it late takes its lane later.
        self.open.store(true, Ordering::Relaxed);
    }

    /// One more thread is about to report its first event.
    pub(crate) fn arrive(&self) {
        // SYNC (Q): before that event is stamped; see `stamp`.
        self.threads.fetch_add(1, Ordering::SeqCst);
    }

    /// A lane for this thread, if there is one, from its next event on. Asks once.
    pub(crate) fn offer(&'static self, thread: &Thread) {
        if thread.has_asked.get() || !self.open.load(Ordering::Relaxed) {
            return;
        }
        thread.has_asked.set(true);
        thread.lane.set(self.lanes.iter().find(|lane| lane.take(thread.id(), is_alive)));
    }

    /// The time of an event that this thread puts into its lane.
    ///
    /// A reading that waits for what came before costs half as much again. It is what keeps events of several threads in order. While
    /// there is one thread, its lane keeps its events in order, but for one that follows on an event in the shared stage. The clock
    /// is the counter: there are no lanes with another.
    #[inline(always)]
    pub(crate) fn stamp(&self, thread: &Thread) -> u64 {
        // SYNC (Q): Relaxed. What this event has to be stamped after is an event of another thread, and this thread has heard of it:
        // so it sees the count of that thread's arrival too.
        if self.threads.load(Ordering::Relaxed) > 1 || thread.has_shared.get() {
            thread.has_shared.set(false);
            return Clock::Counter.now_in_order();
        }
        Clock::Counter.now()
    }
}

/// Whether a thread of this process still runs.
#[cold]
fn is_alive(thread: u32) -> bool {
    thread::keeping_errno(|| {
        // SAFETY: signal 0 is none; a thread that is not there is an error.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread as libc::pid_t, 0) == 0 }
    })
}
