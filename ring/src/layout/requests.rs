//! The requests that an allocator is at work on: what a process that an uncaught exception ends was asking for.

use ttmem_wire::Record;

use super::{ProducerPage, Slot};
use crate::sync::Ordering;

/// How many requests can be noted at the same time. More are not noted.
pub(super) const REQUESTS: usize = 32;

// Word 0 of an entry.
const FREE: u64 = 0;
const WRITING: u64 = 1;
const OPEN: u64 = 2;

pub(super) type Requests = [Slot; REQUESTS];

impl ProducerPage {
    /// Notes what an allocator is asked for. Gives what [`ProducerPage::end_request`] takes; `None` if the entry of this `hint` is in
    /// use.
    #[inline]
    pub fn begin_request(&self, hint: u64, record: &Record) -> Option<usize> {
        let index = hint as usize % REQUESTS;
        let entry = &self.requests[index];
        // SYNC (H): Acquire, pairs with the Release store in `end_request`.
        entry.words[0].compare_exchange(FREE, WRITING, Ordering::Acquire, Ordering::Relaxed).ok()?;
        entry.write_payload(&record.words[1..]);
        // SYNC (I): Release, pairs with the Acquire load in `open_requests`.
        entry.words[0].store(OPEN, Ordering::Release);
        Some(index)
    }

    /// The allocator has answered, one way or the other.
    #[inline]
    pub fn end_request(&self, index: usize) {
        if let Some(entry) = self.requests.get(index) {
            // SYNC (H): Release, pairs with the Acquire exchange in `begin_request`.
            entry.words[0].store(FREE, Ordering::Release);
        }
    }

    /// The requests that were never answered, of a process that is gone.
    pub(crate) fn open_requests(&self) -> Vec<Record> {
        // SYNC (I): Acquire, pairs with the Release store in `begin_request`.
        let open = self.requests.iter().filter(|entry| entry.words[0].load(Ordering::Acquire) == OPEN);
        open.map(|entry| Record { words: entry.copy_payload(0) }).collect()
    }
}
