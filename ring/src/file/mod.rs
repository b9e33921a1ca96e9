//! The ring file: its folder, its name, its locks; made by one process, opened by others.

mod create;
mod discover;
mod folder;
mod map;
mod reader;
mod tail_lock;
mod truncation;

pub use create::{CreateError, CreateOptions, DEFAULT_RING_BYTES, MIN_RING_BYTES, QUEUE_SLOTS, RingFile, TailLock};
pub use discover::{RING_EXTENSION, discover};
pub use folder::{FolderError, create_private_dir, default_dir, ensure_folder, folder_for};
pub use reader::{AlreadyDrained, Counters, OpenError, RingReader};
pub use truncation::MappedFiles;
