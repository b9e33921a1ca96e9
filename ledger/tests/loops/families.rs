//! Loops with a label: what each does is all in its function.

use std::collections::{HashMap, VecDeque};

use crate::program::{Id, Program};

/// A kind of loop.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) leaks: bool,
    /// Some of its runs look like the other kind in every respect: a leak may be undecided, and few clean ones a leak.
    pub(crate) is_ambiguous: bool,
    run: fn(&mut Program),
}

impl Family {
    pub(crate) fn run(&self, program: &mut Program) {
        (self.run)(program);
    }
}

const KIB: u64 = 1024;
/// The source that is in question.
const SITE: u32 = 7;
const SIZE: u64 = 128 * KIB;

/// Weights, and in each iteration some activations and the work in question.
fn each(program: &mut Program, mut work: impl FnMut(&mut Program)) {
    (0..10).for_each(|_| _ = program.allocate(1, 512 * KIB));
    for _ in 0..program.iterations {
        program.temporary(2, 64 * KIB);
        work(program);
        program.temporary(3, 32 * KIB);
        program.end_iteration();
    }
}

/// Every so many births are kept, and the others freed.
fn every(program: &mut Program, nth: u64) {
    each(program, |program| {
        if program.iteration % nth == nth - 1 { program.leak(SITE, SIZE) } else { program.temporary(SITE, SIZE) }
    });
}

fn at_random(program: &mut Program, chance: f64) {
    each(
        program,
        |program| {
            if program.random.chance(chance) { program.leak(SITE, SIZE) } else { program.temporary(SITE, SIZE) }
        },
    );
}

