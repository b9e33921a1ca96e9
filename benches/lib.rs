//! What the benches share: times, the library that they load, the machine that they ran on.

mod histogram;
mod library;
mod machine;
mod threads;

pub use histogram::{Histogram, median, ns_per_tick};
pub use library::{Report, load, release_folder, report_allocation, report_deallocation, stats};
pub use machine::machine;
pub use threads::{cpu_ns, cpu_ns_of_thread};
