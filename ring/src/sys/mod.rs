//! What the operating system and the processor say: clocks, processes, files, and what this kernel offers.

mod clock;
mod files;
mod host;
mod process;

pub(crate) use clock::realtime_at;
pub use clock::{Clock, ClockMap, monotonic_ns, realtime_ns};
pub(crate) use files::{check, check_size_limit, effective_uid, flock, identity};
pub use host::{DiskSpace, Feature, features, space};
pub use process::{Ended, ProcessWatch, process_start, send_signal, sleep_while_it_runs};
pub(crate) use process::{boot_id, command_line, random_id};
