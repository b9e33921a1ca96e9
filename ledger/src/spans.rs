//! Regions of a program: stretches between two marks of a reserved syntax (docs/python.md), each with a window on the
//! ledger. In this code such a region is called a span, since regions are what lives in memory.
//!
//! A reserved mark begins with U+001F, which no mark for people does:
//!
//! ```text
//! \x1fregion:begin:ID:NAME     a region begins; ID is the program's own, without a colon
//! \x1fregion:apart:ID:NAME     the same; what is made in it is not what regions around it leave behind
//! \x1fregion:end:ID            it ends
//! \x1fsync:TEXT                nothing but a moment, for who asks `ttmem follow`
//! \x1frefused:TEXT             why the allocator refused the thread last, where memory had not run out
//! \x1ffact:WHAT:VALUE          of the process itself, see [`crate::Facts`]
//! ```

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{Ledger, Window, WindowId, totals::is_count};

/// What every reserved mark begins with.
pub const RESERVED: char = '\u{1f}';

/// Closed spans that are kept: the latest. A program may run for days with a region in each step.
const MAX_CLOSED: usize = 10_000;
/// What one span left behind is listed so far, largest first; all of it is in the sums.
const MAX_LEFT_OF_ONE: usize = 256;
/// And of all spans together: the latest are listed.
const MAX_LEFT: usize = 20_000;
/// Moments that can still be asked for.
const MAX_MOMENTS: usize = 1024;

/// A region of the program that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Counts all spans of the process in the order in which they began, from 1.
    pub number: u64,
    /// What the program calls it among those that are open.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The thread that began it.
    pub thread: u32,
    /// The innermost span that the same thread had open when it began.
    pub parent: Option<u64>,
    /// How many were around it there.
    pub depth: u32,
    /// Whether what was made in it counts for no span around it.
    pub is_apart: bool,
    /// When it began, in ticks of the ring's clock.
    pub begin_ticks: u64,
    /// When it ended; `None` while it is open.
    pub end_ticks: Option<u64>,
    /// What it saw.
    pub window: Window,
}

#[derive(Debug, Serialize, Deserialize)]
struct Open {
    span: Span,
    window: WindowId,
}

/// All of a process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Spans {
    open: Vec<Open>,
    closed: VecDeque<Span>,
    begun: u64,
    not_listed: u64,
    not_measured: u64,
    left_listed: usize,
    moments: VecDeque<String>,
}

/// A reserved mark, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reserved<'a> {
    Begin {
        id: &'a str,
        name: &'a str,
        is_apart: bool,
    },
    End {
        id: &'a str,
    },
    Moment(&'a str),
    Refused(&'a str),
    /// Of a later version.
    Other,
}

fn reserved(mark: &str) -> Option<Reserved<'_>> {
    let text = mark.strip_prefix(RESERVED)?;
    let begin = |rest: &'_ str| rest.split_once(':').map(|(id, name)| (id.len(), name.len()));
    for (prefix, is_apart) in [("region:begin:", false), ("region:apart:", true)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && let Some((id, name)) = begin(rest)
        {
            return Some(Reserved::Begin { id: &rest[..id], name: &rest[rest.len() - name..], is_apart });
        }
    }
    if let Some(id) = text.strip_prefix("region:end:") {
        return Some(Reserved::End { id });
    }
    if let Some(reason) = text.strip_prefix("refused:") {
        return Some(Reserved::Refused(reason));
    }
    Some(text.strip_prefix("sync:").map_or(Reserved::Other, |_| Reserved::Moment(mark)))
}

impl Spans {
    /// Takes a mark if it is reserved; false if it is one for people.
    pub(crate) fn take(&mut self, mark: &str, ticks: u64, thread: u32, ledger: &mut Ledger) -> bool {
        match reserved(mark) {
            None => return false,
            Some(Reserved::Begin { id, name, is_apart }) => self.begin(id, name, is_apart, ticks, thread, ledger),
            Some(Reserved::End { id }) => self.end(id, ticks, ledger),
            Some(Reserved::Moment(name)) => {
                if self.moments.len() >= MAX_MOMENTS {
                    self.moments.pop_front();
                }
                self.moments.push_back(name.to_owned());
            }
            Some(Reserved::Refused(reason)) => ledger.explain_refusal(thread, reason),
            Some(Reserved::Other) => {}
        }
        true
    }

    fn begin(&mut self, id: &str, name: &str, is_apart: bool, ticks: u64, thread: u32, ledger: &mut Ledger) {
        let Some(window) = ledger.open_window(is_apart) else {
            self.not_measured += 1;
            return;
        };
        self.begun += 1;
        let around = || self.open.iter().filter(|open| open.span.thread == thread);
        let span = Span {
            number: self.begun,
            id: id.to_owned(),
            name: name.to_owned(),
            thread,
            parent: around().next_back().map(|open| open.span.number),
            depth: around().count() as u32,
            is_apart,
            begin_ticks: ticks,
            end_ticks: None,
            window: Window::default(),
        };
        self.open.push(Open { span, window });
    }

