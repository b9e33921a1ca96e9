//! The hot path: from an event's facts to a published slot. No lock, no system call, no heap, no formatting.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
};

use ttmem_ring::{PAYLOAD_WORDS, QueueFull};
use ttmem_wire::{Event, Record};

use crate::{
    flusher::{wake_flusher, wants_waking},
    fork_guard, mode, startup, thread,
    tracker::Tracker,
};

/// The tracker, if events are taken; starts it at the first event.
#[inline(always)]
pub(crate) fn tracker() -> Option<&'static Tracker> {
    fork_guard::tracker().or_else(startup::start)
}

/// Which call site an event gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// That of the call that we stand in, where call sites are wanted.
    Here,
    /// The one that it has, or none.
    Given,
}

/// Publishes one event: time stamp and thread are filled in, the sequence number is the queue's.
#[inline(always)]
pub(crate) fn record(tracker: &'static Tracker, event: Event, site: Site) {
    // Encoded here, where most of it is known to the compiler.
    let [_, _, what, place, a, b, c, d] = event.encode().words;
    if site == Site::Here && tracker.stacks.is_some() {
        publish_with_site(tracker, what, place, a, b, c, d);
    } else {
        publish(tracker, what, place, a, b, c, d);
    }
}

/// The same without a call, for the entries of the C ABI, which do nothing else. `memory_code` is tt-metal's number of the memory of an
/// event that has memory 0: it is its own code, which the compiler does not see through [`ttmem_wire::Memory`].
#[inline(always)]
pub(crate) fn record_inline(event: Event, memory_code: u8, site: Site) {
    if let Some(tracker) = tracker() {
        let [_, _, what, place, a, b, c, d] = event.encode().words;
        let what = what | u64::from(memory_code) << 8;
        if site == Site::Here && tracker.stacks.is_some() {
            publish_with_site(tracker, what, place, a, b, c, d);
        } else {
            publish_inline(tracker, what, place, a, b, c, d);
        }
    }
}

/// A function of its own: an event without a site must not pay for registers that the walk needs.
#[inline(never)]
fn publish_with_site(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    let Record { words: [_, _, what, place, a, b, c, d] } =
        Record { words: [0, 0, what, place, a, b, c, d] }.with_site(site(tracker));
    publish(tracker, what, place, a, b, c, d);
}

/// Stamps a record and publishes it. Its words (2 to 7, without a thread) come in registers, which takes less than memory.
#[inline(never)]
fn publish(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    publish_inline(tracker, what, place, a, b, c, d);
}

#[inline(always)]
fn publish_inline(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    let thread = thread::current().bits(tracker.process);
    let payload = [tracker.clock.now(), what | thread, place, a, b, c, d];
    match tracker.queue.push(&payload) {
        Ok(sequence) => announce(tracker, sequence),
        Err(QueueFull) => wait_for_slot(tracker, &payload),
    }
}

#[inline(always)]
fn announce(tracker: &'static Tracker, sequence: u64) {
    let state = tracker.flusher.state();
    // SYNC (B) of the ring crate: SeqCst, pairs with the store in `Flusher::park`: `push` has claimed with SeqCst before.
    if wants_waking(state.load(Ordering::SeqCst), sequence) {
        wake_flusher(state);
    }
}

#[cold]
#[inline(never)]
fn wait_for_slot(tracker: &'static Tracker, payload: &[u64; PAYLOAD_WORDS]) {
    let wake = || wake_flusher(tracker.flusher.state());
    let push = || match tracker.queue.push(payload) {
        Ok(sequence) => {
            announce(tracker, sequence);
            true
        }
        Err(QueueFull) => false,
    };
    // A signal handler that interrupts a wait does not wait as well: signals that keep coming would never let the first one end.
    if !unless_nested(|| tracker.full_queue.wait(wake, push)) {
        tracker.producers.count_dropped();
    }
}

/// The call site of the call that we stand in, for an event that is noted later; 0 for none.
#[inline(always)]
pub(crate) fn site(tracker: &'static Tracker) -> u32 {
    match tracker.stacks {
        Some(stacks) => {
            let mut site = 0;
            guarded(|| site = unless_nested(|| stacks.site()));
            site
        }
        None => 0,
    }
}

/// Runs `work`, but not in a signal handler that interrupts such work of its thread: what it reports goes without a site, and
/// does not wait. The default stands for the result then.
#[inline(always)]
fn unless_nested<T: Default>(work: impl FnOnce() -> T) -> T {
    thread::with(|thread| {
        if thread.busy.replace(true) {
            return T::default();
        }
        let result = work();
        thread.busy.set(false);
        result
    })
}

/// Runs our own part of an entry. A bug of ours turns tracking off; it never unwinds into the host. Nothing that the host's
/// code can throw through may run inside.
#[inline(always)]
pub(crate) fn guarded(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        mode::turn_off(format_args!("an error inside ttmem; please report it"));
    }
}
