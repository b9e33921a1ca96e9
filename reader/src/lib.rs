//! The reading side of ttmem: finds the rings of processes, drains them, and tells what they say.
//!
//! * [`Session`]: one ring, from its first event to the end of its process.
//! * [`Drainer`]: all rings of a folder, as they come and go.
//! * [`report`]: what the sessions add up to, as text and as JSON.
//!
//! The command `ttmem` is a thin layer over this library: see [`commands`].
#![forbid(unsafe_code)]

pub mod commands;
mod drain;
mod failure;
mod launch;
pub mod report;
mod session;
mod source;

pub use drain::{Drainer, Keep};
pub use failure::Failure;
pub use session::{Ended, Mark, Session};
