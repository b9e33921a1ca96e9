//! What lies in the shared memory of a ring file: slots, and the pages of its writers.

mod pages;
mod pools;
mod requests;
mod slot;

#[cfg(not(any(loom, shuttle)))]
pub(crate) use pages::Page;
pub use pages::{FlusherPage, ProducerPage, ReaderPage};
pub use pools::PoolTable;
pub use slot::Slot;
