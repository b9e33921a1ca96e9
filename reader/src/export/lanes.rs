//! Which of a memory's lifetimes are drawn on which line: those that overlap in time never share one.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use ttmem_ledger::{Life, Span};
use ttmem_wire::Memory;

/// A memory of a device of a process.
pub(super) type Place = (usize, i32, Memory);

/// What a life is known by until it ends.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    place: Place,
    allocator: u32,
    program: u64,
    address: u64,
    born: u64,
    /// Of program memory, which neither widens nor has an address to itself.
    size: u64,
}

/// The lanes of all memories.
#[derive(Debug)]
pub(super) struct Lanes {
    /// In each memory.
    most: usize,
    places: HashMap<Place, Free>,
    /// Equal ones may be taken for each other.
    taken: HashMap<Key, Vec<u32>>,
    /// Lifetimes that found no lane.
    pub(super) left_out: u64,
}

#[derive(Debug, Default)]
struct Free {
    lanes: BinaryHeap<Reverse<u32>>,
    made: u32,
}

impl Lanes {
    pub(super) fn new(most: usize) -> Self {
        Self { most, places: HashMap::new(), taken: HashMap::new(), left_out: 0 }
    }

    /// The lowest lane that is free; `None` if there are too many.
    pub(super) fn take(&mut self, process: usize, life: &Life) -> Option<u32> {
        let key = key(process, life);
        let free = self.places.entry(key.place).or_default();
        let lane = match free.lanes.pop() {
            Some(Reverse(lane)) => lane,
            None if (free.made as usize) < self.most => {
                free.made += 1;
                free.made - 1
            }
            None => {
                self.left_out += 1;
                return None;
            }
        };
        self.taken.entry(key).or_default().push(lane);
        Some(lane)
    }

    /// The lane of a life that is over; `None` if it had none.
    pub(super) fn give_back(&mut self, process: usize, life: &Life) -> Option<u32> {
        let key = key(process, life);
        let taken = self.taken.get_mut(&key)?;
        let lane = taken.pop()?;
        if taken.is_empty() {
            self.taken.remove(&key);
        }
        self.places.entry(key.place).or_default().lanes.push(Reverse(lane));
        Some(lane)
    }
}

fn key(process: usize, life: &Life) -> Key {
    let region = &life.region;
    Key {
        place: (process, region.device, region.memory),
        allocator: life.allocator,
        program: life.program,
        address: region.address,
        born: region.allocated_at_ticks,
        size: if region.memory.is_of_programs() { region.size } else { 0 },
    }
}

/// The lanes of open regions of the program, by process and thread: regions of one thread need not be nested.
#[derive(Debug, Default)]
pub(super) struct RegionLanes(HashMap<(usize, u32), Vec<Option<u64>>>);

impl RegionLanes {
    /// The lowest lane of the thread below all that are taken, so that an inner region is drawn below the outer one.
    pub(super) fn take(&mut self, process: usize, span: &Span) -> u32 {
        let lanes = self.0.entry((process, span.thread)).or_default();
        while lanes.last() == Some(&None) {
            lanes.pop();
        }
        lanes.push(Some(span.number));
        lanes.len() as u32 - 1
    }

    /// The lane of a region that ends; `None` if it had none.
    pub(super) fn give_back(&mut self, process: usize, span: &Span) -> Option<u32> {
        let lanes = self.0.get_mut(&(process, span.thread))?;
        let at = lanes.iter().position(|taken| *taken == Some(span.number))?;
        lanes[at] = None;
        Some(at as u32)
    }
}
