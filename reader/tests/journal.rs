//! The journal beside a ring: who comes next, or only looks, takes what a draining reader let go since its snapshot.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use ttmem_reader::Session;
use ttmem_ring::{RingFile, RingReader, journal_path, open_journal, read_snapshot, snapshot_path};
use ttmem_wire::{Event, EventKind, Memory, Record, Target};

mod common;
use common::{Folder, Held, ring};

/// Live all the time: so many that a snapshot costs more than a journal of a sixteenth of the ring.
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
        assert!(snapshot_path(&scene.path).exists() && !journal_path(&scene.path).exists());
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

    /// Runs on until some records are in the journal alone.
    fn run_until_journal_is_needed(&mut self) {
        self.run(SLOTS);
        let position = loop {
            let position = read_snapshot(&self.path, self.id).unwrap().expect("a snapshot").0.position;
            if position + 1000 < self.counters().tail {
                break position;
            }
            self.run(SLOTS / 16);
        };
        let journal = open_journal(&self.path, self.id).unwrap().expect("a journal");
        let tail = self.counters().tail;
        assert!(journal.first() == position && journal.end() >= tail, "{} {} {tail}", journal.first(), journal.end());
        assert!(tail > SLOTS, "the first events are written over");
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
fn a_looker_and_the_next_reader_take_what_the_journal_has() {
    let folder = Folder::new("journal");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    // More than one journal's worth: they are begun anew, and never too long.
    for _ in 0..12 {
        scene.run(SLOTS / 2);
        let longest = fs::metadata(journal_path(&scene.path)).map_or(0, |journal| journal.len());
        assert!(longest <= SLOTS * 64, "{longest}");
        scene.check(&looker(&scene.path));
    }
    scene.run_until_journal_is_needed();
    let snapshot = fs::metadata(snapshot_path(&scene.path)).unwrap().modified().unwrap();
    let Scene { held, drainer, path, id, made, pushed } = scene;
    drop(drainer);
    let mut next = Session::draining(RingReader::open(&path).unwrap(), false).unwrap();
    let mut shown = 0;
    next.advance_with(&mut |_, records| shown += records.len() as u64);
    let scene = Scene { held, drainer: next, path, id, made, pushed };
    scene.check(&scene.drainer);
    assert_eq!(shown, pushed - scene.drainer.restored(), "what the journal has is seen one by one");
    assert!(shown > SLOTS / 16);
    // It leaves a snapshot first, and only then the journal goes.
    let mut scene = scene;
    scene.run(SLOTS / 16);
    let later = fs::metadata(snapshot_path(&scene.path)).unwrap().modified().unwrap();
    assert!(later > snapshot);
    scene.run(SLOTS * 2);
    scene.check(&looker(&scene.path));
    scene.check(&scene.drainer);
}

#[test]
fn a_looker_that_was_overtaken_goes_on_and_shows_each_event_once() {
    let folder = Folder::new("journal-overtaken");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    let mut late = Session::looking(RingReader::open(&scene.path).unwrap(), false);
    let mut seen: Vec<u64> = Vec::new();
    let mut look = |late: &mut Session| {
        late.advance_with(&mut |_, records: &[Record]| {
            seen.extend(records.iter().map(|record| record.words[0]));
        })
    };
    look(&mut late);
    for _ in 0..5 {
        // Overtaken, and what it had not seen lies in the journal, or in part in a snapshot.
        scene.run(SLOTS + SLOTS / 3);
        look(&mut late);
        scene.check(&late);
    }
    let count = seen.len();
    assert!(count as u64 > SLOTS, "{count}");
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count, "none is shown twice");
}

#[test]
fn a_looker_that_was_overtaken_needs_the_journal_alone() {
    let folder = Folder::new("journal-alone");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run_until_journal_is_needed();
    let mut late = looker(&scene.path);
    scene.check(&late);
    // The snapshot cannot be begun with any more.
    let mut snapshot = fs::read(snapshot_path(&scene.path)).unwrap();
    let position = read_snapshot(&scene.path, scene.id).unwrap().unwrap().0.position;
    *snapshot.last_mut().unwrap() ^= 1;
    fs::write(snapshot_path(&scene.path), snapshot).unwrap();
    let mut seen: Vec<u64> = Vec::new();
    for _ in 0..4 {
        let from = scene.pushed;
        scene.run(SLOTS / 8);
        late.advance_with(&mut |_, records: &[Record]| seen.extend(records.iter().map(|record| record.words[0])));
        scene.check(&late);
        assert_eq!(seen, (from..scene.pushed).collect::<Vec<_>>());
        seen.clear();
    }
    assert_eq!(ttmem_ring::snapshot_position(&scene.path, scene.id), Some(position), "it was not written anew");
}

