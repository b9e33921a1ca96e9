//! Writes a recording while rings are drained: every event, and what is known of its process.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    io::{self, Write},
    time::{Duration, Instant},
};

use ttmem_recording::{ClockPoint, LastWords, Meta, Pool, Process, Site, Sites, Status, Writer};
use ttmem_wire::{Event, Record, split_mark};

use crate::{Account, Session, Symbols, Tell, Told};

/// So that a document stays small.
const SITES_A_DOCUMENT: usize = 256;

/// How much of a recording a kill can cost.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// The mark at the beginning of a recording that begins in the middle of a process.
const BEGINS: &[u8] = b"recording begins";

/// A recording that is being written. When the file can take no more, that is kept for the end: the program runs on.
pub struct Recorder<W: Write> {
    writer: Option<Writer<W>>,
    trouble: Option<io::Error>,
    processes: HashMap<u128, Known>,
    events: u64,
    flushed: Instant,
    symbols: Symbols,
}

impl<W: Write> fmt::Debug for Recorder<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trouble, processes, events, .. } = self;
        f.debug_struct("Recorder")
            .field("trouble", trouble)
            .field("processes", processes)
            .field("events", events)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Known {
    number: u32,
    /// How many of its pools the recording has.
    pools: usize,
    /// The call sites that the recording has, with the names of their native frames; and those that it has at least.
    sites: BTreeSet<u32>,
    nameless: BTreeSet<u32>,
    status: Option<Status>,
    part: Option<Part>,
}

/// Of a process that is recorded from some moment on.
#[derive(Debug, Default)]
struct Part {
    /// Events that the recording has.
    events: u64,
    /// Call sites that they name: only these are written.
    named: BTreeSet<u32>,
}

impl Known {
    fn new(number: u32, part: Option<Part>) -> Self {
        Self { number, pools: 0, sites: BTreeSet::new(), nameless: BTreeSet::new(), status: None, part }
    }

    /// Those of all call sites that the recording lacks, and has from now on.
    fn lacking<'a>(part: Option<&Part>, has: &mut BTreeSet<u32>, all: &'a BTreeMap<u32, Site>) -> Vec<&'a Site> {
        match part {
            None if all.len() == has.len() => Vec::new(),
            None => all.values().filter(|site| has.insert(site.id)).collect(),
            Some(part) => {
                let named = part.named.iter().filter_map(|id| all.get(id));
                named.filter(|site| has.insert(site.id)).collect()
            }
        }
    }
}

impl<W: Write> Recorder<W> {
    /// Begins a recording.
    ///
    /// # Errors
    /// Those of the file.
    pub fn new(file: W) -> io::Result<Self> {
        Ok(Self {
            writer: Some(Writer::new(file)?),
            trouble: None,
            processes: HashMap::new(),
            events: 0,
            flushed: Instant::now(),
            symbols: Symbols::default(),
        })
    }

    /// The same, with the names of native functions that another one has found.
    ///
    /// # Errors
    /// Those of the file.
    pub(crate) fn with_symbols(file: W, symbols: Symbols) -> io::Result<Self> {
        Ok(Self { symbols, ..Self::new(file)? })
    }

    /// Drains a session into the recording; returns how many events.
    pub fn advance(&mut self, session: &mut Session) -> u64 {
        let id = session.header().ring_id;
        if !self.processes.contains_key(&id) {
            self.add(session, session.told().realtime_start_ns, None);
        }
        session.advance_with(&mut |account, records| self.keep(id, account, records))
    }

    /// Has the recording begin here with what is live: synthesized events, and a mark. What the session has drained so far is not
    /// in it.
    pub(crate) fn begin_with(&mut self, session: &Session) {
        let (id, account, ticks) = (session.header().ring_id, session.account(), session.latest_ticks());
        let thread = session.header().pid;
        self.add(session, session.clock().realtime_ns(ticks), Some(Part::default()));
        let synthesized = account.synthesize(ticks, thread);
        let process = self.processes.get(&id).map_or(0, |known| known.number);
        for (index, ttmem_wire::Pool { allocator, chips }) in synthesized.pools {
            self.write(|writer| writer.meta(&Meta::Pool(Pool { process, index, allocator, mesh: None, chips })));
        }
        let mark = split_mark(BEGINS).map(|event| Event { ticks, thread, ..event });
        let records: Vec<Record> = synthesized.events.into_iter().chain(mark).map(|event| event.encode()).collect();
        self.keep(id, account, &records);
    }

    fn add(&mut self, session: &Session, realtime_start_ns: u64, part: Option<Part>) {
        let told = session.told();
        let number = self.processes.len() as u32;
        let process = Process {
            process: number,
            pid: told.pid,
            parent_pid: session.header().parent_pid,
            command: told.command.to_vec(),
            realtime_start_ns,
            ring_id: format!("{:032x}", told.ring_id),
            library_version: told.library_version.to_owned(),
        };
        self.write(|writer| writer.meta(&Meta::Process(process)));
        self.processes.insert(told.ring_id, Known::new(number, part));
    }