    fn end(&mut self, id: &str, ticks: u64, ledger: &mut Ledger) {
        // Its beginning may be lost, or not be measured.
        let Some(at) = self.open.iter().rposition(|open| open.span.id == id) else { return };
        let Open { mut span, window } = self.open.remove(at);
        span.end_ticks = Some(ticks);
        span.window = ledger.close_window(window).unwrap_or_default();
        span.window.left_behind.truncate(MAX_LEFT_OF_ONE);
        span.window.left_behind.shrink_to_fit();
        self.left_listed += span.window.left_behind.len();
        self.closed.push_back(span);
        self.tidy();
    }

    fn tidy(&mut self) {
        if self.closed.len() > MAX_CLOSED
            && let Some(oldest) = self.closed.pop_front()
        {
            self.left_listed -= oldest.window.left_behind.len();
            self.not_listed += 1;
        }
        let mut lists = self.closed.iter_mut().map(|span| &mut span.window.left_behind);
        while self.left_listed > MAX_LEFT
            && let Some(list) = lists.next()
        {
            self.left_listed -= std::mem::take(list).len();
        }
    }

    /// Whether what was read from a file is what events can give.
    pub(crate) fn is_sound(&self, ledger: &Ledger) -> bool {
        let listed: usize = self.closed.iter().map(|span| span.window.left_behind.len()).sum();
        listed == self.left_listed
            && self.closed.len() <= MAX_CLOSED
            && self.moments.len() <= MAX_MOMENTS
            && self.open.iter().all(|open| ledger.has_window(open.window))
            && [self.begun, self.not_listed, self.not_measured].into_iter().all(is_count)
    }

    /// The call sites that are named in what closed spans left behind.
    pub(crate) fn sites(&self) -> impl Iterator<Item = u32> {
        self.closed.iter().flat_map(|span| &span.window.left_behind).flat_map(crate::LiveRegion::labels)
    }

    /// Those that have ended, in the order of their ends; the latest 10,000.
    pub fn closed(&self) -> impl DoubleEndedIterator<Item = &Span> {
        self.closed.iter()
    }

    /// Those that are open, with what they have seen so far.
    pub fn open<'a>(&'a self, ledger: &'a Ledger) -> impl DoubleEndedIterator<Item = Span> + 'a {
        self.open.iter().map(|open| {
            let mut window = ledger.window(open.window).unwrap_or_default();
            window.left_behind.truncate(MAX_LEFT_OF_ONE);
            Span { window, ..open.span.clone() }
        })
    }

    /// One that is open: the youngest that fits.
    pub fn find_open(&self, fits: impl Fn(&Span) -> bool, ledger: &Ledger) -> Option<Span> {
        let open = self.open.iter().rev().find(|open| fits(&open.span))?;
        Some(Span { window: ledger.window(open.window).unwrap_or_default(), ..open.span.clone() })
    }

    /// Spans that ended and are no more listed.
    pub fn not_listed(&self) -> u64 {
        self.not_listed
    }

    /// Spans that began while too many were open.
    pub fn not_measured(&self) -> u64 {
        self.not_measured
    }

    /// Whether this reserved mark was passed, among the latest.
    pub fn has_moment(&self, mark: &str) -> bool {
        self.moments.iter().rev().any(|passed| passed == mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_marks_are_taken_apart_and_others_are_left() {
        let begin = Reserved::Begin { id: "p1", name: "a::b [x:y]", is_apart: false };
        assert_eq!(reserved("\u{1f}region:begin:p1:a::b [x:y]"), Some(begin));
        let apart = Reserved::Begin { id: "7", name: "", is_apart: true };
        assert_eq!(reserved("\u{1f}region:apart:7:"), Some(apart));
        assert_eq!(reserved("\u{1f}region:end:p1"), Some(Reserved::End { id: "p1" }));
        assert_eq!(reserved("\u{1f}region:begin:no name"), Some(Reserved::Other));
        assert_eq!(reserved("\u{1f}sync:1"), Some(Reserved::Moment("\u{1f}sync:1")));
        assert_eq!(reserved("region:begin:1:x"), None);
    }

    #[test]
    fn spans_nest_by_thread_and_the_past_is_bounded() {
        let (mut spans, mut ledger) = (Spans::default(), Ledger::new());
        for (thread, mark) in [
            (1, "\u{1f}region:begin:a:outer"),
            (2, "\u{1f}region:begin:b:other thread"),
            (1, "\u{1f}region:begin:c:inner"),
            (1, "\u{1f}region:end:a"),
            (1, "\u{1f}region:end:never began"),
        ] {
            assert!(spans.take(mark, 0, thread, &mut ledger));
        }
        assert_eq!(spans.closed().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["outer"]);
        let open: Vec<_> = spans.open(&ledger).map(|span| (span.number, span.parent, span.depth)).collect();
        assert_eq!(open, [(2, None, 0), (3, Some(1), 1)]);
        for _ in 0..MAX_CLOSED + 5 {
            spans.take("\u{1f}region:begin:x:step", 0, 1, &mut ledger);
            spans.take("\u{1f}region:end:x", 0, 1, &mut ledger);
        }
        assert_eq!((spans.closed().count(), spans.not_listed()), (MAX_CLOSED, 6));
    }
}
