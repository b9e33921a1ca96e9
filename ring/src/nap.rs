//! What the flusher's futex word says of it. All but the last say when it wants to be woken.

/// It is at work.
pub const AWAKE: u32 = 0;
/// It sleeps until the next event.
pub const ASLEEP: u32 = 1;
/// It naps, and is to be woken only if events pile up.
pub const NAPPING: u32 = 2;
/// The same, and for long, because few events come: meanwhile the draining reader looks into the stage itself (`early.rs`).
pub const NAPPING_LONG: u32 = 3;