    fn keep(&mut self, id: u128, account: &Account, records: &[Record]) {
        let Some(known) = self.processes.get_mut(&id) else { return };
        let process = known.number;
        let mut pools = Vec::new();
        if known.pools != account.pools().count() {
            // Few come, and seldom: all are written again, before the events that name them.
            pools.extend(account.pools().map(|(index, pool)| {
                Meta::Pool(Pool { process, index, allocator: pool.allocator, mesh: None, chips: pool.chips.clone() })
            }));
            known.pools = pools.len();
        }
        // Before the events too: who kills us then has the lines all the same. Native frames get their names later.
        if let Some(part) = &mut known.part {
            part.events += records.len() as u64;
            part.named.extend(records.iter().filter_map(|record| Event::decode(record).ok()).map(|event| event.site));
        }
        let all = account.sites().known();
        let sites = Known::lacking(known.part.as_ref(), &mut known.nameless, all);
        let sites: Vec<Site> = sites.into_iter().cloned().collect();
        self.write(|writer| {
            for sites in sites.chunks(SITES_A_DOCUMENT) {
                writer.meta(&Meta::Sites(Sites { process, sites: sites.to_vec() }))?;
            }
            pools.iter().try_for_each(|pool| writer.meta(pool))?;
            writer.events(process, records)
        });
        if self.writer.is_some() {
            self.events += records.len() as u64;
        }
    }

    /// Notes how far the sessions are, now and then or at the end of each.
    pub fn note<'a>(&mut self, sessions: impl IntoIterator<Item = &'a Session>) {
        let is_due = self.flushed.elapsed() >= FLUSH_EVERY;
        for session in sessions {
            let told = session.told();
            if is_due || told.ended.is_some() {
                self.note_sites(&told);
                self.note_status(&told, session.last_words());
            }
        }
        if is_due {
            self.write(Writer::flush);
            self.flushed = Instant::now();
        }
    }

    /// Call sites that came by since: their names are looked up here, not while events wait.
    fn note_sites(&mut self, told: &Told<'_>) {
        let Some(known) = self.processes.get_mut(&told.ring_id) else { return };
        let all = told.account.sites().known();
        let sites = Known::lacking(known.part.as_ref(), &mut known.sites, all);
        let mut sites: Vec<Site> = sites.into_iter().cloned().collect();
        sites.iter_mut().flat_map(|site| &mut site.native).for_each(|frame| self.symbols.name(frame));
        let process = known.number;
        self.write(|writer| {
            sites
                .chunks(SITES_A_DOCUMENT)
                .try_for_each(|sites| writer.meta(&Meta::Sites(Sites { process, sites: sites.to_vec() })))
        });
    }

    fn note_status(&mut self, told: &Told<'_>, last_words: Vec<Record>) {
        let Some(known) = self.processes.get_mut(&told.ring_id) else { return };
        let status = status(known, told);
        if known.status.as_ref() == Some(&status) {
            return;
        }
        let had_ended = known.status.as_ref().is_some_and(|status| status.ended.is_some());
        known.status = Some(status.clone());
        let words =
            LastWords { process: status.process, records: last_words.iter().map(|record| record.words).collect() };
        let has_words = status.ended.is_some() && !had_ended && !words.records.is_empty();
        self.write(|writer| {
            if has_words {
                writer.meta(&Meta::LastWords(words))?;
            }
            writer.meta(&Meta::Status(status))
        });
    }

    /// Ends the recording; returns how many events it has.
    ///
    /// # Errors
    /// What kept the file from taking all.
    pub fn finish<'a>(mut self, sessions: impl IntoIterator<Item = &'a Session>) -> io::Result<u64> {
        for session in sessions {
            self.note_sites(&session.told());
            self.note_status(&session.told(), session.last_words());
        }
        match (self.trouble, self.writer) {
            (Some(trouble), _) => Err(trouble),
            (None, Some(writer)) => writer.finish().and_then(|mut file| file.flush()).map(|()| self.events),
            (None, None) => Ok(self.events),
        }
    }

    /// Ends the recording of processes that go on; returns how many events it has, and the names of native functions.
    pub(crate) fn finish_part<'a>(
        mut self,
        sessions: impl IntoIterator<Item = &'a Session>,
    ) -> (io::Result<u64>, Symbols) {
        for session in sessions {
            let told = session.told();
            self.note_sites(&told);
            self.note_status(
                &Told { is_over: true, ended: told.ended.or(Some(crate::Ended::Stopped)), ..told },
                session.last_words(),
            );
        }
        let symbols = std::mem::take(&mut self.symbols);
        (self.finish([]), symbols)
    }

    fn write(&mut self, work: impl FnOnce(&mut Writer<W>) -> io::Result<()>) {
        if let Some(Err(trouble)) = self.writer.as_mut().map(work) {
            self.trouble = Some(trouble);
            self.writer = None;
        }
    }
}

fn status(known: &Known, told: &Told<'_>) -> Status {
    let mut counts = told.counts;
    if let Some(part) = &known.part {
        // What came before is in the account, however it came there.
        (counts.reported, counts.drained) = (part.events.saturating_add(counts.lost), part.events);
        counts.restored = 0;
    }
    Status {
        process: known.number,
        reported: counts.reported,
        drained: counts.drained,
        // What came folded is in no recording.
        drained_elsewhere: counts.drained_elsewhere.saturating_add(counts.restored),
        lost: counts.lost,
        unreadable: told.account.unreadable(),
        pretended: counts.pretended,
        is_over: told.is_over,
        ended: told.ended.map(Into::into),
        clock: told.clock.points().map(|(ticks, realtime_ns)| ClockPoint { ticks, realtime_ns }),
    }
}
