//! A walk through a recording or a ring: event by event, with times, pools and what each event did to what is live.
//!
//! A recording is read block by block, and may be read as often as one likes: nothing of it is kept but what is live.

mod live_bytes;

use std::{
    collections::{BTreeMap, HashMap},
    io::{self},
    path::{Path, PathBuf},
};

pub use live_bytes::LiveBytes;
use live_bytes::{Fullest, device_of};
use ttmem_ledger::{Change, Ledger, Life};
use ttmem_recording::{Item, Meta};
use ttmem_ring::{ClockMap, RingReader};
use ttmem_wire::{Event, EventKind, MAX_POOLS, MarkAssembler, Pool, Record, Target};

use crate::{Ended, Failure, Session, Sites, Tell, account::is_refusal, replay::open_recording};

/// A process that is walked through.
#[derive(Debug)]
pub struct Walked {
    /// Its process id, for display.
    pub pid: u32,
    /// Program and arguments.
    pub command: Vec<String>,
    /// When it reported its first event, ns since 1970.
    pub started_ns: u64,
    /// How it ended, where it did.
    pub ended: Option<Ended>,
    /// Events that the file has of it.
    pub events: u64,
    /// Events that nobody has.
    pub lost: u64,
    /// Call sites by number: frames, the innermost first.
    pub sites: HashMap<u32, Vec<String>>,
    clock: ClockMap,
}

impl Walked {
    /// The time of a reading of its clock, ns since 1970.
    pub fn time_ns(&self, ticks: u64) -> u64 {
        self.clock.realtime_ns(ticks)
    }

    /// One that has these call sites, and nothing else.
    #[cfg(test)]
    pub(crate) fn with_sites(sites: HashMap<u32, Vec<String>>) -> Self {
        let clock = ClockMap::through([(0, 0); 2]);
        let (command, ended) = (vec!["train".to_owned()], None);
        Self { pid: 7, command, started_ns: 0, ended, events: 0, lost: 0, sites, clock }
    }

    /// The frames of a call site, the innermost first; none where it is not known.
    pub fn frames(&self, site: u32) -> &[String] {
        self.sites.get(&site).map_or(&[], Vec::as_slice)
    }
}

/// One step of a walk.
#[derive(Debug)]
pub struct Step<'a> {
    /// Whose.
    pub process: &'a Walked,
    /// Its place in [`Walk::processes`].
    pub index: usize,
    /// When, ns since 1970. It never goes back within a process: of two threads' events, what was reported second is no
    /// earlier.
    pub time_ns: u64,
    /// How many events of the process came before the one that this belongs to, marks not counted.
    pub number: u64,
    /// What.
    pub what: What<'a>,
}

