//! From rings to records: one finder of rings, and one session a ring, which begins with its checkpoint and writes the next.

mod drain;
mod lookout;
mod recorder;
mod session;
mod source;

pub use drain::{Drainer, Keep};
pub use lookout::Lookout;
pub use recorder::Recorder;
pub(crate) use session::Observer;
pub use session::{Ended, Session};
