//! A ring file whose bytes say anything at all: the reader neither panics nor runs away, and gives back no more records
//! than ring and queue have slots.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt,
};

use tempfile::TempDir;
use ttmem_ring::{CreateOptions, OpenError, RingFile, RingReader};
use ttmem_wire::{Event, HEADER_BYTES};

/// A small, seeded generator: a failing case is found again by its seed.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Small, huge, or anything: what breaks arithmetic is at the ends.
    fn word(&mut self) -> u64 {
        match self.next() % 4 {
            0 => self.next() % 300,
            1 => u64::MAX - self.next() % 300,
            _ => self.next(),
        }
    }
}

fn ring(folder: &TempDir) -> (RingFile, File) {
    let options = CreateOptions { folder: folder.path(), ring_bytes: 4096, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(ring.path()).unwrap();
    (ring, file)
}

#[test]
fn pages_and_slots_of_any_content_are_read_without_panic() {
    let folder = TempDir::new().unwrap();
    let (ring, file) = ring(&folder);
    let bytes = file.metadata().unwrap().len();
    for seed in 1..2000 {
        let mut random = Random::seeded(seed);
        for _ in 0..40 {
            // Half of the damage hits the pages of counters, where it does the most.
            let end = if random.next().is_multiple_of(2) { HEADER_BYTES as u64 + 3 * 4096 } else { bytes };
            let at = HEADER_BYTES as u64 + random.next() % (end - HEADER_BYTES as u64) / 64 * 64;
            file.write_all_at(&random.word().to_ne_bytes(), at).unwrap();
        }
        let mut reader = RingReader::open(ring.path()).unwrap();
        if random.next().is_multiple_of(2) {
            reader.lock_for_draining().unwrap();
        }
        let mut records = Vec::new();
        for _ in 0..3 {
            reader.read(&mut records, 1000);
            reader.release();
        }
        reader.recover(&mut records);
        assert!(records.len() <= 3 * 64 + 64, "seed {seed}: {} records", records.len());
        for record in &records {
            let _ = Event::decode(record);
        }
        let _ = (reader.counters().reported(), reader.exit_status(), reader.missed());
        let _ = (0..300).filter_map(|index| reader.pool(index)).count();
        let clock = reader.clock();
        let _ = (clock.realtime_ns(random.word()), clock.monotonic_ns(random.word()));
    }
}

#[test]
fn headers_of_any_content_are_refused_or_read() {
    let folder = TempDir::new().unwrap();
    let (ring, file) = ring(&folder);
    let mut sound = [0; HEADER_BYTES];
    file.read_exact_at(&mut sound, 0).unwrap();
    let mut refused = 0;
    for seed in 1..2000 {
        let mut random = Random::seeded(seed);
        let at = (random.next() % 20) * 8;
        file.write_all_at(&random.word().to_ne_bytes(), at).unwrap();
        match RingReader::open(ring.path()) {
            Ok(mut reader) => drop(reader.read(&mut Vec::new(), 1000)),
            Err(OpenError::Header(_)) => refused += 1,
            Err(error) => panic!("seed {seed}: {error}"),
        }
        file.write_all_at(&sound, 0).unwrap();
    }
    assert!(refused > 500, "only {refused} refused");
}

#[test]
fn links_folders_and_other_files_are_refused() {
    let folder = TempDir::new().unwrap();
    let (ring, _file) = ring(&folder);
    let link = folder.path().join("link.ring");
    std::os::unix::fs::symlink(ring.path(), &link).unwrap();
    assert!(matches!(RingReader::open(&link), Err(OpenError::Io(_))));
    assert!(RingReader::open(folder.path()).is_err());
    let other = folder.path().join("other.ring");
    std::fs::write(&other, "not a ring").unwrap();
    assert!(matches!(RingReader::open(&other), Err(OpenError::Header(_))));
    assert!(matches!(RingReader::open("/dev/null".as_ref()), Err(OpenError::NotAFile)));
}

#[test]
fn one_reader_drains_and_any_number_look() {
    let folder = TempDir::new().unwrap();
    let (ring, _file) = ring(&folder);
    assert!(RingReader::open(ring.path()).unwrap().is_alive(), "the lock lives with the mapping");
    let mut first = RingReader::open(ring.path()).unwrap();
    first.lock_for_draining().unwrap();
    let mut second = RingReader::open(ring.path()).unwrap();
    let error = second.lock_for_draining().unwrap_err();
    assert_eq!(error.pid, std::process::id());
    ring.queue().push(&[1; 7]).unwrap();
    ring.drain().drain_up_to(1);
    let mut records = Vec::new();
    assert_eq!(second.read(&mut records, 10), 1);
    assert_eq!(first.read(&mut records, 10), 1);
    drop(first);
    assert!(second.lock_for_draining().is_ok(), "the lock ends with its reader");
}
