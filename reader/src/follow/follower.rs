//! Drains the rings of the process, and answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ttmem_ledger::RESERVED;
use ttmem_ring::remove_ring;

use super::{
    Target,
    answer::{self, Answer, Body, NowAnswer, RecordAnswer, RecordEndAnswer, RegionAnswer, VerdictAnswer},
    question::{Question, RegionKey, Subject, Unanswered},
    recording::Recording,
    region::RegionAnalysis,
};
use crate::{
    Counts, Failure, Session, SiteStyle, Suppressions, Symbols, Tell,
    analysis::Analysis,
    report::{EventCounts, Report, devices},
};

/// Allocations that a report lists, the largest: with their call sites, all of a large program would be an answer of 100 MB.
const ALLOCATIONS_LISTED: usize = 1000;
/// Between looks for rings that the process makes.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// While a mark is waited for.
const WAIT: Duration = Duration::from_micros(200);

/// Follows one process.
#[derive(Debug)]
pub struct Follower {
    target: Target,
    suppressions: Suppressions,
    sessions: Vec<Session>,
    known: BTreeSet<PathBuf>,
    /// Rings that could not be drained at the last look, and why.
    refused: BTreeMap<PathBuf, Failure>,
    looked: Option<Instant>,
    recording: Option<Recording>,
    /// Names of native functions, from one recording to the next.
    symbols: Symbols,
}

impl Follower {
    /// A follower, which judges by these suppressions; nothing is opened yet.
    pub fn new(target: Target, suppressions: Suppressions) -> Self {
        Self {
            target,
            suppressions,
            sessions: Vec::new(),
            known: BTreeSet::new(),
            refused: BTreeMap::new(),
            looked: None,
            recording: None,
            symbols: Symbols::default(),
        }
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
            events += match &mut self.recording {
                Some(recording) if !was_over => recording.recorder.advance(session),
                _ => session.advance(),
            };
            session.settle(None);
            if removes && session.is_over() && !was_over {
                // If it cannot be removed, it is known and will not be opened again.
                let _ = remove_ring(session.path());
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.recorder.note(&self.sessions);
        }
        events
    }

    fn look_for_rings(&mut self) {
        self.refused.clear();
        for path in self.target.rings() {
            if self.known.contains(&path) {
                continue;
            }
            match self.target.drain(&path) {
                Ok(session) => {
                    self.sessions.extend(session);
                    self.known.insert(path);
                }
                // A process removes its own ring if it has no events.
                Err(_) if self.target.pid().is_some() && !path.exists() => {}
                Err(why) => {
                    self.refused.insert(path, why);
                }
            }
        }
    }

    /// Why a ring of the process cannot be drained, if there is such a one.
    pub fn refusal(&self) -> Option<&Failure> {
        self.refused.values().next()
    }

    /// Whether the process is gone and all that it left was read.
    pub fn is_over(&self) -> bool {
        // A process may have given up its ring (exec) and run on.
        self.sessions.iter().all(Session::is_over) && (self.is_gone() || self.has_ended())
    }

    fn is_gone(&self) -> bool {
        match self.target.pid() {
            Some(pid) => !Path::new(&format!("/proc/{pid}")).exists(),
            None => !self.sessions.is_empty(),
        }
    }

    /// A process that nobody has waited for yet is still in /proc.
    fn has_ended(&self) -> bool {
        !self.sessions.is_empty() && self.sessions.iter().all(|session| session.is_over() && session.ended().is_some())
    }

    /// The first line: the protocol and the version.
    pub fn greeting(&self) -> String {
        serde_json::json!({ "hello": "ttmem-follow/1", "version": env!("CARGO_PKG_VERSION") }).to_string()
    }

    /// Answers one line with one line. May wait for a mark.
    pub fn answer(&mut self, line: &str) -> String {
        let question = Question::parse(line);
        let tag = question.as_ref().ok().and_then(|question| question.tag.clone());
        let body = question.and_then(|question| self.body(&question));
        let body = body.unwrap_or_else(|why| Body::Error { error: why.to_string() });
        Answer::new(body, tag, self.is_complete()).to_line()
    }

    /// Whether every event that was reported is in the sums.
    fn is_complete(&self) -> bool {
        let is_whole = |session: &Session| session.lost() == 0 && session.taken_elsewhere() == 0;
        self.refused.is_empty() && self.sessions.iter().all(is_whole)
    }

