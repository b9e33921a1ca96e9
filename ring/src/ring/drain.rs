//! Queue to ring: the flusher's work, without its thread.

use std::ops::Range;

use ttmem_wire::Record;

use super::RingWriter;
use crate::{
    failpoint::failpoint,
    queue::{Queue, SlotState},
    sync::AtomicU32,
};

/// Records that are published in the ring and freed in the queue together. A process that dies between the two leaves at
/// most this many records in both places; recovery looks at as many to drop the doubles.
pub const MAX_BATCH: usize = 256;

/// The same for a ring of this size: at most half of it. A batch that was not published yet has overwritten as many of the oldest
/// slots, and recovery must not take what lies there for records of the ring.
pub(crate) fn batch_limit(capacity: usize) -> usize {
    MAX_BATCH.min(capacity / 2).max(1)
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records that went from the queue into the ring.
    pub records: usize,
    /// The round stopped because no slot of the ring was free.
    pub ring_full: bool,
}

/// A claimed number whose thread has not published yet.
#[derive(Clone, Copy, Debug)]
struct Unpublished {
    number: u64,
    /// The next number that falls on its slot and was not skipped.
    next: u64,
}

/// Drains the queue into the ring, such that an event stands behind all that happened before it.
#[derive(Debug)]
pub struct Drain<'a> {
    queue: Queue<'a>,
    ring: RingWriter<'a>,
    /// All numbers below were consumed or skipped, but for `unpublished`.
    next: u64,
    /// Numbers that were passed over, ascending.
    unpublished: Vec<Unpublished>,
    /// Slots whose records are in the ring and not yet published there, by the numbers that they are to be freed for.
    batch: Vec<u64>,
    batch_limit: usize,
}

impl<'a> Drain<'a> {
    /// The drain of an unused queue into an empty ring.
    pub fn new(queue: Queue<'a>, ring: RingWriter<'a>) -> Self {
        let batch_limit = batch_limit(ring.capacity());
        Self {
            queue,
            ring,
            next: 0,
            unpublished: Vec::with_capacity(64),
            batch: Vec::with_capacity(batch_limit),
            batch_limit,
        }
    }

    /// Consumes all that is published below `limit`, which [`Queue::claimed`] gave before this call.
    ///
    /// That keeps the order: if event X had returned before event Y began, then whoever sees Y's number claimed sees X published. So
    /// this round finds X before it finds Y.
    pub fn drain_up_to(&mut self, limit: u64) -> Drained {
        let mut drained = Drained::default();
        if !self.unpublished.is_empty() {
            self.drain_unpublished(&mut drained);
        }
        while self.next < limit && !drained.ring_full {
            let number = self.next;
            let next = self.queue.next_lap(number);
            match self.queue.state(number) {
                SlotState::Unpublished => self.unpublished.push(Unpublished { number, next }),
                SlotState::Published if !self.consume(number, next, &mut drained) => break,
                SlotState::Published | SlotState::Gone => {}
            }
            self.next += 1;
        }
        self.commit();
        self.skip_blocked_numbers();
        drained
    }

    /// Those of earlier rounds that are published by now.
    fn drain_unpublished(&mut self, drained: &mut Drained) {
        let mut unpublished = std::mem::take(&mut self.unpublished);
        unpublished.retain(|&Unpublished { number, next }| {
            let is_published = self.queue.state(number) == SlotState::Published;
            !is_published || drained.ring_full || !self.consume(number, next, drained)
        });
        self.unpublished = unpublished;
    }

    /// See "A thread that stands still" in the module `queue`.
    fn skip_blocked_numbers(&mut self) {
        for Unpublished { next, .. } in &mut self.unpublished {
            if self.queue.skip(*next) {
                // A death between the two counts one event too many as lost.
                self.ring.count_skipped();
                *next = self.queue.next_lap(*next);
            }
        }
    }

    #[inline]
    fn consume(&mut self, number: u64, next: u64, drained: &mut Drained) -> bool {
        if !self.ring.has_free_slot() {
            drained.ring_full = true;
            return false;
        }
        self.ring.put(&self.queue.record(number));
        failpoint("put");
        self.batch.push(next);
        drained.records += 1;
        if self.batch.len() == self.batch_limit {
            self.commit();
        }
        true
    }

    /// Publishes the batch in the ring, and then frees its slots in the queue.
    fn commit(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        self.ring.publish();
        failpoint("shown");
        for next in self.batch.drain(..) {
            self.queue.free_for(next);
            failpoint("freed");
        }
    }

    /// Numbers that were claimed and not looked at yet.
    pub fn waiting(&self) -> u64 {
        self.queue.claimed().saturating_sub(self.next)
    }

    /// Whether claimed numbers are not published yet.
    pub fn has_unpublished(&self) -> bool {
        !self.unpublished.is_empty()
    }

