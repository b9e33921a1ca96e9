//! `ttmem top`: what is live now, on a terminal. See docs/top.md.
//!
//! * [`Watcher`] looks at the rings; [`detail`] finds out what the user has opened;
//! * [`State`] is what is shown, and what keys and the mouse change of it;
//! * [`draw`] lays out the panels, of which [`panels`] draws one each.

mod bars;
mod detail;
mod draw;
#[cfg(test)]
mod example;
mod hangup;
mod history;
mod keys;
mod list;
mod once;
mod panels;
#[cfg(test)]
mod pictures;
mod state;
mod style;
mod terminal;
mod watcher;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ratatui::crossterm::event;

pub use detail::{AllocationsDetail, Detail, DeviceDetail, Question};
pub use once::text;
pub use state::State;
pub use style::Style;
pub(crate) use terminal::is_there as has_terminal;
pub use watcher::Watcher;

use crate::Failure;

/// Between pictures.
const FRAME: Duration = Duration::from_millis(100);

/// Shows it, or one process alone, until the user, or a signal, ends it.
///
/// # Errors
/// Those of the terminal.
pub fn run(mut watcher: Watcher, style: Style, only: Option<u32>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("terminal: {error}"));
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(failed)?;
    }
    let mut terminal = terminal::Terminal::enter().map_err(failed)?;
    hangup::watch(Arc::clone(&stop)).map_err(failed)?;
    let mut state = State::new(style, only);
    let start = Instant::now();
    let mut next = start;
    while !stop.load(Ordering::Relaxed) && !state.is_done() {
        if Instant::now() >= next {
            // Also while frozen: rings that nobody drains run full, and then it matters what was seen of them.
            state.show(watcher.look(), start.elapsed());
            state.complaints = watcher.complaints();
            state.detail = watcher.detail(state.question().as_ref());
            next = Instant::now() + FRAME;
        }
        terminal.draw(|frame| draw::draw(frame, &mut state)).map_err(failed)?;
        // What a user does is shown at once, and what comes in one burst (a paste, a wheel) together.
        let mut wait = next.saturating_duration_since(Instant::now());
        while event::poll(wait).or_else(terminal::interrupted).map_err(failed)? {
            let before = state.question();
            state.handle(&event::read().map_err(failed)?);
            if state.question() != before {
                state.detail = watcher.detail(state.question().as_ref());
            }
            wait = Duration::ZERO;
        }
    }
    Ok(())
}
