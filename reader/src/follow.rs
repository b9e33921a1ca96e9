//! Follows one process while it runs, and answers questions about it: the protocol of docs/follow.md, without its pipes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ttmem_ledger::{RESERVED, Span};
use ttmem_ring::{RING_EXTENSION, RingReader, discover, remove_ring};

use crate::{
    Session, SiteStyle, Suppressions, Tell,
    analysis::{Analysis, Interner, Refusal, Region},
    report::{Context, DeviceReport, EventCounts, OutOfMemoryReport, Report, SpanReport, devices, terse},
};

/// How long an answer waits for its mark if the asker does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Regions that a report lists, the largest: with their call sites, all of a large program would be an answer of 100 MB.
const REGIONS_TOLD: usize = 1000;
/// Refusals that an answer about a region has, the latest.
const REFUSALS_TOLD: usize = 16;
/// Between looks for rings that the process makes.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// While a mark is waited for.
const WAIT: Duration = Duration::from_micros(200);

/// Whom to follow.
#[derive(Clone, Debug)]
pub enum Target {
    /// The process with this id, by any ring of it in these folders, those to come included. Rings that were drained to
    /// their end are removed.
    Process {
        /// Its id.
        pid: u32,
        /// Where it may make rings.
        folders: Vec<PathBuf>,
    },
    /// The process of this ring.
    Ring(PathBuf),
}

/// A question.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    ask: What,
    /// Comes back in the answer.
    #[serde(default)]
    tag: Option<Value>,
    /// Answer once this mark was seen.
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    /// Of a region: what the program calls it.
    #[serde(default)]
    id: Option<String>,
    /// Or its name.
    #[serde(default)]
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Region,
    Now,
    Report,
}

/// What every answer has.
#[derive(Debug, Serialize)]
struct Answer {
    answer: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Value>,
    /// Whether every event that the process reported is in the sums.
    complete: bool,
    #[serde(flatten)]
    body: Body,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body {
    Error {
        error: String,
    },
    Region {
        region: Box<SpanReport>,
        /// Regions inside it that have ended, in the order of their ends.
        nested: Vec<SpanReport>,
        /// What was refused in that time, the latest.
        out_of_memory: Vec<OutOfMemoryReport>,
        /// The last of it, told to people.
        #[serde(skip_serializing_if = "Option::is_none")]
        out_of_memory_text: Option<String>,
    },
    Now {
        pid: u32,
        alive: bool,
        rings: Vec<String>,
        events: EventCounts,
        devices: Vec<DeviceReport>,
        /// Names of the regions that are open, outermost first.
        open_regions: Vec<String>,
    },
    Report {
        report: Box<Report>,
    },
}

/// Follows one process.
#[derive(Debug)]
pub struct Follower {
    target: Target,
    sessions: Vec<Session>,
    known: BTreeSet<PathBuf>,
    /// Rings that could not be had at the last look, and why.
    refused: BTreeMap<PathBuf, String>,
    looked: Option<Instant>,
}

impl Follower {
    /// A follower; nothing is opened yet.
    pub fn new(target: Target) -> Self {
        Self { target, sessions: Vec::new(), known: BTreeSet::new(), refused: BTreeMap::new(), looked: None }
    }

    /// Drains what has come; returns how many events.
    pub fn advance(&mut self) -> u64 {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.look_for_rings();
            self.looked = Some(Instant::now());
        }
        let removes = matches!(self.target, Target::Process { .. });
        let mut events = 0;
        for session in &mut self.sessions {
            let was_over = session.is_over();
            events += session.advance();
            session.settle(None);
            if removes && session.is_over() && !was_over {
                // If it cannot be removed, it is known and will not be opened again.
                let _ = remove_ring(session.path());
            }
        }
        events
    }

    fn look_for_rings(&mut self) {
        let (paths, pid) = match &self.target {
            Target::Ring(path) => (vec![path.clone()], None),
            Target::Process { pid, folders } => {
                (folders.iter().flat_map(|folder| rings_of(*pid, folder)).collect(), Some(*pid))
            }
        };
        self.refused.clear();
        for path in paths {
            if self.known.contains(&path) {
                continue;
            }
            match open(&path, pid) {
                Ok(Some(session)) => {
                    self.sessions.push(session);
                    self.known.insert(path);
                }
                // Of an earlier process that had the same number.
                Ok(None) => {
                    self.known.insert(path);
                }
                Err(_) if pid.is_some() && !path.exists() => {}
                Err(why) => {
                    self.refused.insert(path, why);
                }
            }
        }
    }

