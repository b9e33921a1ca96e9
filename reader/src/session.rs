//! One ring, from its first event to the end of its process.

use ttmem_ledger::{End, Ledger, LiveRegion, Totals};
use ttmem_ring::{Counters, ProcessWatch, Recovery, RingReader};
use ttmem_wire::{Event, EventKind, MarkAssembler, Memory, Pool, Record, Target};

/// Records that are copied out of a ring at once.
const BATCH: usize = 16_384;

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
    ring: RingReader,
    ledger: Ledger,
    watch: Option<ProcessWatch>,
    pools: Vec<Option<Pool>>,
    names: MarkAssembler,
    marks: Vec<Mark>,
    keep_live_at_marks: bool,
    /// Records that other readers had taken before.
    taken_before: u64,
    drained: u64,
    unreadable: u64,
    recovery: Recovery,
    is_over: bool,
    ended: Option<Ended>,
    batch: Vec<Record>,
}

impl Session {
    /// A session on a ring that was opened (and, to drain it, locked).
    pub fn new(ring: RingReader, keep_live_at_marks: bool) -> Self {
        let header = ring.header();
        let watch = ProcessWatch::open(header.pid, header.process_start);
        let taken_before = ring.position();
        Self {
            ring,
            ledger: Ledger::new(),
            watch,
            pools: Vec::new(),
            names: MarkAssembler::default(),
            marks: Vec::new(),
            keep_live_at_marks,
            taken_before,
            drained: 0,
            unreadable: 0,
            recovery: Recovery::default(),
            is_over: false,
            ended: None,
            batch: Vec::new(),
        }
    }

    /// Applies what has come since the last call; returns how many events. When the process is gone, that includes what its
    /// stage still held, and the session is over.
    pub fn advance(&mut self) -> u64 {
        if self.is_over {
            return 0;
        }
        // Asked before the ring is read: once the process is gone, nothing comes after.
        let is_alive = self.ring.is_alive();
        let mut events = 0;
        let mut batch = std::mem::take(&mut self.batch);
        while self.ring.read(&mut batch, BATCH) > 0 {
            events += self.apply_all(&mut batch);
            self.ring.release();
        }
        if !is_alive {
            self.recovery = self.ring.recover(&mut batch);
            events += self.apply_all(&mut batch);
            self.is_over = true;
        }
        self.batch = batch;
        self.drained += events;
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
                        *known = self.ring.pool(index as u32);
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
        self.is_over
    }

    /// Writes down how the process ended, once it is over: as its parent was told, else as the kernel or the process itself
    /// says.
    pub fn settle(&mut self, told: Option<Ended>) {
        if !self.is_over || self.ended.is_some() {
            return;
        }
        let from_kernel = || {
            self.watch.as_ref()?.ended().map(|ended| match ended {
                ttmem_ring::Ended::Code(code) => Ended::Code(code),
                ttmem_ring::Ended::Signal(signal) => Ended::Signal(signal),
            })
        };
        let ended =
            told.or_else(from_kernel).or_else(|| self.ring.exit_status().map(Ended::Code)).unwrap_or(Ended::Unknown);
        if ended == Ended::Signal(ABORT) {
            self.hear_last_words();
        }
        self.ended = Some(ended);
        self.ledger.end(if matches!(ended, Ended::Code(_)) { End::Exited } else { End::Killed });
    }

    /// An exception that nobody catches aborts the process before the library can note it: what the allocator was asked for
    /// then stands in the ring file.
    fn hear_last_words(&mut self) {
        let requests = self.ring.open_requests();
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

    /// The ring.
    pub fn ring(&self) -> &RingReader {
        &self.ring
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
        self.ring.counters().reported()
    }

    /// Events that were got out: by this session, and by readers before it.
    pub fn drained(&self) -> u64 {
        self.drained.saturating_add(self.taken_before)
    }

    /// Of these, events that a reader before this one took: they are not in this ledger.
    pub fn taken_before(&self) -> u64 {
        self.taken_before.saturating_add(self.ring.missed())
    }

    /// Events that are lost for ever: never written, half written, or unreadable.
    pub fn lost(&self) -> u64 {
        let unwritten = self.recovery.half_written.saturating_add(self.recovery.impossible);
        self.ring.counters().dropped().saturating_add(unwritten)
    }

    /// Records that were drained and are no event of this version.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The ring's own counts.
    pub fn counters(&self) -> Counters {
        self.ring.counters()
    }
}
