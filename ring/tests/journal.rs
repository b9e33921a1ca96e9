//! The journal's file: what is appended comes back, and what does not fit is refused.

use std::{fs, path::PathBuf};

use tempfile::TempDir;
use ttmem_ring::{
    CreateOptions, Drain, JournalWriter, RingFile, RingReader, journal_path, open_journal, remove_journal,
    remove_orphans, remove_ring,
};
use ttmem_wire::{JOURNAL_HEADER_BYTES, Record};

/// Slots of the ring, the smallest there is.
const SLOTS: u64 = 64;

/// A process's half, and the reader that drains it.
struct Scene {
    ring: RingFile,
    drain: Drain<'static>,
    reader: RingReader,
    pushed: u64,
}

impl Scene {
    fn new(folder: &TempDir) -> Self {
        let options =
            CreateOptions { folder: folder.path(), ring_bytes: SLOTS * 64, queue_slots: 64, producer: "test" };
        let ring = RingFile::create(&options).unwrap();
        let mut reader = RingReader::open(ring.path()).unwrap();
        reader.lock_for_draining().unwrap();
        Self { drain: ring.drain(), ring, reader, pushed: 0 }
    }

    /// So many events come, and are read.
    fn read(&mut self, events: u64) {
        for _ in 0..events {
            self.ring.queue().push(&[self.pushed; 7]).unwrap();
            self.pushed += 1;
            self.drain.drain_up_to(self.pushed);
        }
        self.reader.read(&mut Vec::new(), usize::MAX);
    }

    fn check(&self, first: u64, end: u64) {
        let mut journal = open_journal(self.ring.path(), self.ring.header().ring_id).unwrap().expect("a journal");
        assert_eq!(journal.first(), first);
        assert!(journal.end() >= end);
        let mut records: Vec<Record> = Vec::new();
        for at in first..end {
            assert_eq!(journal.read(at, 1, &mut records).unwrap(), 1);
        }
        let positions: Vec<u64> = records.iter().map(|record| record.words[0]).collect();
        assert_eq!(positions, (first..end).collect::<Vec<_>>());
        assert!(records.iter().all(|record| record.words[1..] == [record.words[0]; 7]));
        let mut at_once = Vec::new();
        assert_eq!(journal.read(first, (end - first) as usize, &mut at_once).unwrap() as u64, end - first);
        assert_eq!(at_once, records);
        let most = journal.read(first, usize::MAX, &mut Vec::new()).unwrap() as u64;
        assert_eq!((most, journal.read(journal.end(), 9, &mut at_once).unwrap()), (journal.end() - first, 0));
        assert_eq!(journal.read(first.wrapping_sub(1), 9, &mut at_once).unwrap(), 0);
    }
}

#[test]
fn what_is_appended_comes_back_whole_and_in_order() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::new(&folder);
    let id = scene.ring.header().ring_id;
    assert!(open_journal(scene.ring.path(), id).unwrap().is_none());
    scene.read(10);
    scene.reader.release();
    scene.read(20);
    let mut writer = JournalWriter::begin(&scene.reader).unwrap();
    scene.check(10, 30);
    scene.reader.release();
    // Round the ring's end several times; the whole ring at once, nothing at all.
    for events in [SLOTS, 0, 1, 50, 50, SLOTS - 1, 17] {
        scene.read(events);
        writer.append(&scene.reader).unwrap();
        scene.reader.release();
        scene.check(10, scene.pushed);
        assert_eq!(writer.bytes(), JOURNAL_HEADER_BYTES as u64 + (scene.pushed - 10) * 64);
    }
    // What was let go without it is missing: nothing is appended any more.
    scene.read(3);
    scene.reader.release();
    scene.read(3);
    assert!(writer.append(&scene.reader).is_err());
    scene.check(10, scene.pushed - 6);
    // Each cut: whole records are there.
    let sound = fs::read(journal_path(scene.ring.path())).unwrap();
    for length in (0..200).chain(sound.len() - 130..sound.len()) {
        fs::write(journal_path(scene.ring.path()), &sound[..length]).unwrap();
        let journal = open_journal(scene.ring.path(), id).unwrap();
        assert_eq!(journal.is_some(), length >= 64);
        let end = length.saturating_sub(64) as u64 / 64 + 10;
        assert!(journal.is_none_or(|journal| journal.end() == end), "{length}");
    }
}

#[test]
fn one_that_is_begun_anew_in_the_same_file_is_seen_by_who_reads_the_old() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::new(&folder);
    let id = scene.ring.header().ring_id;
    scene.read(50);
    let mut writer = JournalWriter::begin(&scene.reader).unwrap();
    scene.reader.release();
    let old = open_journal(scene.ring.path(), id).unwrap().unwrap();
    assert!(!old.was_begun_anew());
    scene.read(20);
    writer.begin_anew(&scene.reader).unwrap();
    scene.reader.release();
    assert!(old.was_begun_anew());
    assert_eq!((writer.bytes(), writer.file_bytes()), (64 * 21, 64 * 51));
    scene.check(50, 70);
    // What lies behind is of the old one, until it is cut off.
    let new = open_journal(scene.ring.path(), id).unwrap().unwrap();
    assert_eq!((new.first(), new.end()), (50, 100));
    writer.end_here(&scene.reader).unwrap();
    assert_eq!(open_journal(scene.ring.path(), id).unwrap().unwrap().end(), 70);
    assert!(!new.was_begun_anew());
    // Removed, it can still be read by who has it open, and written to by nobody.
    remove_journal(scene.ring.path());
    assert!(!new.was_begun_anew());
    scene.read(1);
    assert!(writer.append(&scene.reader).is_err() && writer.begin_anew(&scene.reader).is_err());
    assert!(writer.end_here(&scene.reader).is_err());
    assert!(!journal_path(scene.ring.path()).exists());
}

#[test]
fn another_file_in_its_place_is_not_written_to() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::new(&folder);
    scene.read(5);
    let mut writer = JournalWriter::begin(&scene.reader).unwrap();
    scene.reader.release();
    scene.read(5);
    let path = journal_path(scene.ring.path());
    let sound = fs::read(&path).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    fs::write(&path, &sound).unwrap();
    assert!(writer.append(&scene.reader).is_err());
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(writer.append(&scene.reader).is_err());
    assert!(open_journal(scene.ring.path(), scene.ring.header().ring_id).is_err());
    // A new one takes the name, not what it led to.
    JournalWriter::begin(&scene.reader).unwrap();
    scene.check(5, 10);
    assert_eq!(fs::read(&elsewhere).unwrap(), sound);
    // More than any journal has is none.
    fs::File::options().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(open_journal(scene.ring.path(), scene.ring.header().ring_id).is_err());
}

#[test]
fn it_goes_with_its_ring() {
    let folder = TempDir::new().unwrap();
    let mut scene = Scene::new(&folder);
    scene.read(5);
    JournalWriter::begin(&scene.reader).unwrap();
    let path = journal_path(scene.ring.path());
    assert_eq!(remove_orphans(folder.path()).unwrap(), Vec::<PathBuf>::new());
    fs::remove_file(scene.ring.path()).unwrap();
    assert_eq!(remove_orphans(folder.path()).unwrap(), [path]);
    let mut scene = Scene::new(&folder);
    scene.read(5);
    JournalWriter::begin(&scene.reader).unwrap();
    remove_ring(scene.ring.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
