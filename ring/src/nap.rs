//! What the flusher's futex word says of it, and so when it wants to be woken.

/// It is at work.
pub const AWAKE: u32 = 0;
/// It sleeps until the next event.
pub const ASLEEP: u32 = 1;
/// It naps, and is to be woken only if events pile up.
pub const NAPPING: u32 = 2;