/// What a step is about.
#[derive(Debug)]
pub enum What<'a> {
    /// An event, before its changes. Marks come as [`What::Mark`] only.
    Event {
        /// The event.
        event: &'a Event,
        /// The devices that it means; none where it names none, or a pool that nobody knows.
        devices: &'a [i32],
        /// The allocator that it means, 0 if not known.
        allocator: u32,
    },
    /// The program passed a mark.
    Mark(&'a str),
    /// What the last event did.
    Change(&'a Change),
    /// What was live at the moment that was asked for, see [`At`]; once for each process.
    Chosen {
        /// Regions and circular buffers.
        lives: &'a [Life],
        /// What circular buffers take of each device.
        footprints: &'a BTreeMap<i32, u64>,
    },
    /// The end of what is known of the process, and what is live then.
    End(&'a [Life]),
}

/// At which moment of a process somebody wants to know what was live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum At {
    /// When most bytes were live, over all devices and memories; the first such moment.
    Peak,
    /// At the end of the process, or of what is known of it.
    End,
}

/// Why a walk ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The file cannot be read.
    Reading(Failure),
    /// Whoever looked on could not write.
    Writing(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

/// A file to walk through.
#[derive(Debug)]
pub struct Walk {
    path: PathBuf,
    /// The records of a ring, which may change; a recording is read again each time.
    ring: Option<RingCopy>,
    processes: Vec<Walked>,
    /// The recording's numbers of the processes.
    numbers: HashMap<u32, usize>,
    only: Option<u32>,
    device: Option<i32>,
    is_cut: bool,
}

#[derive(Debug)]
struct RingCopy {
    records: Vec<Record>,
    pools: Vec<(u32, Pool)>,
}

/// What a file has, in its order.
enum Found<'a> {
    Pool(u32, Pool),
    Records(&'a [Record]),
}

impl Walk {
    /// Looks through a recording.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn recording(path: &Path) -> Result<Self, Failure> {
        let mut walk = Self::empty(path);
        let mut sites: HashMap<u32, Sites> = HashMap::new();
        let mut reader = open_recording(path)?;
        while let Some(item) = reader.next().map_err(|why| Failure::with(path, why))? {
            match item {
                Item::Meta(Meta::Process(process)) => {
                    walk.numbers.entry(process.process).or_insert(walk.processes.len());
                    walk.processes.push(Walked {
                        pid: process.pid,
                        command: process.command,
                        started_ns: process.realtime_start_ns,
                        ended: None,
                        events: 0,
                        lost: 0,
                        sites: HashMap::new(),
                        clock: ClockMap::through([(0, process.realtime_start_ns); 2]),
                    });
                }
                // The clock is a line through two readings, of which the last status knows the best.
                Item::Meta(Meta::Status(status)) => {
                    if let Some(process) = walk.process_mut(status.process) {
                        process.clock = ClockMap::through(status.clock.map(|point| (point.ticks, point.realtime_ns)));
                        process.lost = status.lost;
                        process.ended = status.ended.map(Ended::from);
                    }
                }
                Item::Meta(Meta::Sites(more)) => {
                    let known = sites.entry(more.process).or_default();
                    more.sites.into_iter().for_each(|site| known.learn(site));
                }
                Item::Meta(_) => {}
                Item::Events { process, records } => {
                    if let Some(process) = walk.process_mut(process) {
                        process.events += records.len() as u64;
                    }
                }
            }
        }
        walk.is_cut = reader.is_cut();
        for (number, known) in sites {
            if let Some(process) = walk.process_mut(number) {
                process.sites = known.frames();
            }
        }
        Ok(walk)
    }

    /// Takes a copy of what a ring has; nothing is taken out of it.
    ///
    /// # Errors
    /// If it is no ring that can be read.
    pub fn ring(path: &Path) -> Result<Self, Failure> {
        let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
        let mut session = Session::looking(ring, false);
        let mut records = Vec::new();
        session.advance_with(&mut |_, some| records.extend_from_slice(some));
        session.settle(None);
        records.extend(session.last_words().into_iter().filter(is_refusal));
        let told = session.told();
        let mut walk = Self::empty(path);
        walk.numbers.insert(0, 0);
        walk.processes.push(Walked {
            pid: told.pid,
            command: told.command.to_vec(),
            started_ns: told.realtime_start_ns,
            ended: told.ended,
            events: records.len() as u64,
            lost: told.counts.lost,
            sites: told.account.sites().frames(),
            clock: told.clock,
        });
        let pools = session.account().pools().map(|(index, pool)| (index, pool.clone())).collect();
        walk.ring = Some(RingCopy { records, pools });
        Ok(walk)
    }

    fn empty(path: &Path) -> Self {
        let (processes, numbers) = (Vec::new(), HashMap::new());
        Self { path: path.to_owned(), ring: None, processes, numbers, only: None, device: None, is_cut: false }
    }

    fn process_mut(&mut self, number: u32) -> Option<&mut Walked> {
        self.processes.get_mut(*self.numbers.get(&number)?)
    }

    /// Walks through the events of one process only from now on.
    ///
    /// # Errors
    /// If no process has this id.
    pub fn choose(&mut self, pid: u32) -> Result<(), Failure> {
        if self.processes.iter().any(|process| process.pid == pid) {
            self.only = Some(pid);
            return Ok(());
        }
        let pids: Vec<String> = self.processes.iter().map(|process| process.pid.to_string()).collect();
        let known = if pids.is_empty() { "none".to_owned() } else { pids.join(", ") };
        Err(Failure::with(&self.path, format!("has no process {pid}; it has {known}")))
    }

    /// Tells of one device only from now on: the chips of a mesh are alike. Events that name no device are still told.
    pub fn choose_device(&mut self, device: i32) {
        self.device = Some(device);
    }

    /// All processes, in the order of the file.
    pub fn processes(&self) -> &[Walked] {
        &self.processes
    }

    /// Those that are walked through, each with its place in [`Walk::processes`].
    pub fn chosen(&self) -> impl Iterator<Item = (usize, &Walked)> {
        let only = self.only;
        self.processes.iter().enumerate().filter(move |(_, process)| only.is_none_or(|pid| pid == process.pid))
    }

    /// Whether the recording's writer was stopped before it was done.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Walks from the first event to the last and shows `each` every step; [`What::Chosen`] comes at the moment `at`.
    ///
    /// # Errors
    /// If the file cannot be read, or `each` fails.
    pub fn run(&self, at: At, each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>) -> Result<(), Stopped> {
        let mut stops = vec![None; self.processes.len()];
        if at == At::Peak {
            let mut fullest = vec![Fullest::default(); self.processes.len()];
            self.walk(&stops, &mut |step| {
                fullest[step.index].see(step);
                Ok(())
            })?;
            stops = fullest.iter_mut().map(|fullest| Some(fullest.done())).collect();
        }
        self.walk(&stops, each)
    }

    fn walk(&self, stops: &[Option<u64>], each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>) -> Result<(), Stopped> {
        let mut walkers: Vec<Option<Walker<'_>>> = self.processes.iter().map(|_| None).collect();
        for (index, process) in self.chosen() {
            walkers[index] = Some(Walker::new(process, index, stops[index], self.device));
        }
        if let Some(ring) = &self.ring {
            let pools = ring.pools.iter().map(|(index, pool)| Found::Pool(*index, pool.clone()));
            if let Some(walker) = &mut walkers[0] {
                pools.chain([Found::Records(&ring.records)]).try_for_each(|found| walker.take(found, each))?;
            }
        } else {
            self.walk_recording(&mut walkers, each)?;
        }
        walkers.into_iter().flatten().try_for_each(|walker| walker.end(each)).map_err(Stopped::from)
    }

    fn walk_recording(
        &self,
        walkers: &mut [Option<Walker<'_>>],
        each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>,
    ) -> Result<(), Stopped> {
        let mut reader = open_recording(&self.path).map_err(Stopped::Reading)?;
        let failed = |why: &dyn std::fmt::Display| Stopped::Reading(Failure::with(&self.path, why));
        while let Some(item) = reader.next().map_err(|why| failed(&why))? {
            let last_words: Vec<Record>;
            let (number, found) = match item {
                Item::Meta(Meta::Pool(pool)) => {
                    let number = pool.process;
                    let index = pool.index;
                    (number, Found::Pool(index, Pool { allocator: pool.allocator, mesh: pool.mesh, chips: pool.chips }))
                }
                Item::Meta(Meta::LastWords(words)) => {
                    let records = words.records.iter().map(|&words| Record { words });
                    last_words = records.filter(is_refusal).collect();
                    (words.process, Found::Records(&last_words))
                }
                Item::Meta(_) => continue,
                Item::Events { process, records } => (process, Found::Records(records)),
            };
            if let Some(walker) = self.numbers.get(&number).and_then(|&index| walkers[index].as_mut()) {
                walker.take(found, each)?;
            }
        }
        Ok(())
    }
}

/// One process on its way.
struct Walker<'a> {
    process: &'a Walked,
    index: usize,
    ledger: Ledger,
    pools: Vec<Option<Pool>>,
    names: MarkAssembler,
    footprints: BTreeMap<i32, u64>,
    time_ns: u64,
    /// Events so far, marks not counted.
    number: u64,
    /// The only device that is told of.
    device: Option<i32>,
    /// After which of them somebody wants to know what is live; else at the end.
    stop: Option<u64>,
    changes: Vec<Change>,
}

impl<'a> Walker<'a> {
    fn new(process: &'a Walked, index: usize, stop: Option<u64>, device: Option<i32>) -> Self {
        let mut ledger = Ledger::new();
        ledger.note_changes();
        Self {
            process,
            index,
            ledger,
            pools: Vec::new(),
            names: MarkAssembler::default(),
            footprints: BTreeMap::new(),
            time_ns: 0,
            number: 0,
            device,
            stop,
            changes: Vec::new(),
        }
    }

    fn take(&mut self, found: Found<'_>, each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>) -> io::Result<()> {
        match found {
            Found::Pool(index, pool) => {
                let index = index as usize;
                if index < MAX_POOLS {
                    self.pools.resize(self.pools.len().max(index + 1), None);
                    self.pools[index] = Some(pool);
                }
                Ok(())
            }
            Found::Records(records) => {
                // What is no event of this version is passed over, as reports do.
                records.iter().filter_map(|record| Event::decode(record).ok()).try_for_each(|event| {
                    self.time_ns = self.time_ns.max(self.process.clock.realtime_ns(event.ticks));
                    self.apply(&event, each)
                })
            }
        }
    }

    fn apply(&mut self, event: &Event, each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>) -> io::Result<()> {
        let (process, index, time_ns, number) = (self.process, self.index, self.time_ns, self.number);
        let step = |what| Step { process, index, time_ns, number, what };
        if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
            return match self.names.push(event) {
                Some((_, name)) => each(&step(What::Mark(&name))),
                None => Ok(()),
            };
        }
        let one;
        let (devices, allocator, pool) = match event.target {
            Target::Device(ttmem_wire::ANY_DEVICE) if matches!(event.kind, EventKind::Free | EventKind::CbFreeAll) => {
                (&[][..], 0, None)
            }
            Target::Device(device) => {
                one = [device];
                (&one[..], 0, None)
            }
            Target::Pool(number) => match self.pools.get(number as usize).and_then(Option::as_ref) {
                Some(pool) => (&pool.chips[..], pool.allocator, Some(pool)),
                None => (&[][..], 0, None),
            },
        };
        if self.device.is_none_or(|device| devices.is_empty() || devices.contains(&device)) {
            each(&step(What::Event { event, devices, allocator }))?;
        }
        self.ledger.apply(event, pool);
        self.ledger.take_changes(&mut self.changes);
        for change in &self.changes {
            if self.device.is_some_and(|device| device != device_of(change)) {
                continue;
            }
            if let Change::Footprint { device, bytes } = *change {
                self.footprints.insert(device, bytes);
            }
            each(&step(What::Change(change)))?;
        }
        self.number += 1;
        if self.stop == Some(self.number) {
            each(&step(What::Chosen { lives: &self.lives(), footprints: &self.footprints }))?;
        }
        Ok(())
    }

    fn lives(&self) -> Vec<Life> {
        let mut lives = self.ledger.lives();
        lives.retain(|life| self.device.is_none_or(|device| device == life.region.device));
        lives
    }

    fn end(mut self, each: &mut dyn FnMut(&Step<'_>) -> io::Result<()>) -> io::Result<()> {
        if let Some(ended) = self.process.ended {
            self.ledger.end(ended.into());
        }
        let lives = self.lives();
        let none = BTreeMap::new();
        let (process, index, time_ns, number) = (self.process, self.index, self.time_ns, self.number);
        let step = |what| Step { process, index, time_ns, number, what };
        if self.stop.is_none_or(|stop| stop == 0) {
            let at_start = self.stop.is_some();
            let (lives, footprints) = if at_start { (&[][..], &none) } else { (&lives[..], &self.footprints) };
            each(&step(What::Chosen { lives, footprints }))?;
        }
        each(&step(What::End(&lives)))
    }
}
