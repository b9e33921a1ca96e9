//! How far a long read is: a line on the terminal after a second, and gone when it is done. Where standard error is no
//! terminal there is none.

use std::{
    io::{self, IsTerminal, Read},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Who waits less sees nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Passes on what it reads, and tells how much of it there was.
pub(crate) struct Watched<R> {
    inner: R,
    name: String,
    bytes: u64,
    read: u64,
    since: Instant,
    /// `None` where nobody looks.
    bar: Option<ProgressBar>,
}

impl<R> Watched<R> {
    /// Reads `bytes` bytes in all, as far as is known, of what is called `name`.
    pub(crate) fn new(inner: R, name: String, bytes: u64) -> Self {
        let bar = io::stderr()
            .is_terminal()
            .then(|| ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden()));
        Self { inner, name, bytes, read: 0, since: Instant::now(), bar }
    }

    fn tell(&mut self, count: u64) {
        self.read += count;
        let Some(bar) = &self.bar else { return };
        if bar.is_hidden() {
            if self.since.elapsed() < PATIENCE {
                return;
            }
            bar.set_style(style());
            bar.set_message(self.name.clone());
            bar.set_position(self.read.min(self.bytes));
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        // A file that grows while it is read is not read more than whole.
        bar.set_position(self.read.min(self.bytes));
    }
}

fn style() -> ProgressStyle {
    let line = "ttmem: reading {wide_msg} {percent:>3} % of {total_bytes}, {eta} to go";
    ProgressStyle::with_template(line).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.tell(count as u64);
        Ok(count)
    }
}

impl<R> Drop for Watched<R> {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_there_is() {
        let mut watched = Watched::new(&b"some bytes"[..], "x".to_owned(), 4);
        let mut text = String::new();
        watched.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), watched.read), ("some bytes", 10));
    }
}
