//! What the end-to-end tests share: the artefacts under test, the C and C++ programs of `tests/c`, and ways to run them
//! and to read what they left behind.
//!
//! The tests build `libttmem.so` and `ttmem` as a user would (`cargo build --release`), once a test run, and the programs
//! with `$CC` and `$CXX` (else `cc` and `c++`) into the target folder.
#![forbid(unsafe_code)]

mod artifacts;
mod need;
mod number;
mod random;
mod report;
mod rings;
mod run;
mod signal;
mod small_mount;
mod start;
mod steady;
mod wait;
mod words;

pub use artifacts::{
    Variant, c_library, c_program, c_program_linked, c_program_with, command, header_folder, library, root, simulation,
    target,
};
pub use need::{is_root, skip};
pub use number::number;
pub use random::Random;
pub use report::{Report, Totals};
pub use rings::{Dead, dead_rings, ring_files};
pub use run::{Outcome, Run, folder};
pub use signal::signal;
pub use small_mount::on_a_small_file_system;
pub use start::median_starts;
pub use steady::Steady;
pub use wait::wait_for;
pub use words::words_in;
