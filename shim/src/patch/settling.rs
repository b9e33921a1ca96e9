//! When no call is under way any more that began in a function of tt-metal's and would end in one of ours.
//!
//! Slots are written one by one, and a thread may have read one before. It is in tt-metal's function then, which tells us nothing. So the
//! list of what an allocator holds ([`crate::interpose`]) is taken only when every other thread has left the function that it was in: it
//! sleeps, has ended, or has computed for longer than such a function takes. Time alone does not say that: on a busy machine a thread may
//! have had no processor.

use std::{
    fs,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use crate::nap::nap;

/// How far the change from their functions to ours has come. SYNC: Relaxed; the waits are longer than any store takes to be seen.
static PROGRESS: AtomicU8 = AtomicU8::new(SETTLED);
/// Slot by slot, so that a thread may allocate through theirs and free through ours.
const WRITING: u8 = 0;
/// All slots are ours; calls may be under way that began in theirs.
const WRITTEN: u8 = 1;
const SETTLED: u8 = 2;

/// Between two looks. Steps are counted, not time: while a debugger has stopped the process, time passes, and calls do not go on.
const STEP: Duration = Duration::from_millis(2);
/// So many at least: one of tt-metal's functions may sleep for a while.
const STEPS: u32 = 25;
/// The most, however busy the machine is.
const MOST_STEPS: u32 = 1000;
/// A thread that has computed for so long has left the function that it was in.
const LEFT_AFTER_NS: u64 = 2_000_000;

/// The slots are about to be written.
pub(super) fn begin() {
    PROGRESS.store(WRITING, Ordering::Relaxed);
}

/// All of them are.
pub(super) fn written() {
    PROGRESS.store(WRITTEN, Ordering::Relaxed);
}

/// Whether a call may be under way that began in a real function and ends in one of ours.
pub(crate) fn is_settling() -> bool {
    PROGRESS.load(Ordering::Relaxed) != SETTLED
}

/// Waits until there is none: once, and some 50 ms where the machine has processors to spare.
pub(crate) fn settle() {
    if !is_settling() {
        return;
    }
    let mut before = None;
    // Two looks in a row: between two threads of one look, the first may have been woken by the second.
    let (mut steps, mut calm) = (0, 0);
    for _ in 0..MOST_STEPS {
        nap(STEP);
        if PROGRESS.load(Ordering::Relaxed) != WRITTEN {
            continue;
        }
        let before = before.get_or_insert_with(threads);
        steps += 1;
        if steps >= STEPS {
            calm = if threads().iter().all(|thread| thread.has_left(before)) { calm + 1 } else { 0 };
            if calm == 2 {
                break;
            }
        }
    }
    PROGRESS.store(SETTLED, Ordering::Relaxed);
}

/// Another thread of this process.
struct Thread {
    id: u32,
    /// Whether it waits for something, rather than for a processor.
    sleeps: bool,
    /// How long it has computed.
    ran_ns: u64,
}

impl Thread {
    /// `None` if it has ended, or the kernel does not say.
    fn read(id: u32) -> Option<Self> {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/task/{id}/{name}")).ok();
        let state = text("stat")?.rsplit_once(") ")?.1.chars().next()?;
        let ran_ns = text("schedstat")?.split(' ').next()?.parse().ok()?;
        Some(Self { id, sleeps: state == 'S', ran_ns })
    }

    /// Whether it has left the function that it was in when `before` was read. One that is not in there began later.
    fn has_left(&self, before: &[Self]) -> bool {
        let before = before.iter().find(|thread| thread.id == self.id);
        self.sleeps || before.is_none_or(|before| self.ran_ns.saturating_sub(before.ran_ns) >= LEFT_AFTER_NS)
    }
}

/// The other threads. None where /proc does not tell: then the steps alone must do.
fn threads() -> Vec<Thread> {
    // SAFETY: takes nothing, and cannot fail.
    let own = unsafe { libc::gettid() };
    let ids = fs::read_dir("/proc/self/task").into_iter().flatten();
    let ids = ids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|&id| i64::from(id) != i64::from(own)).filter_map(Thread::read).collect()
}
