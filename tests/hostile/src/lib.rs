//! Everything that a command reads, with any bytes in it: each must be read to its end, or refused with an error.
//!
//! * [`Kind`]: what is read, and its sound examples.
//! * [`mutated`]: one of them, with some damage.
//! * [`put_damaged`]: a ring and its sidecar files on disk, for the commands themselves.
//!
//! The fuzz targets in `fuzz/` feed libFuzzer's inputs to [`Kind::read`]; `tests/mutations.rs` feeds seeded ones.
#![forbid(unsafe_code)]

mod damaged;
mod events;
mod kind;
mod look;
mod mutate;
mod place;
mod recording;
mod seeds;

pub use damaged::{put_damaged, sound_ring};
pub use kind::Kind;
pub use mutate::{Random, mutated};
pub use place::folder;
