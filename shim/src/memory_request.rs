//! How much is left, for the process itself: a caller of `ttmem_memory` sends a request, and the flusher adds up the events that the
//! ring holds behind its checkpoint. No event pays for it.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use ttmem_ledger::{Account, Headroom, Totals};
use ttmem_wire::Memory;

use crate::{
    flush::{self, Request},
    tracker::Tracker,
};

/// How long a caller waits. A full ring is added up in some 10 ms.
const PATIENCE: Duration = Duration::from_secs(5);

/// One memory of a device.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MemoryFigures {
    /// All zero before something was allocated there.
    pub(crate) totals: Totals,
    /// `None` before its allocator was seen.
    pub(crate) headroom: Option<Headroom>,
}

/// Asks the flusher about a memory.
pub(crate) struct MemoryRequest {
    device: i32,
    memory: Memory,
    reply: Sender<Option<MemoryFigures>>,
}

impl MemoryRequest {
    fn new(device: i32, memory: Memory) -> (Self, Receiver<Option<MemoryFigures>>) {
        let (reply, replied) = bounded(1);
        (Self { device, memory, reply }, replied)
    }

    /// For the flusher; `None` where not every event is known. A caller that does not wait any more needs no reply.
    pub(crate) fn reply(self, account: Option<&Account>) {
        let figures = account.and_then(|account| {
            let ledger = account.ledger();
            let headroom = ledger.headroom(self.device, self.memory);
            let totals = ledger.totals_of(self.device, self.memory);
            let is_known = headroom.is_some() || totals.is_some();
            is_known.then(|| MemoryFigures { totals: totals.unwrap_or_default(), headroom })
        });
        let _ = self.reply.try_send(figures);
    }
}

/// The figures of a memory after all that was reported before, if they are known and exact. `wake` wakes the flusher.
pub(crate) fn look(tracker: &Tracker, device: i32, memory: Memory, wake: impl Fn()) -> Option<MemoryFigures> {
    let (request, replied) = MemoryRequest::new(device, memory);
    let figures = flush::ask(tracker, Request::Memory(request), &replied, PATIENCE, wake)?;
    let lost = tracker.producers.dropped_full() + tracker.producers.dropped_early();
    figures.filter(|_| lost == 0)
}
