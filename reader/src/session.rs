//! One ring, from its first event to the end of its process.

use std::path::Path;

use ttmem_ledger::{End, Ledger, LiveRegion, Totals};
use ttmem_ring::{AlreadyDrained, ClockMap, Counters, ProcessWatch, Recovery, RingReader};
use ttmem_wire::{Event, EventKind, Header, MarkAssembler, Memory, Pool, Record, Target};

use crate::source::Source;

/// Records that are copied out of a ring at once.
const BATCH: usize = 4096;

/// SIGABRT, on every Linux.
const ABORT: i32 = 6;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By exit with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It is gone, and nobody can say how.
    Unknown,
}

/// The memory at a named moment.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The name that the program gave.
    pub name: String,
    /// When, in ticks of the ring's clock.
    pub ticks: u64,
    /// The sums at that moment.
    pub totals: Vec<(i32, Memory, Totals)>,
    /// What was live, if that was asked for.
    pub live: Option<Vec<LiveRegion>>,
}

/// One ring and its ledger.
#[derive(Debug)]
pub struct Session {
    source: Source,
    ledger: Ledger,
    watch: Option<ProcessWatch>,
    pools: Vec<Option<Pool>>,
    names: MarkAssembler,
    marks: Vec<Mark>,
    keep_live_at_marks: bool,
    /// Events that other readers had taken before.
    taken_before: u64,
    /// Events that another reader took while this one looked.
    missed: u64,
    drained: u64,
    unreadable: u64,
    recovery: Recovery,
    ended: Option<Ended>,
    batch: Vec<Record>,
}

impl Session {
    /// A session that only looks: it takes nothing out of the ring, and may be had as often as one likes.
    pub fn looking(ring: RingReader, keep_live_at_marks: bool) -> Self {
        let header = ring.header();
        let watch = ProcessWatch::open(header.pid, header.process_start);
        let taken_before = ring.position();
        Self {
            source: Source::Open(Box::new(ring)),
            ledger: Ledger::new(),
            watch,
            pools: Vec::new(),
            names: MarkAssembler::default(),
            marks: Vec::new(),
            keep_live_at_marks,
            taken_before,
            missed: 0,
            drained: 0,
            unreadable: 0,
            recovery: Recovery::default(),
            ended: None,
            batch: Vec::new(),
        }
    }

    /// The session that drains the ring: what it has read, the process may overwrite.
    ///
    /// # Errors
    /// If another reader drains it.
    pub fn draining(mut ring: RingReader, keep_live_at_marks: bool) -> Result<Self, AlreadyDrained> {
        ring.lock_for_draining()?;
        Ok(Self::looking(ring, keep_live_at_marks))
    }

    /// Applies what had come when it was called; returns how many events. When the process is gone, that includes what its
    /// stage still held, and the session is over.
    pub fn advance(&mut self) -> u64 {
        let Source::Open(ring) = &mut self.source else {
            self.ask_kernel();
            return 0;
        };
        // Asked before the ring is read: once the process is gone, nothing comes after.
        let is_alive = ring.is_alive();
        // No further than here: a program that never pauses must not keep us from the others.
        let head = ring.counters().head;
        let mut batch = std::mem::take(&mut self.batch);
        let mut events = 0;
        while let Source::Open(ring) = &mut self.source {
            let before = ring.position();
            ring.read(&mut batch, BATCH);
            let position = ring.position();
            events += self.apply_all(&mut batch);
            if let Source::Open(ring) = &mut self.source {
                ring.release();
            }
            if position >= head || position == before {
                break;
            }
        }
        if !is_alive {
            events += self.read_the_last(&mut batch);
            batch = Vec::new();
        }
        self.batch = batch;
        self.drained += events;
        events
    }

    /// The ring of a dead process was read to its end: what is left is in the stage.
    fn read_the_last(&mut self, batch: &mut Vec<Record>) -> u64 {
        let Source::Open(ring) = &mut self.source else { return 0 };
        let was_recovered = ring.was_recovered();
        self.recovery = ring.recover(batch);
        self.missed = ring.missed();
        if was_recovered {
            // Another reader took these from the stage before: they are neither in the ring nor lost.
            let counters = ring.counters();
            let in_stage = counters.claimed.saturating_sub(counters.head);
            let unwritten = self.recovery.half_written.saturating_add(self.recovery.impossible);
            self.taken_before = self.taken_before.saturating_add(in_stage.saturating_sub(unwritten));
        }
        let events = self.apply_all(batch);
        self.source.close();
        events
    }

