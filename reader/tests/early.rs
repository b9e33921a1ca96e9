//! Where the flusher naps for long, the reader that drains takes events out of the stage: each once, and nothing that it leaves
//! beside the ring goes further than the ring.

use std::sync::atomic::Ordering;

use ttmem_reader::Session;
use ttmem_ring::{AWAKE, CreateOptions, NAPPING_LONG, RingFile, RingReader, journal_path, read_snapshot};
use ttmem_wire::{Event, EventKind, Memory, Target};

mod common;
use common::{Folder, Held, ring};

/// Slots of the ring.
const SLOTS: u64 = 16_384;
/// Live all the time.
const LIVE: u64 = 50;

/// A program whose flusher moves events when it is told to.
struct Scene<'a> {
    ring: &'a RingFile,
    held: Held<'a>,
    pushed: u64,
}

impl<'a> Scene<'a> {
    fn new(ring: &'a RingFile) -> Self {
        ring.flusher().sleeping().store(NAPPING_LONG, Ordering::SeqCst);
        Self { ring, held: Held::new(ring), pushed: 0 }
    }

    fn drainer(&self) -> Session {
        Session::draining(RingReader::open(self.ring.path()).unwrap(), false).unwrap()
    }

    fn push(&mut self, count: u64) {
        for _ in 0..count {
            let n = self.pushed;
            let (kind, n) =
                if n < LIVE || n.is_multiple_of(2) { (EventKind::Allocate, n) } else { (EventKind::Free, n - 1) };
            self.held.report(Event {
                kind,
                memory: Some(Memory::Dram),
                target: Target::Device(0),
                address: n << 12,
                size: 64,
                holder: n,
                ..Event::default()
            });
            self.pushed += 1;
        }
    }

    fn flush(&mut self) {
        self.held.flush();
    }

    /// All that was reported, and nothing twice.
    fn check(&self, session: &Session) {
        assert_eq!((session.drained(), session.taken_elsewhere(), session.trouble()), (self.pushed, 0, None));
        let totals = session.ledger().totals()[0].2;
        assert_eq!(totals.allocations + totals.frees, self.pushed);
        assert_eq!(session.ledger().anomalies().unmatched_frees, 0);
        assert_eq!(session.ledger().live_count(), totals.allocations - totals.frees);
    }
}

#[test]
fn events_are_taken_before_the_flusher_brings_them_and_then_not_again() {
    let folder = Folder::new("early");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    let mut drainer = scene.drainer();
    for round in 0..20 {
        scene.push(1 + round);
        assert_eq!(drainer.advance(), 1 + round);
        scene.check(&drainer);
        assert_eq!(drainer.advance(), 0);
        scene.push(3);
        if round % 3 == 0 {
            scene.flush();
        }
        assert_eq!(drainer.advance(), 3);
        scene.check(&drainer);
    }
    ring.flusher().sleeping().store(AWAKE, Ordering::SeqCst);
    scene.push(5);
    assert_eq!(drainer.advance(), 0, "the flusher is at work: it will bring them soon");
    scene.flush();
    assert_eq!(drainer.advance(), 5);
    scene.check(&drainer);
}

#[test]
fn a_reader_that_comes_late_takes_them_too_and_one_that_only_looks_does_not() {
    let folder = Folder::new("early-late");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.push(40);
    scene.flush();
    let mut first = scene.drainer();
    first.advance();
    scene.push(10);
    assert_eq!(first.advance(), 10);
    // It ends; what it took early is in the ring's keeping.
    drop(first);
    scene.flush();
    scene.push(7);
    let mut looker = Session::looking(RingReader::open(ring.path()).unwrap(), false);
    assert_eq!(looker.advance(), 50);
    let mut next = scene.drainer();
    assert_eq!(next.advance(), 57);
    scene.check(&next);
}

#[test]
fn what_is_left_beside_the_ring_goes_no_further_than_the_ring() {
    let folder = Folder::new("early-left");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    let mut drainer = scene.drainer();
    let id = ring.header().ring_id;
    let position = || read_snapshot(ring.path(), id).unwrap().map_or(0, |(snapshot, _)| snapshot.position);
    // Few live: snapshots alone are left. Each time the reader is ahead when so much was read that it may let go.
    while scene.pushed < 3 * SLOTS {
        scene.push(SLOTS / 16);
        scene.flush();
        scene.push(500);
        assert_eq!(drainer.advance(), SLOTS / 16 + 500);
        let before = position();
        assert_eq!(drainer.advance(), 0);
        assert_eq!(position(), before, "the account has what the ring has not");
        scene.flush();
        assert_eq!(drainer.advance(), 0);
        assert_eq!(position(), scene.pushed, "now it has");
        scene.check(&drainer);
    }
    assert!(!journal_path(ring.path()).exists());
    scene.push(9);
    assert_eq!(drainer.advance(), 9);
    drop(drainer);
    // Killed or ended, it is the same: the next takes the snapshot, the ring, and then the stage.
    let mut next = scene.drainer();
    assert!(next.advance() >= 9);
    scene.check(&next);
}

#[test]
fn more_in_the_stage_than_the_ring_has_room_for_is_no_dead_end() {
    let folder = Folder::new("early-small");
    let rings = folder.0.join("rings");
    let options = CreateOptions { folder: &rings, ring_bytes: 8192, stage_slots: 1024, lanes: 2, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let slots = ring.header().ring_slots;
    let mut scene = Scene::new(&ring);
    let mut drainer = scene.drainer();
    scene.push(4 * slots);
    // The reader lets nothing go while it is ahead of the ring, and the flusher brings nothing where the ring is full.
    for _ in 0..20 {
        drainer.advance();
        scene.flush();
    }
    assert_eq!(ring.flusher().head(), scene.pushed);
    drainer.advance();
    scene.check(&drainer);
}
