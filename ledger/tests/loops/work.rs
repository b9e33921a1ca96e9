//! What a loop does in an iteration.

use std::collections::VecDeque;

use crate::program::{Id, Program};

pub(crate) const KIB: u64 = 1024;
/// The source that is in question.
pub(crate) const SITE: u32 = 7;
pub(crate) const SIZE: u64 = 128 * KIB;

/// Weights, and in each iteration some activations and the work in question.
pub(crate) fn each(program: &mut Program, mut work: impl FnMut(&mut Program)) {
    (0..10).for_each(|_| _ = program.allocate(1, 512 * KIB));
    for _ in 0..program.iterations {
        program.temporary(2, 64 * KIB);
        work(program);
        program.temporary(3, 32 * KIB);
        program.end_iteration();
    }
}

/// Every so many births are kept, and the others freed.
pub(crate) fn every(program: &mut Program, nth: u64) {
    each(program, |program| {
        if program.iteration % nth == nth - 1 { program.leak(SITE, SIZE) } else { program.temporary(SITE, SIZE) }
    });
}

pub(crate) fn at_random(program: &mut Program, chance: f64) {
    each(
        program,
        |program| {
            if program.random.chance(chance) { program.leak(SITE, SIZE) } else { program.temporary(SITE, SIZE) }
        },
    );
}

/// From a part of the run on.
pub(crate) fn from(program: &mut Program, part: f64, nth: u64) {
    let start = (program.iterations as f64 * part) as u64;
    each(program, |program| {
        if program.iteration >= start && program.iteration % nth == 0 {
            program.leak(SITE, SIZE);
        } else {
            program.temporary(SITE, SIZE);
        }
    });
}

/// A ring of so many entries; `leaks` says of an entry whether what it held stays.
pub(crate) fn ring(program: &mut Program, entries: usize, chance: f64, leaks: fn(usize) -> bool) {
    let mut ring: Vec<Option<Id>> = vec![None; entries];
    let mut at = 0;
    each(program, |program| {
        if program.random.chance(chance) {
            let id = program.allocate(SITE, SIZE);
            // What is never freed is leaked from its birth on.
            if leaks(at) {
                program.note_leak(SITE, SIZE);
            } else if let Some(old) = ring[at].replace(id) {
                program.free(old);
            }
            at = (at + 1) % entries;
        }
    });
}

/// A working set whose size is a function of the iteration; the oldest go first.
pub(crate) fn breathing(program: &mut Program, leak_every: Option<u64>, size_of: impl Fn(&mut Program, u64) -> u64) {
    let mut set: VecDeque<Id> = VecDeque::new();
    let mut wanted = 20;
    each(program, |program| {
        wanted = size_of(program, wanted);
        if let Some(old) = set.pop_front() {
            program.free(old);
        }
        while (set.len() as u64) < wanted {
            let id = program.allocate(SITE, SIZE);
            set.push_back(id);
        }
        while set.len() as u64 > wanted {
            let at = program.random.below(set.len() as u64) as usize;
            if let Some(id) = set.remove(at) {
                program.free(id);
            }
        }
        if leak_every.is_some_and(|nth| program.iteration % nth == 0) {
            program.leak(SITE, SIZE);
        }
    });
}

pub(crate) fn sine(program: &mut Program, _: u64) -> u64 {
    (30.0 + 20.0 * (program.iteration as f64 / 3.0).sin()) as u64
}

pub(crate) fn walk(program: &mut Program, before: u64) -> u64 {
    (before + program.random.below(7)).saturating_sub(3).clamp(5, 60)
}

/// Collects, and gives everything back at once.
pub(crate) fn sawtooth(program: &mut Program, leak_every: Option<u64>, flushes: impl Fn(&mut Program) -> bool) {
    let mut collected = Vec::new();
    each(program, |program| {
        let id = program.allocate(SITE, SIZE);
        collected.push(id);
        if flushes(program) {
            collected.drain(..).for_each(|id| program.free(id));
        }
        if leak_every.is_some_and(|nth| program.iteration % nth == 0) {
            program.leak(SITE, SIZE);
        }
    });
}

/// Requests of random length, each with a buffer; one in so many never ends.
pub(crate) fn sessions(program: &mut Program, leaks: Option<f64>, lifetime: impl Fn(&mut Program) -> u64) {
    each(program, |program| {
        if leaks.is_some_and(|chance| program.random.chance(chance)) {
            program.leak(SITE, SIZE);
        } else {
            let lifetime = lifetime(program);
            program.allocate_for(SITE, SIZE, lifetime);
        }
    });
}

/// Weights that are replaced, all at once.
pub(crate) fn swapped(program: &mut Program, period: u64, leak_every: Option<u64>) {
    let mut weights: Vec<Id> = Vec::new();
    each(program, |program| {
        if program.iteration % period == 0 {
            weights.drain(..).for_each(|id| program.free(id));
            (0..20).for_each(|_| weights.push(program.allocate(SITE, SIZE)));
        }
        if leak_every.is_some_and(|nth| program.iteration % nth == 0) {
            program.leak(SITE, SIZE);
        }
    });
}