/// From a part of the run on.
fn from(program: &mut Program, part: f64, nth: u64) {
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
fn ring(program: &mut Program, entries: usize, chance: f64, leaks: fn(usize) -> bool) {
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
fn breathing(program: &mut Program, leak_every: Option<u64>, size_of: impl Fn(&mut Program, u64) -> u64) {
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

fn sine(program: &mut Program, _: u64) -> u64 {
    (30.0 + 20.0 * (program.iteration as f64 / 3.0).sin()) as u64
}

fn walk(program: &mut Program, before: u64) -> u64 {
    (before + program.random.below(7)).saturating_sub(3).clamp(5, 60)
}

/// How keys are drawn.
#[derive(Clone, Copy, PartialEq)]
enum Keys {
    Uniform,
    Zipf,
}

fn key(program: &mut Program, keys: Keys, count: u64) -> u64 {
    if keys == Keys::Uniform {
        return program.random.below(count);
    }
    let all: f64 = (1..=count).map(|rank| 1.0 / rank as f64).sum();
    let mut drawn = program.random.part() * all;
    (1..count)
        .find(|&rank| {
            drawn -= 1.0 / rank as f64;
            drawn <= 0.0
        })
        .unwrap_or(count)
        - 1
}

/// A cache without a limit, whose keys are so many that it fills.
fn cache(program: &mut Program, keys: Keys, count: u64, same_size: bool) {
    let mut cache: HashMap<u64, Id> = HashMap::new();
    each(program, |program| {
        let key = key(program, keys, count);
        let size = if same_size { SIZE } else { 32 * KIB * (key + 1) };
        cache.entry(key).or_insert_with(|| program.allocate(SITE, size));
    });
}

fn lru(program: &mut Program, keys: Keys, count: u64, capacity: usize, same_size: bool, leak_every: Option<u64>) {
    let mut cache: VecDeque<(u64, Id)> = VecDeque::new();
    each(program, |program| {
        let key = key(program, keys, count);
        if let Some(at) = cache.iter().position(|&(cached, _)| cached == key) {
            let entry = cache.remove(at).expect("it is there");
            cache.push_back(entry);
        } else {
            if cache.len() == capacity
                && let Some((_, id)) = cache.pop_front()
            {
                program.free(id);
            }
            let id = program.allocate(SITE, if same_size { SIZE } else { 32 * KIB * (key + 1) });
            cache.push_back((key, id));
        }
        if leak_every.is_some_and(|nth| program.iteration % nth == 0) {
            program.leak(SITE, SIZE);
        }
    });
}

/// Collects, and gives everything back at once.
fn sawtooth(program: &mut Program, leak_every: Option<u64>, flushes: impl Fn(&mut Program) -> bool) {
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
fn sessions(program: &mut Program, leaks: Option<f64>, lifetime: impl Fn(&mut Program) -> u64) {
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
fn swapped(program: &mut Program, period: u64, leak_every: Option<u64>) {
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
fn pool(program: &mut Program, draws: u64) {
    let mut most = 0;
    each(program, |program| {
        let wanted = (0..draws).filter(|_| program.random.chance(0.5)).count() as u64;
        while most < wanted {
            program.allocate(SITE, SIZE);
            most += 1;
        }
    });
}

fn stops(program: &mut Program, part: f64, chance: f64) {
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
fn devices(program: &mut Program, leaks_on: impl Fn(i32, &mut Program) -> bool) {
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
fn layers(program: &mut Program, keeps_history: bool) {
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
fn tokens(program: &mut Program) {
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

/// Ever new depths of a stack.
fn stack(program: &mut Program) {
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
fn mixed(program: &mut Program, leak_every: Option<u64>) {
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

const fn leak(name: &'static str, run: fn(&mut Program)) -> Family {
    Family { name, leaks: true, is_ambiguous: false, run }
}

const fn clean(name: &'static str, run: fn(&mut Program)) -> Family {
    Family { name, leaks: false, is_ambiguous: false, run }
}

const fn ambiguous(family: Family) -> Family {
    Family { is_ambiguous: true, ..family }
}

pub(crate) const FAMILIES: &[Family] = &[
    leak("leak, each iteration", |p| every(p, 1)),
    leak("leak, each iteration, and nothing else of it", |p| each(p, |p| p.leak(SITE, SIZE))),
    leak("leak, every 3rd birth", |p| every(p, 3)),
    leak("leak, every 7th birth", |p| every(p, 7)),
    leak("leak, every 10th birth", |p| every(p, 10)),
    leak("leak, every 25th birth", |p| every(p, 25)),
    leak("leak, one birth in 3 at random", |p| at_random(p, 1.0 / 3.0)),
    leak("leak, one birth in 7 at random", |p| at_random(p, 1.0 / 7.0)),
    leak("leak, one birth in 20 at random", |p| at_random(p, 0.05)),
    leak("leak, every 5th iteration, and nothing else of it", |p| {
        each(p, |p| {
            if p.iteration % 5 == 0 {
                p.leak(SITE, SIZE)
            }
        });
    }),
    // A cache with random keys does the same.
    ambiguous(leak("leak, one iteration in 3 at random, and nothing else of it", |p| {
        each(p, |p| {
            if p.random.chance(1.0 / 3.0) {
                p.leak(SITE, SIZE)
            }
        });
    })),
    leak("leak, one of six entries of a ring", |p| ring(p, 6, 1.0, |at| at == 3)),
    leak("leak, one of six entries of a ring that turns at random", |p| ring(p, 6, 0.7, |at| at == 3)),
    leak("leak, beside a working set that breathes", |p| breathing(p, Some(4), sine)),
    ambiguous(leak("leak, beside a working set that walks", |p| breathing(p, Some(4), walk))),
    leak("leak, on device 5 of 8", |p| devices(p, |device, p| device == 5 && p.iteration % 3 == 0)),
    leak("leak, on each of 8 devices", |p| devices(p, |_, p| p.iteration % 4 == 0)),
    leak("leak, from a third on", |p| from(p, 1.0 / 3.0, 1)),
    leak("leak, from a half on, every 3rd", |p| from(p, 0.5, 3)),
    leak("leak, from two thirds on", |p| from(p, 2.0 / 3.0, 1)),
    leak("leak, of random sizes", |p| {
        each(p, |p| {
            let size = 32 * KIB * (1 + p.random.below(64));
            if p.iteration % 4 == 0 { p.leak(SITE, size) } else { p.temporary(SITE, size) }
        });
    }),
    leak("leak, each of another size", |p| each(p, |p| p.leak(SITE, 32 * KIB * (p.iteration + 1)))),
    leak("leak, in bursts", |p| {
        each(p, |p| {
            p.temporary(SITE, SIZE);
            if p.iteration % 5 == 0 {
                (0..10).for_each(|_| p.leak(SITE, SIZE));
            }
        });
    }),
    leak("leak, after a cache filled", |p| {
        each(p, |p| match p.iteration {
            0..10 => _ = p.allocate(SITE, SIZE),
            at if at % 4 == 0 => p.leak(SITE, SIZE),
            _ => p.temporary(SITE, SIZE),
        });
    }),
    ambiguous(leak("leak, beside an LRU", |p| lru(p, Keys::Zipf, 64, 8, true, Some(3)))),
    leak("leak, beside a sawtooth", |p| sawtooth(p, Some(2), |p| p.iteration % 8 == 7)),
    leak("leak, beside weights that are swapped", |p| swapped(p, 12, Some(2))),
    leak("leak, beside a double buffer", |p| {
        sessions(p, None, |p| {
            if p.iteration % 3 == 0 {
                p.leak(SITE, SIZE);
            }
            1
        });
    }),
    leak("leak, of a model's last output", |p| layers(p, true)),
    leak("leak, of sessions that never end", |p| sessions(p, Some(0.2), |p| 2 + p.random.below(6))),
    ambiguous(leak("leak, of sessions of exponential length", |p| sessions(p, Some(0.2), |p| p.random.lifetime(3.0)))),
    leak("leak, in one of many threads", |p| {
        p.disorder = 300;
        sessions(p, Some(0.25), |p| p.random.below(3));
    }),
    leak("leak, without call sites", |p| mixed(p, Some(3))),
    leak("leak, as a server does", |p| {
        let mut caches = VecDeque::new();
        each(p, |p| {
            let size = SIZE * (1 + p.iteration % 3);
            let id = p.allocate(SITE, size);
            if p.iteration % 4 == 3 {
                p.note_leak(SITE, size)
            } else {
                caches.push_back(id)
            }
            if caches.len() > 3
                && let Some(id) = caches.pop_front()
            {
                p.free(id);
            }
        });
    }),
    clean("working set", |p| each(p, |_| ())),
    clean("temporaries of random sizes", |p| {
        each(p, |p| {
            let size = 32 * KIB * (1 + p.random.below(64));
            p.temporary(SITE, size);
        });
    }),
    clean("ring of 6", |p| ring(p, 6, 1.0, |_| false)),
    clean("ring of 32", |p| ring(p, 32, 1.0, |_| false)),
    clean("ring of 6 that turns at random", |p| ring(p, 6, 0.3, |_| false)),
    clean("LRU, uniform", |p| lru(p, Keys::Uniform, 64, 16, true, None)),
    clean("LRU, Zipf", |p| lru(p, Keys::Zipf, 64, 16, true, None)),
    clean("LRU, Zipf, by shape", |p| lru(p, Keys::Zipf, 200, 24, false, None)),
    clean("cache of 8, uniform", |p| cache(p, Keys::Uniform, 8, true)),
    clean("cache of 8, uniform, by shape", |p| cache(p, Keys::Uniform, 8, false)),
    clean("cache of 32, uniform", |p| cache(p, Keys::Uniform, 32, true)),
    clean("cache of a quarter of the iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations / 4, true)),
    clean("cache of half of the iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations / 2, true)),
    clean("cache of half of the iterations, by shape", |p| cache(p, Keys::Uniform, p.iterations / 2, false)),
    ambiguous(clean("cache of as many as iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations, true))),
    ambiguous(clean("cache of as many as iterations, by shape", |p| cache(p, Keys::Uniform, p.iterations, false))),
    clean("cache of 32, Zipf", |p| cache(p, Keys::Zipf, 32, true)),
    ambiguous(clean("cache of half of the iterations, Zipf, by shape", |p| {
        cache(p, Keys::Zipf, p.iterations / 2, false)
    })),
    ambiguous(clean("cache of as many as iterations, Zipf", |p| cache(p, Keys::Zipf, p.iterations, true))),
    clean("cache that is filled in order", |p| {
        each(p, |p| {
            if p.iteration < p.iterations / 2 {
                _ = p.allocate(SITE, 32 * KIB * (p.iteration + 1))
            }
        });
    }),
    clean("sawtooth of 10", |p| sawtooth(p, None, |p| p.iteration % 10 == 9)),
    clean("sawtooth of 25", |p| sawtooth(p, None, |p| p.iteration % 25 == 24)),
    clean("sawtooth at random", |p| sawtooth(p, None, |p| p.random.chance(1.0 / 12.0))),
    clean("bursts", |p| {
        each(p, |p| {
            if p.random.chance(0.1) {
                (0..30).for_each(|_| p.allocate_for(SITE, SIZE, 2))
            }
        });
    }),
    clean("shrinking", |p| {
        let mut all: Vec<Id> = (0..p.iterations + 10).map(|_| p.allocate(SITE, SIZE)).collect();
        each(p, |p| p.free(all.pop().expect("there are more")));
    }),
    clean("weights that are swapped", |p| swapped(p, 15, None)),
    clean("weights that are swapped layer by layer", |p| {
        let mut weights: VecDeque<Id> = (0..20).map(|_| p.allocate(SITE, SIZE)).collect();
        each(p, |p| {
            if p.iteration % 3 == 0 {
                let id = p.allocate(SITE, SIZE);
                weights.push_back(id);
                let old = weights.pop_front().expect("there are twenty");
                p.free(old);
            }
        });
    }),
    clean("double buffer", |p| sessions(p, None, |_| 1)),
    clean("growth that stops at 80 %", |p| stops(p, 0.8, 1.0)),
    clean("growth at random that stops at 80 %", |p| stops(p, 0.8, 0.5)),
    clean("growth that stops at a half", |p| stops(p, 0.5, 0.3)),
    clean("working set that breathes", |p| breathing(p, None, sine)),
    clean("working set that walks", |p| breathing(p, None, walk)),
    clean("sessions of random length", |p| sessions(p, None, |p| 5 + p.random.below(16))),
    clean("sessions of exponential length", |p| sessions(p, None, |p| p.random.lifetime(8.0))),
    clean("sessions of heavy-tailed length", |p| {
        sessions(p, None, |p| ((1.0 - p.random.part()).powf(-0.8) * 2.0).min(1e6) as u64);
    }),
    clean("threads", |p| {
        p.disorder = 300;
        sessions(p, None, |p| p.random.below(6));
    }),
    clean("8 devices", |p| devices(p, |_, _| false)),
    clean("a model's outputs", |p| layers(p, false)),
    clean("program cache that grows", |p| each(p, |p| _ = p.allocate_cached(SITE, 4 * KIB))),
    clean("tokens of requests", tokens),
    // Its lowest part is kept for as long as one may look.
    ambiguous(clean("stack", stack)),
    clean("pool that keeps its peak", |p| pool(p, 40)),
    clean("gradients over 4 steps", |p| sawtooth(p, None, |p| p.iteration % 4 == 3)),
    clean("second phase with more", |p| {
        each(p, |p| {
            if p.iteration == p.iterations / 2 {
                (0..30).for_each(|_| _ = p.allocate(SITE, SIZE));
            }
            p.temporary(SITE, SIZE);
        });
    }),
    clean("long load", |p| {
        for layer in 0..p.iterations {
            p.temporary(5, SIZE);
            p.allocate(SITE, SIZE * (1 + layer % 3));
        }
        each(p, |p| p.temporary(SITE, SIZE));
    }),
    clean("without call sites", |p| mixed(p, None)),
];