#[test]
fn a_journal_that_is_begun_anew_while_it_is_read_is_left_for_the_snapshot() {
    let folder = Folder::new("journal-meanwhile");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run_until_journal_is_needed();
    let mut late = Session::looking(RingReader::open(&scene.path).unwrap(), false);
    let mut seen: Vec<u64> = Vec::new();
    late.advance_with(&mut |_, records: &[Record]| {
        if seen.is_empty() {
            scene.run(SLOTS * 2);
        }
        seen.extend(records.iter().map(|record| record.words[0]));
    });
    check_moment(&late);
    late.advance();
    scene.check(&late);
    assert!(seen.is_sorted_by(|one, next| one < next), "none is shown twice");
}

#[test]
fn whoever_looks_while_journals_are_begun_anew_sees_one_moment() {
    let folder = Folder::new("journal-anew");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run(SLOTS * 2);
    let path = scene.path.clone();
    let done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Acquire) {
                let session = looker(&path);
                check_moment(&session);
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
fn a_journal_that_cant_be_used_is_said_and_what_it_had_is_counted() {
    let folder = Folder::new("journal-damaged");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    scene.run(SLOTS * 2);
    scene.run_until_journal_is_needed();
    let path = journal_path(&scene.path);
    let journal = open_journal(&scene.path, scene.id).unwrap().unwrap();
    let tail = scene.counters().tail;
    let mut sound = fs::read(&path).unwrap();
    // What lies behind is of an older one.
    sound.truncate(64 + 64 * (tail - journal.first()) as usize);
    let check = |bytes: &[u8], trouble: Option<&str>, taken: u64| {
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
        let session = looker(&scene.path);
        assert_eq!(session.trouble().map(|it| it.trim_start_matches("its journal is not used: ")), trouble);
        assert_eq!((session.taken_elsewhere(), session.drained()), (taken, scene.pushed));
    };
    let all = tail - journal.first();
    for (at, why) in [(0, "not a ttmem journal"), (20, "a damaged journal"), (63, "a damaged journal")] {
        let mut changed = sound.clone();
        changed[at] ^= 1;
        check(&changed, Some(why), all);
    }
    let foreign = ttmem_wire::Journal { ring_id: 7, first: journal.first() };
    check(&[&foreign.encode()[..], &sound[64..]].concat(), Some("a journal of another ring"), all);
    // Cut short: whole records are taken, up to the cut.
    let records = |bytes: usize| bytes.saturating_sub(64) as u64 / 64;
    for length in [0, 63, 64, 64 + 63, 64 + 64, 1000, sound.len() - 1] {
        check(&sound[..length], None, all - records(length));
    }
    // It begins behind the snapshot: what lies between is unknown, so it does not fit.
    let later = ttmem_wire::Journal { ring_id: scene.id, first: journal.first() + 1 };
    check(&[&later.encode()[..], &sound[64..]].concat(), None, all);
    // It begins before: what the snapshot has is passed over.
    let earlier = ttmem_wire::Journal { ring_id: scene.id, first: journal.first() - 1 };
    check(&[&earlier.encode()[..], &[0xaa; 64], &sound[64..]].concat(), None, 0);
    // Records that are no events are passed over, and counted as unreadable.
    let mut nonsense = sound.clone();
    nonsense[64..64 * 11].fill(0xff);
    check(&nonsense, None, 0);
    assert_eq!(looker(&scene.path).account().unreadable(), 10);
    check(&sound, None, 0);
    scene.check(&looker(&scene.path));
}

#[test]
fn a_journal_that_is_gone_or_was_changed_is_not_gone_on_with() {
    let folder = Folder::new("journal-gone");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    for step in 0..3 {
        scene.run_until_journal_is_needed();
        let path = journal_path(&scene.path);
        match step {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::write(&path, "something else").unwrap(),
            _ => {
                // Of another user's making: a name that leads elsewhere.
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink(folder.0.join("elsewhere"), &path).unwrap();
            }
        }
        scene.run(SLOTS / 16 + 1);
        // A snapshot was left in its place, or a journal behind one.
        scene.check(&looker(&scene.path));
        assert!(!folder.0.join("elsewhere").exists());
    }
}

#[test]
fn where_files_may_not_grow_snapshots_are_left_instead() {
    let folder = Folder::new("journal-refused");
    let ring = ring(&folder);
    let mut scene = Scene::new(&ring);
    // A folder is in its place: no file can be made there.
    fs::create_dir(journal_path(&scene.path)).unwrap();
    scene.run(SLOTS * 2);
    scene.check(&looker(&scene.path));
    assert_eq!(scene.drainer.trouble(), None);
    assert!(scene.counters().tail + SLOTS / 8 > scene.pushed, "it lets go all the same");
}
