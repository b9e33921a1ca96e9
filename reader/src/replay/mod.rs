//! From a file to steps: a recording, or a ring, event by event, with what each did to what is live.

mod recording;
pub mod walk;

pub use recording::{Recording, Replay, replay};
pub(crate) use recording::{open_recording, replay_with};
