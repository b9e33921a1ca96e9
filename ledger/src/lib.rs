//! From events to what is live, what peaked and what leaked: the rules, and nothing else.
//!
//! A [`Ledger`] is fed the events of one process in their order. It does no I/O and has no clock, so the same events give
//! the same answers, live or from a recording.
//!
//! ```
//! use ttmem_ledger::{End, Ledger, State};
//! use ttmem_wire::{Event, EventKind, Memory, Target};
//!
//! let mut ledger = Ledger::new();
//! let allocate = Event {
//!     kind: EventKind::Allocate,
//!     memory: Some(Memory::Dram),
//!     target: Target::Device(0),
//!     address: 0x3FFF_F800,
//!     size: 12_288,
//!     ..Event::default()
//! };
//! // The same address is reported twice and freed once: one region, held by 1 of 2 reports.
//! ledger.apply(&allocate, None);
//! ledger.apply(&allocate, None);
//! ledger.apply(&Event { kind: EventKind::Free, memory: None, ..allocate }, None);
//! ledger.end(End::Exited);
//!
//! let live = ledger.live();
//! assert_eq!(live.len(), 1);
//! assert_eq!((live[0].size, live[0].holders, live[0].reports), (12_288, 1, 2));
//! assert_eq!(live[0].state, State::LiveAtExit);
//! ```
#![forbid(unsafe_code)]

mod circular_buffers;
mod findings;
mod intervals;
mod ledger;
mod overlap;
mod region;
mod regions;
mod totals;

pub use findings::{Anomalies, Finding, OutOfMemory, Released};
pub use ledger::{End, Ledger, MAX_LISTED};
pub use region::{LiveRegion, State};
pub use totals::Totals;
