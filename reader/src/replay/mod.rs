//! From a recording or a ring to accounts and steps, in bounded memory.
//!
//! * [`Input`]: the file. It may be replayed as often as one likes.
//! * `pump`: reads an input once and applies the records of each process to its account. All else goes through it.
//! * [`Recording`]: the accounts at the end, of which reports are made.
//! * [`Steps`]: event by event, with times and with what each event changed. Exports are made of them.
//! * [`moment`](fn@moment): what was live at a peak, at the end, at a mark, or after some seconds.

mod input;
mod live_bytes;
mod moment;
mod overview;
mod pump;
mod recording;
mod steps;

pub(crate) use input::read_ring;
pub use input::{FileKind, Input};
pub(crate) use live_bytes::Bytes;
pub use live_bytes::LiveBytes;
pub use moment::{At, Moment, moment};
pub use overview::ProcessInfo;
pub(crate) use pump::{one_by_one, pump};
pub use recording::{Recording, Replay, replay};
pub use steps::{Step, StepKind, Steps, Stopped};
