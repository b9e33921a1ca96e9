//! One ring, from its first event to the end of its process.

mod answers;
mod attach;
mod ended;
mod observer;
mod truncation;

use ttmem_ring::{AlreadyDrained, CheckpointWriter, Counters, ProcessWatch, Recovery, RingReader, WaitSet};
use ttmem_wire::{Event, Record, Target};

pub use self::ended::Ended;
pub(crate) use self::observer::Observer;
use super::source::Source;
use crate::{Account, sites::SiteFile};

/// Records that are copied out of a ring at once.
const BATCH: usize = 512;

/// SIGABRT, on every Linux.
const ABORT: i32 = 6;

/// One ring and its ledger.
#[derive(Debug)]
pub struct Session {
    source: Source,
    account: Account,
    watch: Option<ProcessWatch>,
    /// Whether the checkpoint of the ring was looked at.
    is_attached: bool,
    /// Events that came out of the checkpoint's snapshot.
    restored: u64,
    /// Events that other readers had taken before, and that are in no checkpoint.
    taken_before: u64,
    /// Events that another reader took while this one looked.
    missed: u64,
    /// Of those that the ring says were missed, what is accounted for otherwise.
    missed_at_attach: u64,
    drained: u64,
    /// The time stamp of the last event, or of the ring's beginning.
    latest_ticks: u64,
    recovery: Recovery,
    /// The ring's counts before the last look.
    counters: Counters,
    /// Events that were still in the ring when it was truncated, 1 at least: `None` where it was not.
    truncated: Option<u64>,
    ended: Option<Ended>,
    batch: Vec<Record>,
    /// The file of call sites, once an event has named one.
    sites: Option<SiteFile>,
    /// Why the checkpoint was not used.
    trouble: Option<String>,
    /// Writes the next, if this session drains.
    checkpoints: CheckpointWriter,
}

impl Session {
    /// A session that only looks: it takes nothing out of the ring, and may be had as often as one likes.
    pub fn looking(ring: RingReader, keep_live_at_marks: bool) -> Self {
        let header = ring.header();
        let (watch, latest_ticks) = (ProcessWatch::open(header.pid, header.process_start), header.clock_start);
        Self {
            source: Source::Open(Box::new(ring)),
            account: Account::new(keep_live_at_marks),
            watch,
            is_attached: false,
            restored: 0,
            taken_before: 0,
            missed: 0,
            missed_at_attach: 0,
            drained: 0,
            latest_ticks,
            recovery: Recovery::default(),
            counters: Counters::default(),
            truncated: None,
            ended: None,
            batch: Vec::new(),
            sites: None,
            trouble: None,
            checkpoints: CheckpointWriter::default(),
        }
    }

    /// The session that drains the ring: what it has read, and a checkpoint has, the process may overwrite. When this reader
    /// ends, however it does, the next goes on from there.
    ///
    /// # Errors
    /// If another reader drains it.
    pub fn draining(mut ring: RingReader, keep_live_at_marks: bool) -> Result<Self, AlreadyDrained> {
        ring.lock_for_draining()?;
        Ok(Self::looking(ring, keep_live_at_marks))
    }

    /// Applies what had come when it was called; returns how many events. When the process is gone, that includes what its
    /// queue still held, and the session is over.
    pub fn advance(&mut self) -> u64 {
        self.advance_observed(&mut |_: &Account, _: &[Record]| {})
    }

    /// The same, and shows what it has applied to `keep`, batch by batch.
    pub fn advance_with(&mut self, mut keep: &mut dyn FnMut(&Account, &[Record])) -> u64 {
        self.advance_observed(&mut keep)
    }

