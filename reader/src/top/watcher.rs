//! Looks, and keeps what takes long to find out.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use super::detail::{self, Detail, Question};
use crate::{Failure, KindView, Lookout, ProcessName, Session, View, view};

/// Between counts of what is live, which take longer the more that is.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// Counting may take this part of the time.
const SHARE: u32 = 100;
/// Kinds that are kept of each process.
const KINDS: usize = 200;

/// Looks, and keeps what takes long to find out.
#[derive(Debug)]
pub struct Watcher {
    lookout: Lookout,
    kinds: Arc<[KindView]>,
    names: view::SiteNames,
    events: u64,
    counted: Counted,
    detail: Option<(Question, Option<Arc<Detail>>)>,
    detailed: Counted,
}

/// When something was counted, and when it may be again.
#[derive(Debug, Default)]
struct Counted {
    at_events: Option<u64>,
    next: Option<Instant>,
}

impl Counted {
    fn is_due(&self) -> bool {
        self.next.is_none_or(|at| Instant::now() >= at)
    }

    fn note(&mut self, events: u64, began: Instant) {
        *self = Self { at_events: Some(events), next: Some(began + COUNT_EVERY.max(began.elapsed() * SHARE)) };
    }
}

impl Watcher {
    /// Over these rings.
    pub fn new(lookout: Lookout) -> Self {
        Self {
            lookout,
            kinds: Arc::new([]),
            names: view::SiteNames::default(),
            events: 0,
            counted: Counted::default(),
            detail: None,
            detailed: Counted::default(),
        }
    }

    /// What is live now.
    pub fn look(&mut self) -> View {
        self.events += self.lookout.advance();
        if self.counted.at_events != Some(self.events) && self.counted.is_due() {
            let began = Instant::now();
            self.kinds = view::kinds(self.lookout.sessions(), KINDS, &mut self.names).into();
            self.counted.note(self.events, began);
        }
        let alive: BTreeSet<u32> = self.lookout.sessions().iter().map(|session| session.header().pid).collect();
        if self.kinds.iter().any(|kind| !alive.contains(&kind.pid)) {
            self.kinds = self.kinds.iter().filter(|kind| alive.contains(&kind.pid)).cloned().collect();
        }
        View::new(self.lookout.sessions(), self.kinds.clone())
    }

    /// The process of this name among those that were seen.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn pid(&self, name: &ProcessName) -> Result<u32, Failure> {
        let headers = self.lookout.sessions().iter().map(Session::header);
        name.pid(headers.map(|header| (header.pid, header.command.as_slice())))
    }

    /// The answer to what the user looks at; `None` where that is gone.
    pub fn detail(&mut self, question: Option<&Question>) -> Option<Arc<Detail>> {
        let Some(question) = question else {
            self.detail = None;
            return None;
        };
        let is_new = self.detail.as_ref().is_none_or(|(known, _)| known != question);
        // Without events too: what is live grows older.
        if is_new || self.detailed.is_due() {
            let began = Instant::now();
            let found = detail::detail(question, self.lookout.sessions(), &mut self.names);
            self.detail = Some((question.clone(), found.map(Arc::new)));
            self.detailed.note(self.events, began);
        }
        self.detail.as_ref().and_then(|(_, found)| found.clone())
    }

    /// Rings that could not be read, a line each.
    pub fn complaints(&self) -> Vec<String> {
        self.lookout.complaints().collect()
    }
}
