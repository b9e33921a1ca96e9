//! Follows one process while it runs, and answers questions about it: the protocol of docs/follow.md, without its pipes.
//!
//! * [`target`]: the process, and its rings as they come;
//! * [`question`], [`answer`]: the two lines of an exchange, typed;
//! * [`region`]: the analysis of one region of the program;
//! * [`recording`]: a recording from one question to another;
//! * [`follower`]: drains the rings, and answers.

mod answer;
mod follower;
mod question;
mod recording;
mod region;
mod target;

pub use follower::Follower;
pub use target::Target;
