//! L1 that tt-metal hands out past its allocators, until it is given back. A release names a core, or a number of an arena, and no
//! address, so what was handed out is kept here. None of this is hot: a model does it some times in its life.

use std::sync::{Mutex, PoisonError};

use ttmem_wire::{Event, Pool, Target};

/// Bytes on one core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandedOut {
    /// The arena that they come from, and its number for them; zeroes for those of a service core.
    pub(crate) arena: (usize, u64),
    /// The event that reported them.
    pub(crate) event: Event,
}

/// All of a process.
#[derive(Debug, Default)]
pub(crate) struct PastAllocators(Mutex<Vec<HandedOut>>);

impl PastAllocators {
    /// Keeps what was handed out.
    pub(crate) fn add(&self, more: impl IntoIterator<Item = HandedOut>) {
        self.all().extend(more);
    }

    /// Takes out what is given back.
    pub(crate) fn take(&self, is_meant: impl Fn(&HandedOut) -> bool) -> Vec<Event> {
        self.all().extract_if(.., |one| is_meant(one)).map(|one| one.event).collect()
    }

    /// A device was closed, which frees all on its chips: what tt-metal destroys later is no further free. `pool` gives what a number
    /// stands for.
    pub(crate) fn forget(&self, closed: Target, pool: impl Fn(u32) -> Option<Pool>) {
        let chips = |target| match target {
            Target::Device(chip) => vec![chip],
            Target::Pool(number) => pool(number).map_or_else(Vec::new, |pool| pool.chips),
        };
        let closed = chips(closed);
        self.all().retain(|one| !chips(one.event.target).iter().any(|chip| closed.contains(chip)));
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<HandedOut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_chip_takes_along_what_lies_on_it() {
        let pool = |number| Some(Pool { allocator: 0, chips: [vec![0, 1], vec![1], vec![2]][number as usize].clone() });
        let past = PastAllocators::default();
        let on = |target, address| HandedOut { arena: (0, 0), event: Event { target, address, ..Event::default() } };
        past.add([on(Target::Pool(0), 1), on(Target::Device(1), 2), on(Target::Pool(2), 3)]);
        past.forget(Target::Pool(1), pool);
        let addresses = |events: Vec<Event>| events.iter().map(|event| event.address).collect::<Vec<_>>();
        assert_eq!(addresses(past.take(|_| true)), [3]);
        assert_eq!(addresses(past.take(|_| true)), [0; 0], "it is taken out once");
    }
}
