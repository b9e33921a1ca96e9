//! Ends the program when its terminal is gone: an SSH connection that dropped, a tmux that was killed.
//!
//! crossterm 0.29 reads a terminal that has hung up again and again and never returns from `event::poll`. So a thread of its own waits for the
//! hang-up, and ends the process where the main thread does not.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::terminal;

/// Between looks at `stop`.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
/// How long the main thread has for the end of a round.
const GRACE: Duration = Duration::from_millis(400);

/// Starts the thread. It sets `stop` when the terminal hangs up, and ends the process where `stop` is set and nothing follows.
pub(super) fn watch(stop: Arc<AtomicBool>) -> io::Result<()> {
    std::thread::Builder::new().name("hang-up".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) && !has_hung_up() {}
        // SYNC: a flag alone; the main loop reads nothing else that this thread writes.
        stop.store(true, Ordering::Relaxed);
        std::thread::sleep(GRACE);
        terminal::leave();
        std::process::exit(0);
    })?;
    Ok(())
}

fn has_hung_up() -> bool {
    let stdin = io::stdin();
    // A hang-up is reported whatever is asked for.
    let mut terminal = [PollFd::new(&stdin, PollFlags::empty())];
    match poll(&mut terminal, Some(&LOOK_EVERY)) {
        Ok(_) => terminal[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL),
        Err(error) => error != rustix::io::Errno::INTR,
    }
}