    /// Why a ring of the process cannot be drained, if there is such a one.
    pub fn refusal(&self) -> Option<String> {
        self.refused.iter().next().map(|(path, why)| format!("{}: {why}", path.display()))
    }

    /// Whether the process is gone and all that it left was read.
    pub fn is_over(&self) -> bool {
        let is_gone = match &self.target {
            Target::Process { pid, .. } => !Path::new(&format!("/proc/{pid}")).exists(),
            Target::Ring(_) => !self.sessions.is_empty(),
        };
        // A process may have let go of its ring (exec) and run on.
        self.sessions.iter().all(Session::is_over) && (is_gone || self.was_process_ended())
    }

    /// One that nobody has waited for yet is still in /proc.
    fn was_process_ended(&self) -> bool {
        !self.sessions.is_empty() && self.sessions.iter().all(|session| session.is_over() && session.ended().is_some())
    }

    /// The first line: whom, and by which version.
    pub fn greeting(&self) -> String {
        serde_json::json!({ "hello": "ttmem-follow/1", "version": env!("CARGO_PKG_VERSION") }).to_string()
    }

    /// Answers one line with one line. May wait for a mark.
    pub fn answer(&mut self, line: &str) -> String {
        let ask: Ask = match serde_json::from_str(line) {
            Ok(ask) => ask,
            Err(why) => return self.tell("error", None, Body::Error { error: format!("not a question: {why}") }),
        };
        let tag = ask.tag.clone();
        match self.body(&ask) {
            Ok(body) => {
                let kind = match ask.ask {
                    What::Region => "region",
                    What::Now => "now",
                    What::Report => "report",
                };
                self.tell(kind, tag, body)
            }
            Err(error) => self.tell("error", tag, Body::Error { error }),
        }
    }

    fn tell(&self, answer: &'static str, tag: Option<Value>, body: Body) -> String {
        let is_whole = |session: &Session| session.lost() == 0 && session.taken_elsewhere() == 0;
        let complete = self.refused.is_empty() && self.sessions.iter().all(is_whole);
        serde_json::to_string(&Answer { answer, tag, complete, body }).unwrap_or_default()
    }

    fn body(&mut self, ask: &Ask) -> Result<Body, String> {
        self.advance();
        if let Some(mark) = &ask.after {
            self.wait_for(mark, ask.timeout_ms.map_or(TIMEOUT, Duration::from_millis))?;
        }
        match ask.ask {
            What::Now => Ok(self.now()),
            What::Report => {
                let style = SiteStyle::default();
                let analysis = Analysis::new(&self.sessions, &Suppressions::default(), style);
                let mut report = Report::new(&analysis, style, None);
                for process in &mut report.processes {
                    process.live.truncate(REGIONS_TOLD);
                    process.released_at_close.truncate(REGIONS_TOLD);
                }
                Ok(Body::Report { report: Box::new(report) })
            }
            What::Region => self.region(ask),
        }
    }

    fn wait_for(&mut self, mark: &str, timeout: Duration) -> Result<(), String> {
        let deadline = Instant::now() + timeout;
        while !self.has_passed(mark) {
            if let Some(why) = self.refusal() {
                return Err(why);
            }
            if self.is_over() {
                return Err("the process is gone, and did not pass that mark".to_owned());
            }
            if Instant::now() >= deadline {
                return Err(format!("that mark was not seen within {} ms", timeout.as_millis()));
            }
            if self.advance() == 0 {
                std::thread::sleep(WAIT);
            }
        }
        Ok(())
    }

    fn has_passed(&self, mark: &str) -> bool {
        self.sessions.iter().rev().any(|session| {
            if mark.starts_with(RESERVED) {
                session.account().spans().has_moment(mark)
            } else {
                session.marks().iter().rev().any(|passed| passed.name == mark)
            }
        })
    }

