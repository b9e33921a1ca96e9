//! The checkpoint beside a ring: the next reader, and one that only looks, take what a draining reader released.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ttmem_reader::Session;
use ttmem_ring::{RingFile, RingReader, read_snapshot, snapshot_path};
use ttmem_wire::{Event, EventKind, Memory, Record, Target};

mod common;
use common::{Folder, Held, ring};

/// Live all the time.
const LIVE: u64 = 1000;
/// Slots of the ring.
const SLOTS: u64 = 16_384;

fn buffer(n: u64) -> Event {
    Event {
        memory: Some(Memory::Dram),
        target: Target::Device(0),
        address: n << 12,
        size: 1 + n % 7,
        holder: n,
        ..Event::default()
    }
}

/// A program and the reader that drains it.
struct Scene<'a> {
    held: Held<'a>,
    drainer: Session,
    path: PathBuf,
    id: u128,
    /// Buffers allocated so far; the newest [`LIVE`] live.
    made: u64,
    pushed: u64,
}

impl<'a> Scene<'a> {
    /// The reader has left a snapshot of the first buffers and nothing else.
    fn new(ring: &'a RingFile) -> Self {
        let path = ring.path().to_path_buf();
        let drainer = Session::draining(RingReader::open(&path).unwrap(), false).unwrap();
        let id = ring.header().ring_id;
        let mut scene = Self { held: Held::new(ring), drainer, path, id, made: 0, pushed: 0 };
        for _ in 0..=LIVE {
            scene.step();
        }
        // Enough for a snapshot where there is time.
        while scene.pushed < SLOTS / 16 {
            scene.step();
        }
        scene.drain();
        assert!(snapshot_path(&scene.path).exists());
        scene
    }

    /// One more lives, and one less.
    fn step(&mut self) {
        self.held.push(buffer(self.made));
        self.made += 1;
        self.pushed += 1;
        if self.made > LIVE {
            self.held.push(Event { kind: EventKind::Free, ..buffer(self.made - 1 - LIVE) });
            self.pushed += 1;
        }
    }

    /// Until there is nothing more to do.
    fn drain(&mut self) {
        while self.drainer.advance() > 0 {}
    }

    /// So many times round the ring. The reader drains, and leaves all it has.
    fn run(&mut self, events: u64) {
        let end = self.pushed + events;
        while self.pushed < end {
            for _ in 0..600 {
                self.step();
            }
            self.drain();
        }
    }

    fn counters(&self) -> ttmem_ring::Counters {
        RingReader::open(&self.path).unwrap().counters()
    }

    fn check(&self, session: &Session) {
        assert_eq!((session.drained(), session.taken_elsewhere(), session.trouble()), (self.pushed, 0, None));
        let ledger = session.ledger();
        assert_eq!(ledger.live_count(), LIVE);
        let addresses: Vec<u64> = ledger.live().iter().map(|live| live.address).collect();
        assert!((self.made - LIVE..self.made).all(|n| addresses.contains(&(n << 12))));
        let totals = ledger.totals();
        assert_eq!((totals[0].2.allocations, totals[0].2.frees), (self.made, self.made - LIVE));
    }
}

fn looker(path: &std::path::Path) -> Session {
    let mut session = Session::looking(RingReader::open(path).unwrap(), false);
    session.advance();
    session
}

/// All that the program had done at some moment, and nothing else.
fn check_moment(session: &Session) {
    assert_eq!((session.taken_elsewhere(), session.trouble()), (0, None));
    let ledger = session.ledger();
    let totals = ledger.totals()[0].2;
    assert_eq!(session.drained(), totals.allocations + totals.frees);
    let live: BTreeSet<u64> = ledger.live().iter().map(|live| live.address >> 12).collect();
    assert_eq!(live, (totals.frees..totals.allocations).collect());
}