    /// The same, and `observer` applies what has come.
    pub(crate) fn advance_observed(&mut self, observer: &mut dyn Observer) -> u64 {
        let Source::Open(ring) = &mut self.source else {
            self.ask_kernel();
            return 0;
        };
        // Asked before the ring is read: once the process is gone, nothing comes after.
        let is_alive = ring.is_alive();
        // No further than here: a program that never pauses must not keep us from the others.
        let counters = ring.counters();
        let head = counters.head;
        if !ring.is_truncated() {
            self.counters = counters;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let mut events = self.attach(&mut batch, observer);
        while let Source::Open(ring) = &mut self.source
            && ring.position() < head
        {
            let before = ring.position();
            let missed = ring.missed();
            let count = ring.read(&mut batch, BATCH) as u64;
            let first = ring.position() - count;
            if ring.missed() > missed {
                // A session that only looks was overtaken.
                if self.attach_again(first) {
                    batch.clear();
                    events = self.attach(&mut batch, observer);
                    continue;
                }
            }
            events += self.apply_all(&mut batch, observer);
            self.checkpoint(is_alive, false);
            if self.position() == before {
                break;
            }
        }
        if events == 0 {
            self.checkpoint(is_alive, true);
        }
        let is_over = !is_alive || self.has_truncated_ring();
        if is_over {
            events += self.read_the_last(&mut batch, observer);
            batch = Vec::new();
        }
        self.batch = batch;
        self.drained += events;
        if is_over && self.has_truncated_ring() {
            self.give_up_ring();
        }
        events
    }

    /// How much of the ring lies behind this session.
    fn position(&self) -> u64 {
        match &self.source {
            Source::Open(ring) => ring.position(),
            Source::Closed(_) => 0,
        }
    }

    /// Writes a checkpoint of what was read, and releases it, where there is enough of it, or time. A dead process writes no more.
    fn checkpoint(&mut self, is_alive: bool, is_idle: bool) {
        let Source::Open(ring) = &mut self.source else { return };
        if !is_alive || ring.is_truncated() || !ring.is_draining() || !CheckpointWriter::is_due(&**ring, is_idle) {
            return;
        }
        let account = &self.account;
        if self.checkpoints.write(&mut **ring, self.taken_before, |buffer| account.save(buffer)).is_err() {
            // The process goes first: a later reader is told what it lacks.
            ring.release();
        }
    }

    /// The ring of a dead process was read to its end: what is left is in the queue.
    fn read_the_last(&mut self, batch: &mut Vec<Record>, observer: &mut dyn Observer) -> u64 {
        let Source::Open(ring) = &mut self.source else { return 0 };
        self.recovery = ring.recover(batch);
        self.missed = ring.missed();
        if ring.is_truncated() {
            return 0;
        }
        let events = self.apply_all(batch, observer);
        // What an abort left unanswered is told later, when the files of its site and its pool are gone.
        let requests = self.source.open_requests();
        for event in requests.iter().filter_map(|record| Event::decode(record).ok()) {
            self.account.sites_mut().want(event.site);
            if let (Target::Pool(index), Source::Open(ring)) = (event.target, &self.source)
                && let Some(pool) = ring.pool(index)
            {
                self.account.learn_pool(index, pool);
            }
        }
        self.look_for_sites();
        self.source.close();
        self.sites = None;
        events
    }

    fn apply_all(&mut self, batch: &mut Vec<Record>, observer: &mut dyn Observer) -> u64 {
        let count = batch.len() as u64;
        self.latest_ticks = batch.last().map_or(self.latest_ticks, |last| self.latest_ticks.max(last.words[1]));
        let source = &self.source;
        observer.apply(&mut self.account, batch, &mut |index| match source {
            Source::Open(ring) => ring.pool(index),
            Source::Closed(_) => None,
        });
        self.look_for_sites();
        if count > 0 {
            observer.keep(&self.account, batch);
        }
        batch.clear();
        count
    }

    /// Reads the call sites that came by, while their file is there.
    fn look_for_sites(&mut self) {
        if !self.account.sites().wants() {
            return;
        }
        if self.sites.is_none() {
            self.sites = SiteFile::open(self.source.path(), self.source.header().ring_id);
        }
        self.account.sites_mut().look(self.sites.as_mut());
    }

    /// Has `set` wait for this session's ring too, if it may still give events.
    pub(crate) fn wait_in<'a>(&'a self, set: &mut WaitSet<'a>) {
        if let Source::Open(ring) = &self.source {
            ring.wait_in(set);
        }
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
        let ended = match told.or_else(|| self.source.exit_status().map(Ended::Code)) {
            _ if self.source.has_stopped() => Ended::Stopped,
            Some(ended) => ended,
            None => Ended::Unknown,
        };
        if ended == Ended::Signal(ABORT) {
            // An exception that nobody catches aborts the process before the library can note it: what the allocator was
            // asked for then stands in the ring file.
            self.account.hear_last_words(&self.source.open_requests());
        }
        self.ended = Some(ended);
        self.watch = None;
        if let Some(end) = ended.end() {
            self.account.ledger_mut().end(end);
        }
    }

    /// What the allocator was being asked for when the process aborted.
    pub(crate) fn last_words(&self) -> Vec<Record> {
        if self.ended == Some(Ended::Signal(ABORT)) { self.source.open_requests() } else { Vec::new() }
    }
}