    fn apply_all(&mut self, batch: &mut Vec<Record>) -> u64 {
        let count = batch.len() as u64;
        for record in batch.drain(..) {
            match Event::decode(&record) {
                Ok(event) => self.apply(&event),
                Err(_) => self.unreadable += 1,
            }
        }
        count
    }

    fn apply(&mut self, event: &Event) {
        if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
            if let Some((ticks, name)) = self.names.push(event) {
                let live = self.keep_live_at_marks.then(|| self.ledger.live());
                self.marks.push(Mark { name, ticks, totals: self.ledger.totals(), live });
            }
            return;
        }
        let pool = match event.target {
            Target::Pool(index) => {
                let index = index as usize;
                if self.pools.len() <= index && index < ttmem_wire::MAX_POOLS {
                    self.pools.resize(index + 1, None);
                }
                match self.pools.get_mut(index) {
                    // An entry never changes once it is complete, so it is asked for once.
                    Some(known @ None) => {
                        if let Source::Open(ring) = &self.source {
                            *known = ring.pool(index as u32);
                        }
                        known.as_ref()
                    }
                    Some(known) => known.as_ref(),
                    None => None,
                }
            }
            Target::Device(_) => None,
        };
        self.ledger.apply(event, pool);
    }

    /// Whether the process is gone and all that it left was read.
    pub fn is_over(&self) -> bool {
        matches!(self.source, Source::Closed(_))
    }

    /// The kernel says how a process ended once its parent has waited for it, which may be later than its ring's end.
    fn ask_kernel(&mut self) {
        let told = self.watch.as_ref().and_then(ProcessWatch::ended).map(|ended| match ended {
            ttmem_ring::Ended::Code(code) => Ended::Code(code),
            ttmem_ring::Ended::Signal(signal) => Ended::Signal(signal),
        });
        if self.ended.is_none() && told.is_some() {
            self.conclude(told);
        }
    }

    /// Writes down how the process ended, once it is over: as its parent was told, else as the kernel or the process itself
    /// says.
    pub fn settle(&mut self, told: Option<Ended>) {
        if !self.is_over() || self.ended.is_some() {
            return;
        }
        if told.is_none() {
            self.ask_kernel();
        }
        if self.ended.is_none() {
            self.conclude(told);
        }
    }

    fn conclude(&mut self, told: Option<Ended>) {
        let ended = told.or_else(|| self.source.exit_status().map(Ended::Code)).unwrap_or(Ended::Unknown);
        if ended == Ended::Signal(ABORT) {
            self.hear_last_words();
        }
        self.ended = Some(ended);
        self.watch = None;
        self.ledger.end(if matches!(ended, Ended::Code(_)) { End::Exited } else { End::Killed });
    }

    /// An exception that nobody catches aborts the process before the library can note it: what the allocator was asked for
    /// then stands in the ring file.
    fn hear_last_words(&mut self) {
        let requests = self.source.open_requests();
        for event in requests.iter().filter_map(|record| Event::decode(record).ok()) {
            if event.kind == EventKind::OutOfMemory {
                self.apply(&event);
            }
        }
    }

    /// How the process ended; `None` while it runs.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// The first page of the ring.
    pub fn header(&self) -> &Header {
        self.source.header()
    }

    /// Where the ring is, or was.
    pub fn path(&self) -> &Path {
        self.source.path()
    }

    /// From the ring's ticks to time.
    pub fn clock(&self) -> ClockMap {
        self.source.clock()
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The marks so far.
    pub fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// Events that were reported in all.
    pub fn reported(&self) -> u64 {
        self.counters().reported()
    }

    /// Events that were got out: by this session, and by other readers.
    pub fn drained(&self) -> u64 {
        self.drained.saturating_add(self.taken_elsewhere())
    }

    /// Of these, events that other readers took: they are not in this ledger.
    pub fn taken_elsewhere(&self) -> u64 {
        let missed = match &self.source {
            Source::Open(ring) => ring.missed(),
            Source::Closed(_) => self.missed,
        };
        self.taken_before.saturating_add(missed)
    }

    /// Events that are lost for ever: never written, half written, or unreadable.
    pub fn lost(&self) -> u64 {
        let unwritten = self.recovery.half_written.saturating_add(self.recovery.impossible);
        self.counters().dropped().saturating_add(unwritten)
    }

    /// Records that were drained and are no event of this version.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The ring's own counts.
    pub fn counters(&self) -> Counters {
        self.source.counters()
    }
}
