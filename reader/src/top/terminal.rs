//! The terminal, which is given back as it was: at the end, on an error, on a panic, on a signal.

use std::{
    io::{self, IsTerminal, Stdout, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use ratatui::{
    Frame,
    backend::CrosstermBackend,
    crossterm::{
        cursor::Show,
        event::{DisableMouseCapture, EnableMouseCapture},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

/// Whether the terminal is ours. Leaving twice would put the cursor back into what was written since.
/// SYNC: one thread draws; a panic or a hang-up noticed by another must only not leave twice, which the swap alone sees to.
static IS_ENTERED: AtomicBool = AtomicBool::new(false);

pub(super) struct Terminal(ratatui::Terminal<CrosstermBackend<Stdout>>);

impl Terminal {
    pub(super) fn enter() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // First: the message would be lost with the screen.
            leave();
            before(info);
        }));
        enable_raw_mode()?;
        IS_ENTERED.store(true, Ordering::Relaxed);
        execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture).inspect_err(|_| leave())?;
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(io::stdout())).inspect_err(|_| leave())?;
        Ok(Self(terminal))
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the terminal back, once.
pub(super) fn leave() {
    if !IS_ENTERED.swap(false, Ordering::Relaxed) {
        return;
    }
    // A terminal that is gone needs no care.
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
    let _ = io::stdout().flush();
}

/// A signal ends a wait: there is nothing to read, and the caller looks whether to stop.
pub(super) fn interrupted(error: io::Error) -> io::Result<bool> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) }
}

/// Whether there is a terminal to draw on.
pub(crate) fn is_there() -> bool {
    io::stdout().is_terminal() && io::stdin().is_terminal()
}
