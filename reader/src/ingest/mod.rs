//! From rings to records: one finder of rings, one session a ring, and what a draining reader leaves beside it.

mod drain;
mod leave;
mod left;
mod lookout;
mod recorder;
mod session;
mod source;

pub use drain::{Drainer, Keep};
pub use lookout::Lookout;
pub use recorder::Recorder;
pub use session::{Ended, Session};
