//! Caches, and how their keys are drawn.

use std::collections::{HashMap, VecDeque};

use crate::{
    program::{Id, Program},
    work::{KIB, SITE, SIZE, each},
};

/// How keys are drawn.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Keys {
    Uniform,
    Zipf,
}

pub(crate) fn key(program: &mut Program, keys: Keys, count: u64) -> u64 {
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
pub(crate) fn cache(program: &mut Program, keys: Keys, count: u64, same_size: bool) {
    let mut cache: HashMap<u64, Id> = HashMap::new();
    each(program, |program| {
        let key = key(program, keys, count);
        let size = if same_size { SIZE } else { 32 * KIB * (key + 1) };
        cache.entry(key).or_insert_with(|| program.allocate(SITE, size));
    });
}

pub(crate) fn lru(
    program: &mut Program,
    keys: Keys,
    count: u64,
    capacity: usize,
    same_size: bool,
    leak_every: Option<u64>,
) {
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

/// A cache with a limit that drops what is used least often.
pub(crate) fn lfu(program: &mut Program, count: u64, capacity: usize) {
    let mut cache: Vec<(u64, u64, Id)> = Vec::new();
    each(program, |program| {
        let key = key(program, Keys::Zipf, count);
        if let Some((_, uses, _)) = cache.iter_mut().find(|entry| entry.0 == key) {
            *uses += 1;
        } else {
            if cache.len() == capacity
                && let Some(at) = (0..capacity).min_by_key(|&at| cache[at].1)
            {
                program.free(cache.remove(at).2);
            }
            cache.push((key, 1, program.allocate(SITE, SIZE)));
        }
        program.temporary(SITE + 1, SIZE);
    });
}

/// An LRU that forgets to free some of what it evicts.
pub(crate) fn forgetful_lru(program: &mut Program, count: u64, capacity: usize, chance: f64) {
    let mut cache: VecDeque<(u64, Id)> = VecDeque::new();
    each(program, |program| {
        let key = key(program, Keys::Zipf, count);
        let cached = match cache.iter().position(|&(cached, _)| cached == key) {
            Some(at) => cache.remove(at),
            None => None,
        };
        if cached.is_none()
            && cache.len() == capacity
            && let Some((_, id)) = cache.pop_front()
        {
            if program.random.chance(chance) { program.note_leak(SITE, SIZE) } else { program.free(id) }
        }
        let entry = cached.unwrap_or_else(|| (key, program.allocate(SITE, SIZE)));
        cache.push_back(entry);
    });
}