    fn body(&mut self, question: &Question) -> Result<Body, Unanswered> {
        self.advance();
        if let Some(mark) = &question.after {
            self.wait_for(mark, question.timeout())?;
        }
        Ok(match question.ask {
            Subject::Region => Body::Region(Box::new(self.region(&question.region()?)?)),
            Subject::Now => Body::Now(self.now()),
            Subject::Verdict => Body::Verdict(Box::new(self.verdict()?)),
            Subject::Report => {
                let mut report = self.report();
                for process in &mut report.processes {
                    process.live.truncate(ALLOCATIONS_LISTED);
                    process.released_at_close.truncate(ALLOCATIONS_LISTED);
                }
                Body::Report { report: Box::new(report) }
            }
            Subject::Record => {
                // One that has not ended ends here; what it lacks is no matter of this one.
                let _ = self.end_recording();
                let file = question.file()?;
                let symbols = std::mem::take(&mut self.symbols);
                let recording = Recording::begin(file, &self.sessions, symbols).map_err(Unanswered::Refused)?;
                self.recording = Some(recording);
                Body::Record(RecordAnswer { file: file.to_owned() })
            }
            Subject::RecordEnd => Body::RecordEnd(self.end_recording()?),
        })
    }

    /// Ends the recording, if one was begun.
    fn end_recording(&mut self) -> Result<RecordEndAnswer, Unanswered> {
        let recording = self.recording.take().ok_or(Unanswered::NoRecording)?;
        let (ended, symbols) = recording.end(&self.sessions);
        self.symbols = symbols;
        ended.map_err(Unanswered::Refused)
    }

    /// Ends all that is being written: nobody asks any more.
    pub fn finish(&mut self) {
        let _ = self.end_recording();
    }

    fn wait_for(&mut self, mark: &str, timeout: Duration) -> Result<(), Unanswered> {
        let deadline = Instant::now() + timeout;
        while !self.has_passed(mark) {
            if let Some(why) = self.refusal() {
                return Err(Unanswered::Refused(why.clone()));
            }
            if self.is_over() {
                return Err(Unanswered::Ended(mark.to_owned()));
            }
            if Instant::now() >= deadline {
                return Err(Unanswered::NotSeen(mark.to_owned(), timeout));
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

    fn region(&self, key: &RegionKey) -> Result<RegionAnswer, Unanswered> {
        let mut sessions = self.sessions.iter().rev();
        let found = sessions.find_map(|session| RegionAnalysis::find(session, key, &self.suppressions));
        let found = found.ok_or_else(|| Unanswered::NoRegion(key.clone()))?;
        Ok(RegionAnswer::new(&found, &self.suppressions))
    }

    fn now(&self) -> NowAnswer {
        let latest = self.sessions.last();
        let counts = self.sessions.iter().map(|session| session.told().counts).fold(Counts::default(), sum);
        NowAnswer {
            pid: self.target.pid().or_else(|| latest.map(|session| session.header().pid)).unwrap_or(0),
            alive: self.sessions.iter().any(|session| !session.is_over()),
            rings: answer::paths(&self.sessions),
            events: EventCounts::new(counts),
            devices: latest.map_or_else(Vec::new, |session| devices(&session.ledger().totals())),
            open_regions: latest.map_or_else(Vec::new, |session| {
                let account = session.account();
                account.spans().open(account.ledger()).map(|span| span.name).collect()
            }),
        }
    }

    /// Of a process that called exec, on what it is now.
    fn verdict(&self) -> Result<VerdictAnswer, Unanswered> {
        let Report { processes, suppressions, .. } = self.report();
        let verdict = processes.into_iter().next_back().and_then(|process| process.verdict);
        Ok(VerdictAnswer { verdict: verdict.ok_or(Unanswered::NoRing)?, suppressions })
    }

    fn report(&self) -> Report {
        let style = SiteStyle::default();
        Report::new(&Analysis::new(&self.sessions, &self.suppressions, style), style, None)
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        reported: a.reported + b.reported,
        drained: a.drained + b.drained,
        drained_elsewhere: a.drained_elsewhere + b.drained_elsewhere,
        restored: a.restored + b.restored,
        lost: a.lost + b.lost,
        pretended: a.pretended + b.pretended,
    }
}
