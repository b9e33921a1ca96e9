//! How far a look into stage and lanes may go, such that nothing is missing that had happened before.
//!
//! Who takes an event has to take, before it, every event that had returned when this one began. In the shared stage numbers tell
//! that. Lanes are read one after the other, and while one is read, an event may end in a lane that was read before, and another
//! begin in the next. So events are taken out of lanes only up to a time that was over before the look began: the newest stamp
//! that some record had by then. Four steps, in this order:
//!
//! 1. How many numbers the shared stage has handed out. Those below are `sure`.
//! 2. How far each lane is published: what lies there is sure too. The newest stamp of all that is `newest`.
//! 3. The numbers of the shared stage again.
//! 4. How far each lane is published again. What came since steps 1 and 2 is taken up to `newest` alone.
//!
//! Say X had returned before Y began, so X has the lower stamp, and Y is taken.
//! * Y is sure: X was published before that was read, so steps 3 and 4 have it. If it came since, its stamp is still earlier than
//!   Y's, which is no later than `newest` where Y lies in a lane; and where Y lies in the stage, X was there before step 2.
//! * Y came since, so its stamp is no later than one that was seen in step 2: X, which is older, had returned before step 2 was over,
//!   so steps 3 and 4 have it, and its stamp is early enough.
//!
//! A clock that jumps back, as after the machine was suspended, can make the order wrong there, and keeps nothing back: what is sure is
//! taken whatever its stamp.
//!
//! What is taken is merged by its stamps. The shared stage goes by its numbers, which its stamps need not follow: a number that is
//! claimed later may have the earlier stamp. The next of each is compared, and that is enough: who stands before X in the stage
//! was claimed before X returned, so its stamp is lower than Y's too. The same holds for what stands there before X at the end.
//!
//! All this takes stamps to be of one clock, and each to be read once what came before it is done: see `Clock::now_in_order`.

use crate::{Lane, MAX_LANES, Stage};

/// How far all is to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// Numbers of the shared stage.
    pub(crate) shared: Limit,
    /// Numbers of each lane.
    pub(crate) lanes: [Limit; MAX_LANES],
    /// What is not sure is taken up to this stamp.
    pub(crate) newest: u64,
}

/// How far one place is to be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limit {
    /// What lies below is taken whatever its stamp.
    pub(crate) sure: u64,
    /// And from there on up to this, if it is not too new.
    pub(crate) end: u64,
}

impl Stage<'_> {
    /// The cut of now. `sure` (of step 1) is a number that [`Stage::claimed`] gave before; `next` is what the caller wants from each
    /// lane.
    #[inline]
    pub(crate) fn cut(&self, sure: u64, next: &[u64; MAX_LANES]) -> Cut {
        let mut cut = Cut::nothing(sure, next);
        let mut newest = None;
        for (lane, limit) in self.lanes().iter().zip(&mut cut.lanes) {
            let next = limit.sure;
            limit.sure = published(lane, next);
            // Where the flusher is overtaken meanwhile, this is the stamp of a later record, which began before this look too.
            newest = newest.max((limit.sure > next).then(|| lane.stamp(limit.sure - 1)));
        }
        if let Some(newest) = newest {
            cut.newest = newest;
            cut.shared.end = self.claimed().max(sure);
            self.lanes().iter().zip(&mut cut.lanes).for_each(|(lane, limit)| limit.end = published(lane, limit.sure));
        }
        cut
    }
}

impl Cut {
    /// The numbers of the shared stage below `sure`, and nothing of lanes.
    fn nothing(sure: u64, next: &[u64; MAX_LANES]) -> Self {
        let up_to = |sure| Limit { sure, end: sure };
        Self { shared: up_to(sure), lanes: next.map(up_to), newest: 0 }
    }

    /// All that there is, for a process that is dead.
    pub(crate) fn all(shared: u64, lanes: [u64; MAX_LANES]) -> Self {
        Self { newest: u64::MAX, ..Self::nothing(shared, &lanes) }
    }

    /// Whether lanes have anything to take behind `next`.
    pub(crate) fn has_more_than(&self, next: &[u64; MAX_LANES]) -> bool {
        self.lanes.iter().zip(next).any(|(limit, &next)| limit.end != next)
    }
}

impl Limit {
    /// Whether a record is to be taken.
    #[inline]
    pub(crate) fn takes(self, number: u64, newest: u64, stamp: impl FnOnce() -> u64) -> bool {
        number < self.sure || (number < self.end && stamp() <= newest)
    }
}

/// How far it is published. A count that cannot be (a hostile or damaged file) is as good as none.
#[inline]
fn published(lane: Lane<'_>, next: u64) -> u64 {
    let published = lane.published();
    if published.wrapping_sub(next) <= lane.capacity() as u64 { published } else { next }
}
