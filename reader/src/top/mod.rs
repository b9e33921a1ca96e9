//! `ttmem top`: what is held now, on a terminal. See docs/top.md.

mod bars;
mod draw;
mod hangup;
mod once;
mod state;
mod style;
mod terminal;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ratatui::crossterm::event;

pub use once::text;
pub use state::{Key, Mouse, State};
pub use style::Style;
pub(crate) use terminal::is_there as has_terminal;

use crate::{
    Failure, Lookout,
    view::{self, KindView, Ranks, View},
};

/// Between pictures.
const FRAME: Duration = Duration::from_millis(100);
/// Between counts of what is live, which take longer the more that is.
const KINDS_EVERY: Duration = Duration::from_secs(1);
/// Counting may take this part of the time.
const KINDS_SHARE: u32 = 100;
/// Kinds that are kept of each process.
const KINDS: usize = 200;

/// Looks, and keeps what takes long to find out.
#[derive(Debug)]
pub struct Watcher {
    lookout: Lookout,
    ranks: Ranks,
    kinds: Vec<KindView>,
    names: view::SiteNames,
    events: u64,
    counted_at_events: Option<u64>,
    next_count: Option<Instant>,
}

impl Watcher {
    /// Over these rings.
    pub fn new(lookout: Lookout) -> Self {
        Self {
            lookout,
            ranks: Ranks::default(),
            kinds: Vec::new(),
            names: view::SiteNames::default(),
            events: 0,
            counted_at_events: None,
            next_count: None,
        }
    }

    /// What is held now.
    pub fn look(&mut self) -> View {
        self.events += self.lookout.advance();
        let now = Instant::now();
        let is_due = self.next_count.is_none_or(|at| now >= at);
        let pids = self.lookout.sessions().len();
        if is_due && self.counted_at_events != Some(self.events) {
            self.kinds = view::kinds(self.lookout.sessions(), KINDS, &mut self.names);
            self.counted_at_events = Some(self.events);
            self.next_count = Some(now + KINDS_EVERY.max(now.elapsed() * KINDS_SHARE));
        } else if pids == 0 {
            self.kinds.clear();
        }
        let alive = |pid: u32| self.lookout.sessions().iter().any(|session| session.header().pid == pid);
        let kinds: Vec<KindView> = self.kinds.iter().filter(|kind| alive(kind.pid)).cloned().collect();
        View::new(self.lookout.sessions(), &mut self.ranks, kinds)
    }

    /// Rings that could not be read, a line each.
    pub fn complaints(&self) -> Vec<String> {
        self.lookout.complaints().collect()
    }
}

/// Shows it until the user, or a signal, ends it.
///
/// # Errors
/// Those of the terminal.
pub fn run(mut watcher: Watcher, style: Style) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("terminal: {error}"));
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(failed)?;
    }
    let mut terminal = terminal::Terminal::enter().map_err(failed)?;
    hangup::watch(Arc::clone(&stop)).map_err(failed)?;
    let mut state = State::new(style);
    let mut next = Instant::now();
    while !stop.load(Ordering::Relaxed) && !state.is_done() {
        if Instant::now() >= next {
            // Also while frozen: rings that nobody drains run full, and then it matters what was seen of them.
            state.show(watcher.look());
            next = Instant::now() + FRAME;
        }
        terminal.draw(|frame| draw::draw(frame, &mut state)).map_err(failed)?;
        // What a user does is shown at once, and what comes in one burst (a paste, a wheel) together.
        let mut wait = next.saturating_duration_since(Instant::now());
        while event::poll(wait).or_else(terminal::interrupted).map_err(failed)? {
            state.handle(&event::read().map_err(failed)?);
            wait = Duration::ZERO;
        }
    }
    Ok(())
}
