//! After a death: the records that the ring lacks lie in the queue.

use ttmem_wire::Record;

use super::Queue;
use crate::sync::Ordering;

/// What was found in the queue of a dead process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Records that had not reached the ring.
    pub from_queue: u64,
    /// Slots that were claimed and never published: their calls had not returned. At most one a thread.
    pub half_written: u64,
    /// Slots in a state that the protocol can't reach: the file was damaged.
    pub impossible: u64,
}

/// Appends the records of the queue, by sequence number, without those of `in_ring`: the numbers of the ring's last records, which a
/// process that died in the middle of a batch has left in both places. The producer must be dead.
pub(crate) fn recover(queue: Queue<'_>, in_ring: &[u64], out: &mut Vec<Record>) -> Recovery {
    let mut recovery = Recovery::default();
    // SYNC (C): Acquire, pairs with the Release store that ends `push`.
    let states: Vec<u64> = queue.slots.iter().map(|slot| slot.words[0].load(Ordering::Acquire)).collect();
    let claimed = queue.claimed();
    let slots = queue.slots.len() as u64;
    let mut published = Vec::new();
    for (index, state) in (0..).zip(states) {
        // The state names the number that the slot serves.
        let Some(number) = (state >> 1).checked_mul(slots).and_then(|first| first.checked_add(index)) else {
            recovery.impossible += 1;
            continue;
        };
        let is_claimed = number < claimed;
        match (state & 1 == 1, is_claimed) {
            (true, true) => published.push(number),
            (false, true) => recovery.half_written += 1,
            (false, false) if number - claimed < slots => {}
            _ => recovery.impossible += 1,
        }
    }
    published.retain(|number| !in_ring.contains(number));
    published.sort_unstable();
    recovery.from_queue = published.len() as u64;
    out.extend(published.into_iter().map(|number| Record { words: queue.record(number) }));
    recovery
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::layout::{ProducerPage, Slot};

    #[test]
    fn what_the_ring_has_is_not_taken_again_and_half_written_slots_are_counted() {
        let producers = ProducerPage::default();
        let slots: Vec<Slot> = (0..4).map(|_| Slot::default()).collect();
        let queue = Queue::new(&producers, &slots);
        for value in 0..4 {
            queue.push(&[value; 7]).unwrap();
        }
        // 0 was consumed, 1 was put into the ring and not yet freed, 3 was claimed and never published.
        queue.free_for(4);
        slots[3].words[0].store(0, Ordering::Relaxed);
        let mut out = Vec::new();
        let recovery = recover(queue, &[0, 1], &mut out);
        assert_eq!(recovery, Recovery { from_queue: 1, half_written: 1, impossible: 0 });
        assert_eq!(out.iter().map(|record| record.words[..2].to_vec()).collect::<Vec<_>>(), [[2, 2]]);
        for damage in [99, u64::MAX, u64::MAX - 1] {
            slots[1].words[0].store(damage, Ordering::Relaxed);
            assert_eq!(recover(queue, &[], &mut out).impossible, 1, "{damage}");
        }
    }

    #[test]
    fn a_record_that_was_published_a_lap_late_is_found() {
        let producers = ProducerPage::default();
        let slots: Vec<Slot> = (0..2).map(|_| Slot::default()).collect();
        let queue = Queue::new(&producers, &slots);
        producers.claimed.0.store(1, Ordering::Relaxed);
        queue.push(&[1; 7]).unwrap();
        queue.free_for(3);
        assert!(queue.skip(2));
        queue.push(&[3; 7]).unwrap();
        // Its thread goes on.
        slots[0].words[0].store(1, Ordering::Relaxed);
        let mut out = Vec::new();
        let recovery = recover(queue, &[1], &mut out);
        assert_eq!(recovery, Recovery { from_queue: 2, half_written: 0, impossible: 0 });
        assert_eq!(out.iter().map(|record| record.words[0]).collect::<Vec<_>>(), [0, 3]);
    }
}
