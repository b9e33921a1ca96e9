//! The reading side of ttmem: finds the rings of processes, drains them, and tells what they say.
//!
//! * [`Session`]: one ring, from its first event to the end of its process.
//! * [`Drainer`]: all rings of a folder, as they come and go.
//! * [`Recorder`] and [`replay`]: a file that keeps every event, and what it tells.
//! * [`walk`] and [`export`]: a file event by event, and the formats of other tools.
//! * [`report`]: what the sessions add up to, as text and as JSON.
//!
//! The command `ttmem` is a thin layer over this library: see [`commands`].
#![forbid(unsafe_code)]

mod account;
pub mod commands;
pub mod diff;
pub mod doctor;
mod drain;
pub mod export;
mod failure;
mod follow;
pub mod html;
mod launch;
mod leave;
mod left;
mod lookout;
mod progress;
mod recorder;
mod replay;
pub mod report;
pub mod serve;
mod session;
mod sites;
mod source;
mod suppressions;
mod told;
pub mod top;
mod view;
pub mod walk;

pub use account::Account;
pub use drain::{Drainer, Keep};
pub use failure::Failure;
pub use follow::{Follower, Target};
pub use lookout::Lookout;
pub use recorder::Recorder;
pub use replay::{Recording, Replay, replay};
pub use session::{Ended, Session};
pub use sites::{SiteStyle, Sites, Symbols};
pub use suppressions::{SuppressionUse, Suppressions};
pub use told::{Counts, Tell, Told};
pub use ttmem_ledger::Mark;
pub use view::{DeviceMemory, DeviceView, KindView, ProcessView, View};
