//! What dead processes left behind, record by record.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use ttmem_ring::{Counters, Recovery, RingReader, discover};
use ttmem_wire::{Event, EventKind, Header, Target};

/// The ring of a process that is gone.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The first page.
    pub header: Header,
    /// What the ring held, and then what the queue held.
    pub events: Vec<Event>,
    /// How many of `events` came from the ring.
    pub from_ring: usize,
    /// What the queue held.
    pub recovery: Recovery,
    /// The ring's counts of itself.
    pub counters: Counters,
    /// The code that the exit hook noted.
    pub exit_status: Option<i32>,
}

impl Dead {
    /// The ids of the buffers that were allocated on `device`, in order.
    pub fn ids(&self, device: i32) -> Vec<u64> {
        let on_device = |event: &&Event| event.kind == EventKind::Allocate && event.target == Target::Device(device);
        self.events.iter().filter(on_device).map(|event| event.address).collect()
    }

    /// Every event is accounted for.
    ///
    /// # Panics
    /// If not.
    pub fn check_counts(&self) {
        let found = self.events.len() as u64 + self.counters.tail;
        assert_eq!(self.recovery.impossible, 0, "no slot is in a state that can't be: {self:?}");
        assert_eq!(self.counters.claimed, found + self.recovery.half_written, "claimed = found + half-written");
    }
}

/// The ring files in `folder`.
///
/// # Panics
/// If the folder cannot be read.
pub fn ring_files(folder: &Path) -> Vec<PathBuf> {
    discover(folder).expect("the folder of rings")
}

/// Reads every ring in `folder`, whose processes have been waited for; oldest first.
///
/// # Panics
/// If one is no ring, or its process still lives.
pub fn dead_rings(folder: &Path) -> Vec<Dead> {
    let mut rings: Vec<Dead> = ring_files(folder).iter().map(|path| read(path)).collect();
    rings.sort_by_key(|ring| ring.header.monotonic_start_ns);
    rings
}

fn read(path: &Path) -> Dead {
    let mut reader = RingReader::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // A process that was waited for is gone; a grandchild may take a moment.
    let since = Instant::now();
    while reader.is_alive() {
        assert!(since.elapsed() < Duration::from_secs(20), "{} is still locked", path.display());
        thread::sleep(Duration::from_millis(1));
    }
    let mut records = Vec::new();
    reader.read(&mut records, usize::MAX);
    let from_ring = records.len();
    let recovery = reader.recover(&mut records);
    let decode = |record| Event::decode(record).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Dead {
        header: reader.header().clone(),
        events: records.iter().map(decode).collect(),
        from_ring,
        recovery,
        counters: reader.counters(),
        exit_status: reader.exit_status(),
    }
}
