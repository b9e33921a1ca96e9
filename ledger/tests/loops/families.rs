//! Loops with a label: what each does is all in its function.

use std::{collections::VecDeque, f64::consts::TAU};

use crate::{
    caches::*,
    program::{Id, Program},
    work::*,
};

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
    // What is freed lives for half of the shortest run, and so few that are kept are older.
    ambiguous(leak("leak, beside a working set that walks", |p| breathing(p, Some(4), walk))),
    leak("leak, on device 5 of 8", |p| devices(p, |device, p| device == 5 && p.iteration % 3 == 0)),
    leak("leak, on device 5 of 8, of a tensor that is freed", |p| {
        each(p, |p| {
            let ids: Vec<Id> =
                (0..8).filter(|&device| device != 5).map(|device| p.allocate_on(device, SITE, SIZE, 0)).collect();
            if p.iteration % 4 == 0 {
                p.leak_on(5, SITE, SIZE);
            } else {
                let id = p.allocate_on(5, SITE, SIZE, 0);
                p.free(id);
            }
            ids.into_iter().for_each(|id| p.free(id));
        });
    }),
    leak("leak, of another line than a working set that breathes", |p| {
        let mut set: VecDeque<Id> = VecDeque::new();
        each(p, |p| {
            let wanted = (17.0 + 15.0 * (p.iteration as f64 / 9.0).sin()) as u64 + p.random.below(7);
            while (set.len() as u64) < wanted {
                set.push_back(p.allocate(SITE, SIZE));
            }
            while set.len() as u64 > wanted {
                let at = p.random.below(set.len() as u64) as usize;
                let id = set.remove(at).expect("there are more");
                p.free(id);
            }
            if p.iteration % 5 == 2 {
                p.leak(SITE + 1, SIZE / 8);
            }
        });
    }),
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
    // What is often used lives for as long as what is kept.
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
    // A few sessions are many times as long as most.
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
    leak("leak, a queue whose consumer is too slow", |p| {
        queue(p, Order::First, 1.1, |_| 2, |p| u64::from(p.random.chance(0.9)));
    }),
    leak("leak, a queue that backs up slowly", |p| {
        queue(p, Order::First, 0.5, |_| 1, |p| p.iteration % 2);
    }),
    leak("leak, work that is done too slowly, in no order", |p| {
        queue(p, Order::Any, 0.5, |_| 1, |p| p.iteration % 2);
    }),
    leak("leak, work that is done too slowly, the last first", |p| {
        queue(p, Order::Last, 0.5, |_| 1, |p| p.iteration % 2);
    }),
    // It leaks when it leaves the cache, long after its birth.
    ambiguous(leak("leak, of what an LRU evicts", |p| forgetful_lru(p, 64, 8, 0.4))),
    // What is freed lives for a third of the shortest run.
    ambiguous(leak("leak, of one birth in 8 in a working set that breathes", |p| {
        let mut set: VecDeque<Id> = VecDeque::new();
        each(p, |p| {
            let wanted = (16.0 + 10.0 * (p.iteration as f64 / 7.0).sin()) as usize;
            while set.len() >= wanted {
                let id = set.pop_front().expect("it is not empty");
                p.free(id);
            }
            while set.len() < wanted {
                if p.random.chance(0.125) {
                    p.leak(SITE, SIZE);
                } else {
                    set.push_back(p.allocate(SITE, SIZE));
                }
            }
            if let Some(id) = set.pop_front() {
                p.free(id);
            }
        });
    })),
    clean("queue that keeps up", |p| queue(p, Order::First, 0.0, |p| p.random.below(3), |p| p.random.below(3))),
    clean("queue of bursts", |p| {
        queue(p, Order::First, 0.0, |p| if p.random.chance(0.1) { 12 } else { 0 }, |p| 1 + p.random.below(2));
    }),
    clean("work in no order", |p| queue(p, Order::Any, 0.0, |p| p.random.below(4), |p| p.random.below(4))),
    clean("stack of single steps", |p| queue(p, Order::Last, 0.0, |p| p.random.below(2), |p| p.random.below(2))),
    // The same; each that was made invalid is made again.
    ambiguous(clean("cache of as many as iterations, invalidated", |p| invalidated(p, p.iterations, 0.2, u64::MAX))),
    clean("cache of half of the iterations, invalidated", |p| invalidated(p, p.iterations / 2, 0.2, u64::MAX)),
    clean("cache of as many as iterations, for 20 iterations", |p| invalidated(p, p.iterations, 0.0, 20)),
    clean("LRU of a third of the iterations, uniform", |p| {
        lru(p, Keys::Uniform, p.iterations, p.iterations as usize / 3, true, None);
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
    clean("LFU, Zipf", |p| lfu(p, 80, 14)),
    clean("cache of 8, uniform", |p| cache(p, Keys::Uniform, 8, true)),
    clean("cache of 8, uniform, by shape", |p| cache(p, Keys::Uniform, 8, false)),
    clean("cache of 32, uniform", |p| cache(p, Keys::Uniform, 32, true)),
    clean("cache of a quarter of the iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations / 4, true)),
    clean("cache of half of the iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations / 2, true)),
    clean("cache of half of the iterations, by shape", |p| cache(p, Keys::Uniform, p.iterations / 2, false)),
    // Their births become rarer by a third over the run: chance hides that from few iterations.
    ambiguous(clean("cache of as many as iterations, uniform", |p| cache(p, Keys::Uniform, p.iterations, true))),
    ambiguous(clean("cache of as many as iterations, by shape", |p| cache(p, Keys::Uniform, p.iterations, false))),
    clean("cache of 32, Zipf", |p| cache(p, Keys::Zipf, 32, true)),
    clean("cache of half of the iterations, Zipf, by shape", |p| cache(p, Keys::Zipf, p.iterations / 2, false)),
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
    clean("working set that breathes once", |p| {
        breathing(p, None, |p, _| {
            let turn = p.iteration as f64 / p.iterations as f64;
            (30.0 - 20.0 * (TAU * turn).cos()) as u64
        });
    }),
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
    clean("stack", stack),
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
