//! Records of the shared stage and of all lanes, in an order that no thread can contradict; see `cut.rs`.

use ttmem_wire::RECORD_WORDS;

use crate::{
    Lane, MAX_LANES, Stage,
    cut::{Cut, Limit},
};

/// What the shared stage has to give, one after the other.
pub(crate) trait Shared {
    /// The number of the next that can be taken.
    fn peek(&mut self) -> Option<u64>;
    /// It was taken.
    fn pass(&mut self);
}

/// What a lane has to give.
#[derive(Clone, Debug)]
struct Part<'a> {
    index: usize,
    lane: Lane<'a>,
    next: u64,
    limit: Limit,
    newest: u64,
    /// The stamp of the next; [`NONE`] if nothing is left.
    stamp: u64,
}

/// Later than any stamp.
const NONE: u64 = u64::MAX;

impl Part<'_> {
    #[inline]
    fn pass(&mut self) {
        self.next += 1;
        self.look();
    }

    #[inline]
    fn look(&mut self) {
        let stamp = if self.next < self.limit.end { self.lane.stamp(self.next) } else { NONE };
        self.stamp = if self.limit.takes(self.next, self.newest, || stamp) { stamp } else { NONE };
    }
}

/// What all lanes have to give.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// Those that have something come first.
    parts: [Option<Part<'a>>; MAX_LANES],
}

impl<'a> Parts<'a> {
    /// From `next` up to `cut`.
    #[inline]
    pub(crate) fn new(stage: Stage<'a>, next: &[u64; MAX_LANES], cut: &Cut) -> Self {
        let mut parts = [const { None }; MAX_LANES];
        let ranges = next.iter().zip(&cut.lanes);
        let some = stage.lanes().iter().zip(ranges).enumerate().filter(|(_, (_, (next, limit)))| **next < limit.end);
        for (place, (index, (lane, (&next, &limit)))) in parts.iter_mut().zip(some) {
            let mut part = Part { index, lane, next, limit, newest: cut.newest, stamp: NONE };
            part.look();
            *place = Some(part);
        }
        Self { parts }
    }

    /// The one with the earliest record, if that is earlier than this; and the earliest stamp that is not that record's.
    #[inline]
    fn earliest(&mut self, mut earliest: u64) -> (Option<&mut Part<'a>>, u64) {
        let (mut first, mut until) = (None, NONE);
        for part in self.parts.iter_mut().map_while(Option::as_mut) {
            if part.stamp < earliest {
                (until, earliest) = (earliest, part.stamp);
                first = Some(part);
            } else {
                until = until.min(part.stamp);
            }
        }
        (first, until)
    }
}

/// Where a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The shared stage; the record's number there.
    Shared(u64),
    /// The lane of this index; the record's number there.
    Lane(usize, u64),
}

/// Gives all records to `take`, until it says no; that one was not taken then.
#[inline]
pub(crate) fn merge<'a>(
    stage: Stage<'a>,
    shared: &mut impl Shared,
    parts: &mut Parts<'a>,
    mut take: impl FnMut(Origin, [u64; RECORD_WORDS]) -> bool,
) {
    loop {
        let next = shared.peek();
        let (first, until) = parts.earliest(next.map_or(NONE, |number| stage.slot(number).stamp()));
        match (first, next) {
            (Some(part), _) => {
                while part.stamp <= until && part.stamp != NONE {
                    let number = part.next;
                    if !take(Origin::Lane(part.index, number), part.lane.copy(number)) {
                        return;
                    }
                    part.pass();
                }
            }
            (None, Some(_)) => {
                while let Some(number) = shared.peek() {
                    let slot = stage.slot(number);
                    if slot.stamp() > until {
                        break;
                    }
                    if !take(Origin::Shared(number), slot.copy_payload(number)) {
                        return;
                    }
                    shared.pass();
                }
            }
            (None, None) => return,
        }
    }
}
