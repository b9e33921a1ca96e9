//! What is read.

use ttmem_wire::{HEADER_BYTES, Header, MAX_POOLS, PAGE, Snapshot, WRITER_PAGES};

use crate::{look, place::Place, recording, seeds};

/// Something that a command reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first page of a ring file.
    Header,
    /// The pages of its writers: counters, requests, clock, tail.
    Pages,
    /// Its pool table.
    Pools,
    /// Its queue, which is read after a death.
    Queue,
    /// Its ring.
    Ring,
    /// The call sites beside it.
    Sites,
    /// The content of the snapshot beside it; its envelope is made to fit.
    Snapshot,
    /// And its envelope.
    Envelope,
    /// A recording, behind the head of the file. Its checksums are made to fit.
    Recording,
    /// A report in JSON.
    Report,
    /// A suppression file.
    Suppressions,
}

/// How many events the checkpoint of a ring has.
const SAVED: u64 = 60;

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Header,
        Self::Pages,
        Self::Pools,
        Self::Queue,
        Self::Ring,
        Self::Sites,
        Self::Snapshot,
        Self::Envelope,
        Self::Recording,
        Self::Report,
        Self::Suppressions,
    ];

    /// Its name, which is that of its fuzz target.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Sound examples.
    pub fn seeds(self) -> Vec<Vec<u8>> {
        match self {
            Self::Header | Self::Pages | Self::Pools | Self::Queue | Self::Ring => {
                let (at, length) = part(self);
                vec![seeds::ring()[at..at + length].to_vec()]
            }
            Self::Sites => vec![seeds::sites()],
            Self::Snapshot => seeds::snapshots(SAVED),
            Self::Envelope => vec![seeds::envelope(SAVED)],
            Self::Recording => seeds::recordings(),
            Self::Report => vec![seeds::report()],
            Self::Suppressions => vec![seeds::suppressions()],
        }
    }

    /// Reads these bytes as every command would.
    ///
    /// # Panics
    /// If there is a bug.
    pub fn read(self, bytes: &[u8]) {
        match self {
            Self::Header => {
                let _ = Header::decode(bytes, seeds::ring().len() as u64);
                self.put_into_ring(bytes);
            }
            Self::Pages | Self::Pools | Self::Queue | Self::Ring => self.put_into_ring(bytes),
            Self::Sites => Place::with(seeds::ring(), bytes).sites(bytes).read(),
            Self::Snapshot => {
                let header = Snapshot { ring_id: seeds::ring_id(), position: SAVED, missing: 1 }.encode(bytes);
                Place::with(seeds::ring(), bytes).snapshot(&[&header, bytes].concat()).read();
            }
            Self::Envelope => {
                let _ = Snapshot::decode(bytes, 0);
                Place::with(seeds::ring(), bytes).snapshot(bytes).read();
            }
            Self::Recording => recording::read(bytes),
            Self::Report => look::report(bytes),
            Self::Suppressions => look::suppressions(bytes),
        }
    }

    fn put_into_ring(self, bytes: &[u8]) {
        let mut ring = seeds::ring().to_vec();
        let (at, length) = part(self);
        let length = length.min(bytes.len());
        ring[at..at + length].copy_from_slice(&bytes[..length]);
        Place::with(&ring, bytes).read();
    }
}

/// Where in a ring file something lies, and how long it is.
pub(crate) fn part(kind: Kind) -> (usize, usize) {
    let header = Header::decode(seeds::ring(), seeds::ring().len() as u64).expect("a sound ring");
    let (pools, queue, ring) =
        (header.pools_offset as usize, header.queue_offset as usize, header.ring_offset as usize);
    match kind {
        Kind::Pages => (HEADER_BYTES, WRITER_PAGES * PAGE),
        Kind::Pools => (pools, MAX_POOLS * 64),
        Kind::Queue => (queue, header.queue_slots as usize * 64),
        Kind::Ring => (ring, header.ring_slots as usize * 64),
        _ => (0, HEADER_BYTES),
    }
}
