//! The hot path: from an event's facts to a published slot. No lock, no system call, no heap, no formatting.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::Ordering,
    time::Instant,
};

use ttmem_ring::{PAYLOAD_WORDS, StageFull, light_fence};
use ttmem_wire::{Event, EventKind, Record, flags::MORE_CORES};

use crate::{
    config::OnFull,
    flusher, gate,
    lifecycle::{self, Tracker},
    thread,
};

/// The tracker, if events are taken; starts it at the first event.
#[inline(always)]
pub(crate) fn tracker() -> Option<&'static Tracker> {
    gate::tracker().or_else(lifecycle::start)
}

/// Takes one event: time stamp and thread are filled in, the sequence number is the stage's. `type_code` is tt-metal's number of
/// the memory of an event that has memory 0: it is its own code, which the compiler does not see through [`Memory`].
#[inline(always)]
pub(crate) fn record(event: Event, type_code: u8) {
    if let Some(tracker) = tracker() {
        let [_, _, what, place, a, b, c, d] = event.encode().words;
        let what = what | u64::from(type_code) << 8;
        if tracker.stacks.is_some() && wants_site(event.kind, event.flags) {
            put_with_site(tracker, what, place, a, b, c, d);
        } else {
            put_here(tracker, what, place, a, b, c, d);
        }
    }
}

/// [`record`], where the tracker is known.
#[inline(always)]
pub(crate) fn record_in(tracker: &'static Tracker, event: Event) {
    let [_, _, what, place, a, b, c, d] = event.encode().words;
    if tracker.stacks.is_some() && wants_site(event.kind, event.flags) {
        put_with_site(tracker, what, place, a, b, c, d);
    } else {
        put(tracker, what, place, a, b, c, d);
    }
}

/// A function of its own: an event without a site must not pay for registers that the walk needs.
#[inline(never)]
fn put_with_site(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    if let Some(stacks) = tracker.stacks
        && let Ok(event) = Event::decode(&Record { words: [0, 0, what, place, a, b, c, d] })
    {
        let site = unless_nested(|| stacks.site());
        record_sited(tracker, Event { site, ..event });
    }
}

/// [`record_in`], where [`site`] was asked before.
#[inline(always)]
pub(crate) fn record_sited(tracker: &'static Tracker, event: Event) {
    // Encoded here, where most of it is known to the compiler.
    let [_, _, what, place, a, b, c, d] = event.encode().words;
    put(tracker, what, place, a, b, c, d);
}

/// Stamps a record and puts it on its way. Its words (2 to 7, without a thread) come in registers, which takes less than memory.
#[inline(never)]
fn put(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    put_here(tracker, what, place, a, b, c, d);
}

#[inline(always)]
fn put_here(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    let thread = thread::current();
    // Out of reach while it is written: a signal handler may report in the middle of a report.
    if let Some(lane) = thread.lane.take()
        && let Some(bits) = thread.bits_in(tracker)
    {
        let now = tracker.lanes.stamp(thread);
        let pushed = lane.push(&[now, what | bits, place, a, b, c, d]);
        thread.lane.set(Some(lane));
        if let Ok(count) = pushed {
            // SYNC (P) of the ring crate: the lane has published. A flusher that goes to sleep has set the word, and had this
            // thread pass a barrier, before it looks at the lane.
            light_fence();
            let word = tracker.flusher.sleeping().load(Ordering::Relaxed);
            if flusher::lane_wants_waking(word, count, lane) {
                wake(tracker);
            }
            return;
        }
    }
    put_shared(tracker, what, place, a, b, c, d);
}

/// The same by the stage that all threads share: the lane is full, or there is none, or it is being written.
#[inline(never)]
fn put_shared(tracker: &'static Tracker, what: u64, place: u64, a: u64, b: u64, c: u64, d: u64) {
    let thread = thread::current();
    let bits = thread.arrived_bits(tracker);
    // The stage does not mind a signal handler; the channel could make it wait for the very call that it interrupts. So a nested
    // event goes without a token, and the flusher finds it on its round.
    let nested = thread.busy.replace(true);
    let now = if tracker.lanes.is_empty() {
        tracker.clock.now()
    } else {
        if !nested {
            tracker.lanes.offer(thread);
        }
        thread.has_shared.set(true);
        tracker.clock.now_in_order()
    };
    let payload = [now, what | bits, place, a, b, c, d];
    match tracker.stage.push(&payload) {
        Ok(sequence) => announce(tracker, sequence, nested),
        Err(StageFull) => stage_full(tracker, &payload, nested),
    }
    thread.busy.set(nested);
}

/// Memory that comes to life, or cannot.
#[inline(always)]
fn wants_site(kind: EventKind, flags: u16) -> bool {
    match kind {
        EventKind::Allocate | EventKind::OutOfMemory => true,
        EventKind::CbAllocate => flags & MORE_CORES == 0,
        _ => false,
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

/// What a signal handler reports in the middle of a report goes without a site.
#[inline(always)]
fn unless_nested(site: impl FnOnce() -> u32) -> u32 {
    thread::with(|thread| {
        if thread.busy.replace(true) {
            return 0;
        }
        let site = site();
        thread.busy.set(false);
        site
    })
}

#[inline(always)]
fn announce(tracker: &'static Tracker, sequence: u64, nested: bool) {
    if !nested && (sequence + 1).is_multiple_of(flusher::EVENTS_A_TOKEN) {
        // Full, it holds more tokens than the flusher needs to look around.
        let _ = tracker.channel.try_send(sequence);
    }
    // SYNC (B) of the ring crate: `push` has claimed with SeqCst; a flusher that goes to sleep has set this word with
    // SeqCst and then looked at what is claimed.
    let word = tracker.flusher.sleeping().load(Ordering::SeqCst);
    if flusher::wants_waking(word, sequence) {
        wake(tracker);
    }
}

#[cold]
#[inline(never)]
fn wake(tracker: &'static Tracker) {
    let word = tracker.flusher.sleeping();
    if word.swap(0, Ordering::SeqCst) != 0 {
        thread::keeping_errno(|| flusher::futex_wake(word));
    }
}

#[cold]
#[inline(never)]
fn stage_full(tracker: &'static Tracker, payload: &[u64; PAYLOAD_WORDS], nested: bool) {
    if let (OnFull::Block(patience), false) = (tracker.on_full, nested) {
        let since = Instant::now();
        while since.elapsed() < patience {
            thread::keeping_errno(|| std::thread::sleep(std::time::Duration::from_micros(100)));
            if let Ok(sequence) = tracker.stage.push(payload) {
                announce(tracker, sequence, nested);
                return;
            }
        }
    }
    tracker.producers.count_dropped();
}

/// Runs our own part of an entry. A bug of ours turns tracking off; it never unwinds into the host. Nothing that the host's
/// code can throw through may run inside.
#[inline(always)]
pub(crate) fn guarded(work: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(work)).is_err() {
        lifecycle::turn_off(format_args!("an error inside ttmem; please report it"));
    }
}