    /// After a round that drained records: the futex word of the reader, if one is parked. Wake it with [`crate::wake`].
    pub fn parked_reader(&mut self) -> Option<&'a AtomicU32> {
        self.ring.parked_reader()
    }

    /// Whether a reader has asked the process to stop tracking.
    pub fn is_asked_to_stop(&self) -> bool {
        self.ring.is_asked_to_stop()
    }

    /// Notes that the process takes no more events: what it has reported is drained.
    pub fn note_stopped(&mut self) {
        self.ring.note_stopped();
    }

    /// Notes how the clock stands now: ticks, and ns of `CLOCK_MONOTONIC`.
    pub fn note_clock(&mut self, ticks: u64, monotonic_ns: u64) {
        self.ring.note_clock(ticks, monotonic_ns);
    }

    /// Records ever put into the ring.
    pub fn head(&self) -> u64 {
        self.ring.head()
    }

    /// Slots of the ring.
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    /// Records of the ring that nobody has released; `None` if the tail is where no tail can be.
    pub fn unreleased(&self) -> Option<Range<u64>> {
        self.ring.unreleased()
    }

    /// Appends the records of `range`, which must be unreleased, to `out`.
    pub fn peek(&self, range: Range<u64>, out: &mut Vec<Record>) {
        out.extend(range.map(|position| Record { words: self.ring.record(position) }));
    }

    /// Releases all records below `tail` in the place of a reader. The caller holds the tail lock, and a checkpoint has them.
    pub(crate) fn release(&mut self, tail: u64) {
        self.ring.release(tail);
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::{
        layout::{FlusherPage, ProducerPage, ReaderPage, Slot},
        queue::{PAYLOAD_WORDS, QueueFull, recover},
        sync::Ordering,
    };

    #[derive(Default)]
    struct Memory {
        producers: ProducerPage,
        flusher: FlusherPage,
        reader: ReaderPage,
        queue: Vec<Slot>,
        ring: Vec<Slot>,
    }

    impl Memory {
        fn new(queue: usize, ring: usize) -> Self {
            let slots = |count| (0..count).map(|_| Slot::default()).collect();
            Self { queue: slots(queue), ring: slots(ring), ..Self::default() }
        }

        fn parts(&self) -> (Queue<'_>, Drain<'_>) {
            let queue = Queue::new(&self.producers, &self.queue);
            (queue, Drain::new(queue, RingWriter::new(&self.flusher, &self.reader, &self.ring)))
        }
    }

    #[test]
    fn records_arrive_in_order_over_many_laps_and_a_full_queue_says_so() {
        let memory = Memory::new(4, 8);
        let (queue, mut drain) = memory.parts();
        let mut sent = 0;
        for round in 0..10 {
            while queue.push(&[sent; PAYLOAD_WORDS]).is_ok() {
                sent += 1;
            }
            assert_eq!(sent, (round + 1) * 4);
            assert_eq!(drain.drain_up_to(queue.claimed()), Drained { records: 4, ring_full: false });
            let last = &memory.ring[(sent as usize - 1) % 8];
            assert_eq!(last.copy(), [sent - 1; 8]);
            memory.reader.set_tail(drain.head());
        }
    }

    #[test]
    fn a_batch_that_was_not_published_is_no_part_of_the_ring() {
        let memory = Memory::new(8, 4);
        let (queue, mut drain) = memory.parts();
        for n in 0..6 {
            queue.push(&[n; PAYLOAD_WORDS]).unwrap();
        }
        drain.drain_up_to(4);
        drain.release(4);
        // The process dies here: 4 is put over 0, and not published.
        drain.consume(4, 12, &mut Drained::default());
        assert_eq!(memory.flusher.head(), 4);
        let recent = batch_limit(4) as u64;
        let in_ring: Vec<u64> = (4 - recent..4).map(|at| memory.ring[at as usize & 3].copy()[0]).collect();
        let mut found = Vec::new();
        recover(queue, &in_ring, &mut found);
        assert_eq!(found.iter().map(|record| record.words[0]).collect::<Vec<_>>(), [4, 5]);
    }

    #[test]
    fn a_full_ring_leaves_the_rest_in_the_queue() {
        let memory = Memory::new(8, 4);
        let (queue, mut drain) = memory.parts();
        for n in 0..8 {
            queue.push(&[n; PAYLOAD_WORDS]).unwrap();
        }
        assert_eq!(queue.push(&[9; PAYLOAD_WORDS]), Err(QueueFull));
        assert_eq!(drain.drain_up_to(8), Drained { records: 4, ring_full: true });
        memory.reader.set_tail(3);
        assert_eq!(drain.drain_up_to(8), Drained { records: 3, ring_full: true });
        memory.reader.set_tail(u64::MAX);
        assert_eq!(drain.drain_up_to(8), Drained { records: 0, ring_full: true }, "a tail from nowhere frees nothing");
        memory.reader.set_tail(7);
        assert_eq!(drain.drain_up_to(8), Drained { records: 1, ring_full: false });
    }

    #[test]
    fn a_thread_that_stands_still_holds_up_nobody_and_its_record_comes_late() {
        let memory = Memory::new(4, 64);
        let (queue, mut drain) = memory.parts();
        // It has claimed 0.
        memory.producers.claimed.0.store(1, Ordering::Relaxed);
        let mut sent = 0;
        for _ in 0..3 {
            while queue.push(&[sent; PAYLOAD_WORDS]).is_ok() {
                sent += 1;
            }
            drain.drain_up_to(queue.claimed());
            assert!(drain.has_unpublished());
        }
        assert_eq!((sent, memory.flusher.skipped(), drain.head()), (9, 3, 9), "three a lap, and a number is skipped");
        let mut found = Vec::new();
        assert_eq!(recover(queue, &[], &mut found).half_written, 1);
        // It goes on, three laps late.
        memory.queue[0].words[0].store(1, Ordering::Release);
        drain.drain_up_to(queue.claimed());
        assert!(!drain.has_unpublished());
        assert_eq!((drain.head(), memory.ring[9].copy()[0]), (10, 0));
        for _ in 0..4 {
            queue.push(&[sent; PAYLOAD_WORDS]).expect("its slot is free again");
        }
        drain.drain_up_to(queue.claimed());
        assert_eq!((queue.claimed() - memory.flusher.skipped(), drain.head()), (14, 14));
    }
}
