//! The reading side of ttmem: finds the rings of processes, drains them, and tells what they say.
//!
//! * [`Session`]: one ring, from its first event to the end of its process.
//! * [`Drainer`]: all rings of a folder, as they come and go.
//! * [`Recorder`]: a file that keeps every event.
//! * [`mod@replay`]: from such a file, or a ring, to accounts and steps.
//! * [`export`]: the formats of other tools.
//! * [`report`]: what the sessions add up to, as text and as JSON.
//!
//! The command `ttmem` is a thin layer over this library: see [`commands`].
#![forbid(unsafe_code)]

mod account;
pub mod analysis;
mod attach;
pub mod commands;
pub mod doctor;
pub mod export;
mod failure;
mod follow;
pub mod html;
mod ingest;
mod launch;
mod mcp;
mod named;
mod plain_file;
mod progress;
pub mod replay;
pub mod report;
pub mod serve;
mod sites;
mod tested;
mod told;
pub mod top;
mod variables;
mod view;
mod visible;

pub use account::Account;
pub use analysis::Suppressions;
pub use failure::Failure;
pub use follow::{Follower, Target};
pub use ingest::{Drainer, Ended, Keep, Lookout, Recorder, Session};
pub use named::ProcessName;
pub use replay::{Recording, Replay};
pub use sites::{CallSite, Frame, Origin, SiteStyle, Sites, Symbols, tell_apart};
pub use told::{Counts, Tell, Told};
pub use ttmem_ledger::Mark;
pub use view::{DeviceMemory, DeviceView, KindView, ProcessView, View};
