//! The one line that the library may write: to standard error, once in a process and its forks.

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::config;

static SAID: AtomicBool = AtomicBool::new(false);

/// Room for the line: no heap, so that this works wherever the host may be.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.bytes.len() - 1 - self.length;
        let taken = text.len().min(room);
        if let (Some(to), Some(from)) =
            (self.bytes.get_mut(self.length..self.length + taken), text.as_bytes().get(..taken))
        {
            to.copy_from_slice(from);
            self.length += taken;
        }
        Ok(())
    }
}

/// Writes `ttmem: …` and a newline, unless a line was written before or the user wants none. One write, so that lines of
/// several processes do not mix; if it fails, there is nobody to tell.
#[cold]
pub(crate) fn once(message: fmt::Arguments<'_>) {
    if config::is_silent() || SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut line = Line { bytes: [0; 512], length: 0 };
    let _ = write!(line, "ttmem: {message}");
    if let Some(end) = line.bytes.get_mut(line.length) {
        *end = b'\n';
    }
    crate::thread::keeping_errno(|| {
        // SAFETY: the buffer is valid for `length + 1` bytes. A closed descriptor gives an error, a closed pipe would give
        // SIGPIPE, which `signals::without_sigpipe` keeps from the host.
        crate::signals::without_sigpipe(|| unsafe {
            libc::write(libc::STDERR_FILENO, line.bytes.as_ptr().cast(), line.length + 1);
        });
    });
}
