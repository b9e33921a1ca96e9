//! An input event by event, with times, pools and what each event did to what is live.

use std::{collections::BTreeMap, io, path::Path};

use ttmem_ledger::{Change, Life, Span};
use ttmem_wire::{Event, EventKind, Memory, OnCore, Record, Target};

use super::{
    At, Input, ProcessInfo,
    live_bytes::device_of,
    moment::{Stop, find_stops, footprints},
    one_by_one,
    overview::Overview,
    pump,
};
use crate::{Account, Failure, ProcessName};

/// How many marks an account may have above those that it keeps before the oldest go.
const MARKS_SLACK: usize = 1000;

/// One step.
#[derive(Debug)]
pub struct Step<'a> {
    /// Whose.
    pub process: &'a ProcessInfo,
    /// Its place in [`Steps::processes`].
    pub index: usize,
    /// When, ns since 1970. It never goes back within a process: of two threads' events, what was reported second is no
    /// earlier.
    pub time_ns: u64,
    /// How many events of the process came before the one that this belongs to.
    pub number: u64,
    /// What it is about.
    pub kind: StepKind<'a>,
}

/// What a step is about.
#[derive(Debug)]
pub enum StepKind<'a> {
    /// An event, before its changes. Marks come in the kinds below.
    Event {
        /// The event.
        event: &'a Event,
        /// The devices that it means; none where it names none, or an unknown pool.
        devices: &'a [i32],
        /// The allocator that it means, 0 if not known.
        allocator: u32,
    },
    /// The program passed a mark.
    Mark(&'a str),
    /// A region of the program begins.
    RegionBegin(&'a Span),
    /// A region of the program ends; its window has what it saw.
    RegionEnd(&'a Span),
    /// What the last event did.
    Change(&'a Change),
    /// What was live at the moment that was asked for, see [`At`]; once for each process that has such a moment.
    Moment {
        /// Allocations and program memory.
        lives: &'a [Life],
        /// What program memory takes of each device, by kind.
        footprints: &'a BTreeMap<(i32, Memory), u64>,
    },
    /// The end of what is known of the process, and what is live then.
    End(&'a [Life]),
}

/// Why a replay ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The input cannot be read.
    Reading(Failure),
    /// What is made of it cannot be written.
    Writing(io::Error),
    /// Nobody wants more of it.
    Enough,
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self::Reading(failure)
    }
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

impl Stopped {
    /// The line for the user, where nothing is written but to `path`.
    pub(crate) fn failure(self, path: &Path) -> Failure {
        match self {
            Self::Reading(failure) => failure,
            Self::Writing(error) => Failure::with(path, error),
            Self::Enough => Failure::with(path, "was not read to its end"),
        }
    }
}

/// What each step is shown to.
pub(crate) type Watch<'a> = dyn FnMut(&Step<'_>) -> io::Result<()> + 'a;

/// The steps of an input.
#[derive(Debug)]
pub struct Steps {
    input: Input,
    overview: Overview,
    only: Option<u32>,
    device: Option<i32>,
}

impl Steps {
    /// Looks through an input. It is replayed by [`Steps::run`], as often as one likes.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub fn of(input: Input) -> Result<Self, Failure> {
        let overview = Overview::of(&input, true)?;
        Ok(Self { input, overview, only: None, device: None })
    }

    /// Leaves out all processes but the one of this name.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn choose(&mut self, name: &ProcessName) -> Result<(), Failure> {
        let all = self.processes().iter().map(|process| (process.pid, process.command.as_slice()));
        self.only = Some(name.pid(all).map_err(|why| self.input.failed(why))?);
        Ok(())
    }

    /// Leaves out all devices but this one: the chips of a mesh are alike. Events that name no device stay.
    pub fn choose_device(&mut self, device: i32) {
        self.device = Some(device);
    }

    /// The only device that is shown, where one was chosen. Events name all of theirs.
    pub fn device(&self) -> Option<i32> {
        self.device
    }

    /// All processes, in the order in which they began.
    pub fn processes(&self) -> &[ProcessInfo] {
        &self.overview.processes
    }

    /// Those that are replayed, each with its place in [`Steps::processes`].
    pub fn chosen(&self) -> impl Iterator<Item = (usize, &ProcessInfo)> {
        let only = self.only;
        self.processes().iter().enumerate().filter(move |(_, process)| only.is_none_or(|pid| pid == process.pid))
    }

    /// How many events a recording has whose writer was stopped before it was done; `None` of a whole one.
    pub fn cut_after(&self) -> Option<u64> {
        self.overview.is_cut.then(|| self.processes().iter().map(|process| process.events).sum())
    }

    /// Events of a ring that came as a snapshot: they are in no step.
    pub fn restored(&self) -> u64 {
        self.input.ring().map_or(0, |ring| ring.session.restored())
    }

    /// Replays the input and shows each step to `each`; [`StepKind::Moment`] comes at the moment `at`.
    ///
    /// # Errors
    /// If the input cannot be read, `each` fails, or there is no such moment.
    pub fn run(&self, at: &At, each: &mut Watch<'_>) -> Result<(), Stopped> {
        let stops = find_stops(&self.input, &self.overview, at, self.device)?;
        let mut walkers: Vec<Option<Walker<'_>>> = self.processes().iter().map(|_| None).collect();
        for (index, process) in self.chosen() {
            walkers[index] = Some(Walker::new(process, index, stops[index], self.device));
        }
        let place = |number: u32| self.overview.places.get(&number).copied();
        let mut replayed = pump(&self.input, &mut |replay, records| match place(replay.number())
            .and_then(|index| walkers[index].as_mut())
        {
            Some(walker) => walker.take(replay.account_mut(), records, each),
            None => Ok(()),
        })?;
        for replay in &mut replayed.processes {
            if let Some(walker) = place(replay.number()).and_then(|index| walkers[index].take()) {
                walker.end(replay.account_mut(), each)?;
            }
        }
        Ok(())
    }
}