    fn now(&self) -> Body {
        let told: Vec<_> = self.sessions.iter().map(Tell::told).collect();
        let sum = |count: &dyn Fn(&crate::Told<'_>) -> u64| told.iter().map(count).sum();
        let latest = self.sessions.last();
        Body::Now {
            pid: match (&self.target, latest) {
                (Target::Process { pid, .. }, _) => *pid,
                (_, latest) => latest.map_or(0, |session| session.header().pid),
            },
            alive: self.sessions.iter().any(|session| !session.is_over()),
            rings: self.sessions.iter().map(|session| session.path().display().to_string()).collect(),
            events: EventCounts {
                reported: sum(&|told| told.counts.reported),
                drained: sum(&|told| told.counts.drained),
                drained_elsewhere: sum(&|told| told.counts.drained_elsewhere),
                restored: sum(&|told| told.counts.restored),
                lost: sum(&|told| told.counts.lost),
            },
            devices: latest.map_or_else(Vec::new, |session| devices(&session.ledger().totals())),
            open_regions: latest.map_or_else(Vec::new, |session| {
                let account = session.account();
                account.spans().open(account.ledger()).map(|span| span.name).collect()
            }),
        }
    }

    fn region(&self, ask: &Ask) -> Result<Body, String> {
        let fits = |span: &Span| match (&ask.id, &ask.name) {
            (Some(id), None) => span.id == *id,
            (None, Some(name)) => span.name == *name,
            (Some(id), Some(name)) => span.id == *id && span.name == *name,
            (None, None) => false,
        };
        for session in self.sessions.iter().rev() {
            let (account, clock) = (session.account(), session.clock());
            let spans = account.spans();
            let open = spans.find_open(fits, account.ledger());
            let Some(span) = open.or_else(|| spans.closed().rev().find(|span| fits(span)).cloned()) else { continue };
            let mut inside = BTreeSet::from([span.number]);
            // What is inside ended before, or is open still; its number is higher than that of what is around it.
            let mut nested: Vec<&Span> = spans.closed().filter(|other| other.number > span.number).collect();
            nested.sort_by_key(|other| other.number);
            nested.retain(|other| {
                let is_inside = other.parent.is_some_and(|parent| inside.contains(&parent));
                is_inside && inside.insert(other.number)
            });
            let interner = Interner::default();
            let sites = interner.of_process(account.sites(), SiteStyle::default());
            let was_within = |ticks: u64| ticks >= span.begin_ticks && span.end_ticks.is_none_or(|end| ticks <= end);
            let refused = account.ledger().out_of_memory().iter().filter(|refused| was_within(refused.ticks));
            let mut refusals: Vec<Refusal> =
                refused.rev().take(REFUSALS_TOLD).map(|refused| Refusal::new(refused, &clock, &sites)).collect();
            refusals.reverse();
            let context = Context::plain();
            let report = |span: &Span| SpanReport::new(&Region::new(span, &clock, &sites), &context);
            return Ok(Body::Region {
                out_of_memory_text: terse(&refusals),
                out_of_memory: refusals.iter().map(|refusal| OutOfMemoryReport::new(refusal, &context)).collect(),
                region: Box::new(report(&span)),
                nested: nested.into_iter().map(report).collect(),
            });
        }
        Err(match (&ask.id, &ask.name) {
            (None, None) => "say which region: \"id\" or \"name\"".to_owned(),
            _ => "no such region was begun".to_owned(),
        })
    }
}

/// The ring files of a process in a folder: their names begin with its id.
fn rings_of(pid: u32, folder: &Path) -> Vec<PathBuf> {
    let begin = format!("{pid}-");
    let is_its = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&begin) && name.ends_with(RING_EXTENSION)
    };
    discover(folder).unwrap_or_default().into_iter().filter(is_its).collect()
}

fn open(path: &Path, pid: Option<u32>) -> Result<Option<Session>, String> {
    let ring = RingReader::open(path).map_err(|error| error.to_string())?;
    if pid.is_some_and(|pid| ring.header().pid != pid || !ring.is_alive()) {
        return Ok(None);
    }
    Session::draining(ring, false).map(Some).map_err(|error| error.to_string())
}
