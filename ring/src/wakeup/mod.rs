//! Sleeping and waking, by futex words in shared memory. A call that reports an event makes no system call unless the flusher is
//! parked.
//!
//! * The flusher parks when nothing comes; the next event wakes it ([`AWAKE`], [`NAPPING`], [`PARKED`]).
//! * The reader parks when it has drained the ring; the flusher wakes it once it has published records (`reader.rs`).

#[cfg(not(any(loom, shuttle)))]
mod futex;
mod reader;
#[cfg(not(any(loom, shuttle)))]
mod wait_set;
#[cfg(not(any(loom, shuttle)))]
mod watch;

#[cfg(not(any(loom, shuttle)))]
pub use futex::{futex_wait, futex_wake, wake};
#[cfg(not(any(loom, shuttle)))]
pub use wait_set::{WaitSet, Wakeup};
#[cfg(not(any(loom, shuttle)))]
pub use watch::watch_folder;

/// The flusher's state word: it is at work.
pub const AWAKE: u32 = 0;
/// It sleeps until the next event, which wakes it.
pub const PARKED: u32 = 1;
/// It naps for a while, and is to be woken only if events pile up.
pub const NAPPING: u32 = 2;