#[test]
fn a_looker_and_the_next_reader_take_what_the_checkpoint_has() {
    let folder = Folder::new("checkpoint");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    for _ in 0..12 {
        scene.run(SLOTS / 2);
        scene.check(&looker(&scene.path));
    }
    assert!(scene.counters().tail > SLOTS, "the first events are written over");
    let Scene { held, drainer, path, id, made, pushed } = scene;
    drop(drainer);
    let mut next = Session::draining(RingReader::open(&path).unwrap(), false).unwrap();
    let mut shown = 0;
    next.advance_with(&mut |_, records| shown += records.len() as u64);
    let mut scene = Scene { held, drainer: next, path, id, made, pushed };
    scene.check(&scene.drainer);
    assert_eq!(shown, pushed - scene.drainer.restored(), "what the ring has is seen one by one");
    scene.run(SLOTS * 2);
    scene.check(&looker(&scene.path));
    scene.check(&scene.drainer);
}

#[test]
fn a_looker_that_was_overtaken_goes_on_and_shows_no_event_twice() {
    let folder = Folder::new("checkpoint-overtaken");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    let mut late = Session::looking(RingReader::open(&scene.path).unwrap(), false);
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..5 {
        scene.run(SLOTS + SLOTS / 3);
        // Not drained yet.
        (0..10).for_each(|_| scene.step());
        late.advance_with(&mut |_, records: &[Record]| seen.extend(records.iter().map(|record| record.words[0])));
        scene.check(&late);
    }
    assert_eq!(seen.len(), 5 * 20, "what no checkpoint has is seen one by one");
    assert!(seen.is_sorted_by(|one, next| one < next), "none is shown twice");
}

#[test]
fn whoever_looks_while_checkpoints_are_written_sees_one_moment() {
    let folder = Folder::new("checkpoint-meanwhile");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run(SLOTS * 2);
    let path = scene.path.clone();
    let done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) {
                check_moment(&looker(&path));
                looks += 1;
            }
            looks
        });
        for _ in 0..30 {
            scene.run(SLOTS);
        }
        done.store(true, Ordering::Release);
        looker.join().unwrap()
    });
    assert!(looks > 5, "{looks}");
}

#[test]
fn a_checkpoint_that_cant_be_used_is_said_and_what_it_had_is_counted() {
    let folder = Folder::new("checkpoint-damaged");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run(SLOTS * 2);
    let path = snapshot_path(&scene.path);
    let sound = fs::read(&path).unwrap();
    let tail = scene.counters().tail;
    for (at, why) in [(0, "not a ttmem snapshot"), (33, "a damaged snapshot"), (sound.len() - 1, "a damaged snapshot")]
    {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, &changed).unwrap();
        let session = looker(&scene.path);
        assert_eq!(session.trouble().map(|it| it.trim_start_matches("its snapshot is not used: ")), Some(why));
        assert_eq!((session.taken_elsewhere(), session.drained()), (tail, scene.pushed));
    }
    // The draining reader has it all in memory, and its next checkpoint has too.
    scene.run(SLOTS);
    scene.check(&looker(&scene.path));
}

#[test]
fn where_no_checkpoint_can_be_written_the_process_goes_first() {
    let folder = Folder::new("checkpoint-refused");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    let _ = fs::remove_file(scene.path.with_extension("snapshot-new"));
    fs::create_dir(scene.path.with_extension("snapshot-new")).unwrap();
    let position = read_snapshot(&scene.path, scene.id).unwrap().unwrap().0.position;
    scene.run(SLOTS * 2);
    scene.check(&scene.drainer);
    assert!(scene.counters().tail + SLOTS / 2 >= scene.pushed, "it releases all the same");
    assert_eq!(read_snapshot(&scene.path, scene.id).unwrap().unwrap().0.position, position);
    let counters = scene.counters();
    let session = looker(&scene.path);
    assert_eq!(session.taken_elsewhere(), counters.tail - position, "the next is told what it lacks");
}