/// A pool that keeps as many as were ever wanted at a time.
pub(crate) fn pool(program: &mut Program, draws: u64) {
    let mut most = 0;
    each(program, |program| {
        let wanted = (0..draws).filter(|_| program.random.chance(0.5)).count() as u64;
        while most < wanted {
            program.allocate(SITE, SIZE);
            most += 1;
        }
    });
}

pub(crate) fn stops(program: &mut Program, part: f64, chance: f64) {
    let end = (program.iterations as f64 * part) as u64;
    each(program, |program| {
        if program.iteration < end && program.random.chance(chance) {
            program.allocate(SITE, SIZE);
        } else {
            program.temporary(SITE, SIZE);
        }
    });
}

/// Eight devices do the same; what is kept on the one of them is leaked.
pub(crate) fn devices(program: &mut Program, leaks_on: impl Fn(i32, &mut Program) -> bool) {
    let mut last: Vec<Id> = Vec::new();
    each(program, |program| {
        last.drain(..).for_each(|id| program.free(id));
        for device in 0..8 {
            if leaks_on(device, program) {
                program.leak_on(device, SITE, SIZE);
            } else {
                last.push(program.allocate_on(device, SITE, SIZE, 0));
            }
        }
    });
}

/// A model of twenty layers, whose outputs go in the next step.
pub(crate) fn layers(program: &mut Program, keeps_history: bool) {
    let mut outputs: Vec<Id> = Vec::new();
    each(program, |program| {
        for layer in 0..20 {
            let id = program.allocate(SITE, SIZE);
            if layer == 19 && keeps_history {
                program.note_leak(SITE, SIZE);
            } else {
                outputs.push(id);
            }
            if outputs.len() > 2 {
                program.free(outputs.remove(0));
            }
        }
    });
}

/// Tokens of a request each add to its cache, which goes with it.
pub(crate) fn tokens(program: &mut Program) {
    let mut cache: Vec<Id> = Vec::new();
    let mut left = 0;
    each(program, |program| {
        if left == 0 {
            cache.drain(..).for_each(|id| program.free(id));
            left = 4 + program.random.below(16);
        }
        left -= 1;
        let id = program.allocate(SITE, SIZE);
        cache.push(id);
    });
}

/// Which of the waiting work is done next.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Order {
    First,
    Last,
    Any,
}

/// Work that waits: so many arrive in an iteration, and so many are done. `backs_up` is how many more wait after each iteration.
pub(crate) fn queue(
    program: &mut Program,
    order: Order,
    backs_up: f64,
    arrive: impl Fn(&mut Program) -> u64,
    done: impl Fn(&mut Program) -> u64,
) {
    let mut waiting: VecDeque<Id> = VecDeque::new();
    each(program, |program| {
        for _ in 0..arrive(program) {
            waiting.push_back(program.allocate(SITE, SIZE));
        }
        if backs_up > 0.0 {
            program.note_leak(SITE, (SIZE as f64 * backs_up) as u64);
        }
        for _ in 0..done(program) {
            let at = match order {
                Order::First => 0,
                Order::Last => waiting.len().saturating_sub(1),
                Order::Any => program.random.below(waiting.len() as u64) as usize,
            };
            if let Some(id) = waiting.remove(at) {
                program.free(id);
            }
        }
    });
}

/// A cache without a limit, of which an entry in so many iterations is made invalid, or each after so many iterations.
pub(crate) fn invalidated(program: &mut Program, keys: u64, chance: f64, after: u64) {
    let mut cache: Vec<(u64, u64, Id)> = Vec::new();
    each(program, |program| {
        let key = program.random.below(keys);
        if cache.iter().all(|&(cached, ..)| cached != key) {
            cache.push((key, program.iteration, program.allocate(SITE, SIZE)));
        }
        if program.random.chance(chance) && !cache.is_empty() {
            let (.., id) = cache.swap_remove(program.random.below(cache.len() as u64) as usize);
            program.free(id);
        }
        let now = program.iteration;
        cache.retain(|&(_, born, id)| {
            let lives = now - born < after;
            if !lives {
                program.free(id);
            }
            lives
        });
    });
}

/// Ever new depths of a stack.
pub(crate) fn stack(program: &mut Program) {
    let mut stack: Vec<Id> = Vec::new();
    each(program, |program| {
        for _ in 0..program.random.below(4) {
            let id = program.allocate(SITE, SIZE);
            stack.push(id);
        }
        for _ in 0..program.random.below(4) {
            if let Some(id) = stack.pop() {
                program.free(id);
            }
        }
        while stack.len() > 40 {
            let id = stack.pop().expect("it is not empty");
            program.free(id);
        }
    });
}

/// One source that nobody can take apart: no call sites, and one size.
pub(crate) fn mixed(program: &mut Program, leak_every: Option<u64>) {
    let mut ring: VecDeque<Id> = VecDeque::new();
    let mut cached = 0;
    each(program, |program| {
        program.temporary(0, SIZE);
        let id = program.allocate(0, SIZE);
        ring.push_back(id);
        if ring.len() > 5
            && let Some(id) = ring.pop_front()
        {
            program.free(id);
        }
        if cached < 8 && program.random.chance(0.6) {
            cached += 1;
            program.allocate(0, SIZE);
        }
        if leak_every.is_some_and(|nth| program.iteration % nth == 0) {
            program.leak(0, SIZE);
        }
    });
}
