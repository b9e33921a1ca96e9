//! The channel to the flusher: requests that are no 64-byte record. A caller of `ttmem_flush` sends one, and gets a reply when all that
//! was reported before lies in the ring; see [`crate::memory_request`] for the other kind.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::{memory_request::MemoryRequest, nap::nap, tracker::Tracker};

/// Requests that wait at the same time; more are sent when there is space.
pub(crate) const CAPACITY: usize = 64;
/// Between two looks for the reply. Not a blocking receive: the flusher would have to wake it by thread-locals with destructors, which
/// it must not have.
const NAP: Duration = Duration::from_micros(100);

/// What the flusher is asked for. It replies when what was reported before lies in the ring.
pub(crate) enum Request {
    Flush(Reply),
    Memory(MemoryRequest),
    /// To end, too.
    Stop(Reply),
}

/// Where the flusher replies that all is in the ring that was reported before it took the request.
pub(crate) struct Reply(Sender<()>);

impl Reply {
    fn new() -> (Self, Receiver<()>) {
        let (reply, replied) = bounded(1);
        (Self(reply), replied)
    }

    /// For the flusher. A caller that does not wait any more needs no reply.
    pub(crate) fn send(self) {
        let _ = self.0.try_send(());
    }
}

/// Whether all that was reported before lies in the ring, within this time. `wake` wakes the flusher.
pub(crate) fn flush(tracker: &Tracker, timeout: Duration, wake: impl Fn()) -> bool {
    // The head first: it can only be behind what is claimed later.
    let (in_ring, claimed) = (tracker.flusher.head(), tracker.queue.claimed());
    if in_ring + tracker.flusher.skipped() == claimed {
        return true;
    }
    request(tracker, Request::Flush, timeout, wake)
}

/// Whether the flusher does what `kind` says, within this time. `wake` wakes it.
pub(crate) fn request(tracker: &Tracker, kind: fn(Reply) -> Request, timeout: Duration, wake: impl Fn()) -> bool {
    let (reply, replied) = Reply::new();
    ask(tracker, kind(reply), &replied, timeout, wake).is_some()
}

/// Sends a request, and waits for what is `replied`, at most this time. `wake` wakes the flusher.
pub(crate) fn ask<T>(
    tracker: &Tracker,
    request: Request,
    replied: &Receiver<T>,
    timeout: Duration,
    wake: impl Fn(),
) -> Option<T> {
    let since = Instant::now();
    let mut unsent = Some(request);
    loop {
        if let Some(request) = unsent.take()
            && let Err(error) = tracker.requests.try_send(request)
        {
            unsent = Some(error.into_inner());
        }
        wake();
        if let Ok(reply) = replied.try_recv() {
            return Some(reply);
        }
        if since.elapsed() >= timeout {
            return None;
        }
        nap(NAP);
    }
}
