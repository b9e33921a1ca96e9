//! From events to what is live, what peaked and what leaked: the rules, and nothing else.
//!
//! A [`Ledger`] is fed the events of one process in their order. It does no I/O and has no clock, so the same events give
//! the same answers, live or from a recording.
//!
//! A region is known by device, memory, address and the allocator that handed it out. Reported again while it lives it has
//! one more holder: its bytes count once, and it is free when the last holder lets go. What a close releases is neither
//! freed nor leaked, and frees that follow a close are expected. A free may leave out
//!
//! * the memory, or the device ([`ttmem_wire::ANY_DEVICE`]): it means one region of that address, one that its holder is
//!   known to hold if there is such a one, else the one that came to life last;
//! * the address ([`ttmem_wire::flags::ADDRESS_UNKNOWN`]): it means all that its holder holds there;
//! * the holder: it means one that has no id, else the oldest id.
//!
//! Whatever matches nothing is counted, see [`Anomalies`], and changes no sum.
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

mod account;
mod address_index;
mod alike;
mod by_holder;
mod changes;
mod closed;
mod facts;
mod findings;
mod footprint;
mod free_list;
mod growth;
mod holders;
mod intervals;
mod l1_map;
mod ledger;
mod live;
mod overlap;
mod packed;
mod peak;
mod place;
mod placement;
mod places;
mod pressure;
mod program_memory;
mod recent;
mod refusals;
mod region;
mod spans;
mod statistics;
mod synthesize;
mod together;
mod totals;
mod ways_out;
mod windows;

pub use account::{Account, Damaged, MAX_MARKS_KEPT, Mark};
pub use changes::{Change, Life};
pub use facts::Facts;
pub use findings::{Anomalies, Finding, OutOfMemory, Released};
pub use free_list::{FreeList, Headroom};
pub use growth::{Amount, Course, Point, Seen, Series, Source, Trend, Undecided, judge, series_name};
pub use l1_map::L1Piece;
pub use ledger::{End, Ledger, MAX_LISTED};
pub use live::{LiveRegion, State};
pub use peak::{MAX_PEAK_SOURCES, PeakComposition, PeakSource};
pub use placement::{Policy, Side};
pub use pressure::{Bank, L1Pressure};
pub use refusals::{Clash, Relief, SiteHolding};
pub use spans::{RESERVED, Span, Spans};
pub use statistics::{Allocated, SHORT_LIFE, ShortLife, SourceStatistics, Statistics};
pub use synthesize::Synthesized;
pub use together::{Together, together};
pub use totals::{Totals, narrow};
pub use ways_out::WayOut;
pub use windows::{MAX_OPEN_WINDOWS, Window, WindowId, WindowSums};