/// One process on its way.
struct Walker<'a> {
    process: &'a ProcessInfo,
    index: usize,
    time_ns: u64,
    /// Events so far.
    number: u64,
    /// Records so far, before those at work.
    records: u64,
    /// The only device that is shown.
    device: Option<i32>,
    stop: Stop,
    changes: Vec<Change>,
    passed: Passed,
}

/// What of an account's marks and regions was shown.
#[derive(Debug, Default)]
struct Passed {
    marks: u64,
    regions_begun: u64,
    last_closed: Option<u64>,
}

impl<'a> Walker<'a> {
    fn new(process: &'a ProcessInfo, index: usize, stop: Stop, device: Option<i32>) -> Self {
        Self {
            process,
            index,
            time_ns: 0,
            number: 0,
            records: 0,
            device,
            stop,
            changes: Vec::new(),
            passed: Passed::default(),
        }
    }

    fn show(&self, kind: StepKind<'_>, each: &mut Watch<'_>) -> io::Result<()> {
        let Self { process, index, time_ns, number, .. } = *self;
        each(&Step { process, index, time_ns, number, kind })
    }

    fn take(&mut self, account: &mut Account, records: &[Record], each: &mut Watch<'_>) -> Result<(), Stopped> {
        account.ledger_mut().note_changes();
        one_by_one(account, records, |account, at, event| {
            self.time_ns = self.time_ns.max(self.process.time_ns(event.ticks));
            if matches!(event.kind, EventKind::Mark | EventKind::MarkMore) {
                account.apply(event, |_| None);
                self.pass(account, each)?;
                account.forget_old_marks(MARKS_SLACK);
            } else {
                self.apply(account, event, each)?;
            }
            self.number += 1;
            if self.stop == Stop::After(self.records + at as u64 + 1) {
                self.show_moment(account, each)?;
            }
            Ok(())
        })
        .map_err(Stopped::Writing)?;
        self.records += records.len() as u64;
        Ok(())
    }

    fn apply(&mut self, account: &mut Account, event: &Event, each: &mut Watch<'_>) -> io::Result<()> {
        let one;
        let (devices, allocator) = match event.target {
            Target::Device(ttmem_wire::ANY_DEVICE) if matches!(event.kind, EventKind::Free | EventKind::CbFreeAll) => {
                (&[][..], 0)
            }
            Target::Device(device) => {
                one = [device];
                (&one[..], 0)
            }
            Target::Pool(index) => match account.pool(index) {
                Some(pool) => (&pool.chips[..], pool.allocator),
                None => (&[][..], 0),
            },
        };
        let is_buffer = matches!(event.kind, EventKind::Allocate | EventKind::Free);
        let allocator = OnCore::from_code(event.extra).filter(|_| is_buffer).map_or(allocator, OnCore::code);
        if self.device.is_none_or(|device| devices.is_empty() || devices.contains(&device)) {
            self.show(StepKind::Event { event, devices, allocator }, each)?;
        }
        account.apply(event, |_| None);
        account.ledger_mut().take_changes(&mut self.changes);
        for change in self.changes.iter().filter(|change| self.device.is_none_or(|device| device == device_of(change)))
        {
            self.show(StepKind::Change(change), each)?;
        }
        Ok(())
    }

    /// Shows the mark, or the end of a region, that the last event completed, if it did.
    fn pass(&mut self, account: &Account, each: &mut Watch<'_>) -> io::Result<()> {
        let marks = account.marks_forgotten() + account.marks().len() as u64;
        if marks != self.passed.marks {
            self.passed.marks = marks;
            return account.marks().last().map_or(Ok(()), |mark| self.show(StepKind::Mark(&mark.name), each));
        }
        let spans = account.spans();
        let closed = spans.closed().next_back();
        if closed.map(|span| span.number) != self.passed.last_closed {
            self.passed.last_closed = closed.map(|span| span.number);
            return closed.map_or(Ok(()), |span| self.show(StepKind::RegionEnd(span), each));
        }
        let begun = self.passed.regions_begun;
        if let Some(span) = spans.find_open(|span| span.number > begun, account.ledger()) {
            self.passed.regions_begun = span.number;
            return self.show(StepKind::RegionBegin(&span), each);
        }
        Ok(())
    }

    fn show_moment(&self, account: &Account, each: &mut Watch<'_>) -> io::Result<()> {
        let (lives, footprints) = (self.lives(account), footprints(account.ledger(), self.device));
        self.show(StepKind::Moment { lives: &lives, footprints: &footprints }, each)
    }

    fn lives(&self, account: &Account) -> Vec<Life> {
        let mut lives = account.ledger().lives();
        lives.retain(|life| self.device.is_none_or(|device| device == life.region.device));
        lives
    }

    fn end(self, account: &Account, each: &mut Watch<'_>) -> io::Result<()> {
        match self.stop {
            Stop::AtEnd => self.show_moment(account, each)?,
            // Before the first event nothing is live.
            Stop::After(0) => self.show(StepKind::Moment { lives: &[], footprints: &BTreeMap::new() }, each)?,
            Stop::After(_) | Stop::Never => {}
        }
        self.show(StepKind::End(&self.lives(account)), each)
    }
}
