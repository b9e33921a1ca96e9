//! What events did to what is live, for those who draw it over time.

use ttmem_wire::Memory;

use crate::LiveRegion;

/// One step of what is live. Asked for with [`crate::Ledger::note_changes`], else none is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A region, or program memory, came to life.
    Born(Life),
    /// A further report of the same region was larger. `before` is how many bytes it had.
    Widened {
        /// The region as it is now.
        life: Life,
        /// Its bytes before.
        before: u64,
    },
    /// It is gone: freed, or released with its device ([`crate::State::ReleasedAtClose`]). It is shown as it was.
    Gone(Life),
    /// What a kind of program memory takes of a device is another sum now: a union, so no buffer can be charged with it.
    Footprint {
        /// The device.
        device: i32,
        /// Which program memory.
        memory: Memory,
        /// Bytes that its fullest core gives up.
        bytes: u64,
    },
}

/// A region from its first report to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// What it is.
    pub region: LiveRegion,
    /// The allocator that handed it out, 0 if not known.
    pub allocator: u32,
    /// The program that placed it, 0 if not known or none.
    pub program: u64,
}
