//! Regions of the program: two reserved marks each (docs/decisions/regions.md).

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use ttmem_wire::{MAX_MARK_BYTES, split_mark};

use crate::capture::{Site, guarded, record, tracker};

/// Regions that this process began. A forked child counts on: its ring has no region of its parent's.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// How a region counts for those around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What is left behind counts for the regions around it too.
    Within,
    /// It does not.
    Apart,
}

/// Begins a region; returns the number that ends it, or 0 where no events are taken.
pub(crate) fn begin(kind: Kind, name: &[u8]) -> u64 {
    let mut number = 0;
    guarded(|| {
        if let Some(tracker) = tracker() {
            number = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
            let word = if kind == Kind::Apart { "apart" } else { "begin" };
            let mark = Mark::new(format_args!("\x1fregion:{word}:r{number}:"), name);
            split_mark(mark.bytes()).for_each(|part| record(tracker, part, Site::Given));
        }
    });
    number
}

/// Ends a region; 0 does nothing.
pub(crate) fn end(number: u64) {
    if number == 0 {
        return;
    }
    guarded(|| {
        if let Some(tracker) = tracker() {
            let mark = Mark::new(format_args!("\x1fregion:end:r{number}"), b"");
            split_mark(mark.bytes()).for_each(|part| record(tracker, part, Site::Given));
        }
    });
}

/// The name of a mark, made without the heap.
struct Mark {
    bytes: [u8; MAX_MARK_BYTES],
    length: usize,
}

impl Mark {
    /// `head`, and as much of `name` as a mark has room for, cut between characters.
    fn new(head: fmt::Arguments<'_>, name: &[u8]) -> Self {
        let mut mark = Self { bytes: [0; MAX_MARK_BYTES], length: 0 };
        // The head is short, and fits.
        let _ = mark.write_fmt(head);
        let mut taken = name.len().min(MAX_MARK_BYTES - mark.length);
        // Of a character that does not fit, its first bytes neither.
        while taken > 0 && name.get(taken).is_some_and(|byte| byte & 0xC0 == 0x80) {
            taken -= 1;
        }
        mark.push(&name[..taken]);
        mark
    }

    /// Adds bytes that fit.
    fn push(&mut self, bytes: &[u8]) {
        let taken = bytes.len().min(MAX_MARK_BYTES - self.length);
        self.bytes[self.length..][..taken].copy_from_slice(&bytes[..taken]);
        self.length += taken;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Write for Mark {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let mark = Mark::new(format_args!("{}:", "x".repeat(250)), "ab\u{e9}cd".as_bytes());
        assert_eq!(&mark.bytes()[250..], ":ab\u{e9}".as_bytes());
        let mark = Mark::new(format_args!("{}:", "x".repeat(251)), "ab\u{e9}cd".as_bytes());
        assert_eq!(&mark.bytes()[251..], b":ab");
        assert_eq!(Mark::new(format_args!("head"), b"").bytes(), b"head");
    }
}
