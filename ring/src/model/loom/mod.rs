//! Every order in which two producers, the drain and a reader can meet, on a queue of two slots and a ring of two.
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release -p ttmem-ring --lib loom_

mod checkpoints;
mod ring;
mod still;
mod words;

use loom::thread;

use crate::{
    Drain, FlusherPage, PAYLOAD_WORDS, ProducerPage, Queue, ReaderPage, RingWriter, Slot,
    model::test_reader::TestReader, sync::Ordering,
};

/// The shared memory of one process, leaked: loom counts executions, not bytes.
struct Memory {
    producers: ProducerPage,
    flusher: FlusherPage,
    reader: ReaderPage,
    queue: Vec<Slot>,
    ring: Vec<Slot>,
}

fn memory(queue: usize, ring: usize) -> &'static Memory {
    let slots = |count| (0..count).map(|_| Slot::default()).collect();
    Box::leak(Box::new(Memory {
        producers: ProducerPage::default(),
        flusher: FlusherPage::default(),
        reader: ReaderPage::default(),
        queue: slots(queue),
        ring: slots(ring),
    }))
}

impl Memory {
    /// Whether a reader that parked with this result wakes up.
    fn wakes_up(&self, parked: Option<u32>, was_woken: bool) -> bool {
        parked.is_none_or(|wakeups| was_woken && wakeups != self.flusher.wakeups.0.load(Ordering::Acquire))
    }

    fn queue(&'static self) -> Queue<'static> {
        Queue::new(&self.producers, &self.queue)
    }

    fn drain(&'static self) -> Drain<'static> {
        Drain::new(self.queue(), RingWriter::new(&self.flusher, &self.reader, &self.ring))
    }

    fn read(&self, reader: &mut TestReader) {
        reader.drain(&self.flusher, &self.reader, &self.ring);
    }
}

/// Runs a model in every order, with so many changes of thread that nobody asked for. loom notes the last access to an atomic alone:
/// where a thread reads what it is going to write, it may see no conflict with another's earlier read, and try one order. Such
/// a model could not fail, so it does.
fn every_order(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let orders = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let counted = std::sync::Arc::clone(&orders);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let orders = orders.load(Ordering::Relaxed);
    println!("{orders} orders");
    assert!(orders >= 20, "{orders} orders were tried");
}

fn payload(value: u64) -> [u64; PAYLOAD_WORDS] {
    [value; PAYLOAD_WORDS]
}

/// One thread pushes 1; another looks whether that has returned, pushes 2, and does the rest.
fn one_and_another<T: 'static>(
    memory: &'static Memory,
    rest: impl FnOnce() -> T + 'static,
) -> (thread::JoinHandle<()>, thread::JoinHandle<(bool, T)>) {
    let returned = loom::sync::Arc::new(loom::sync::atomic::AtomicBool::new(false));
    let first = {
        let returned = loom::sync::Arc::clone(&returned);
        thread::spawn(move || {
            memory.queue().push(&payload(1)).unwrap();
            returned.store(true, Ordering::Release);
        })
    };
    let second = thread::spawn(move || {
        let first_had_returned = returned.load(Ordering::Acquire);
        memory.queue().push(&payload(2)).unwrap();
        (first_had_returned, rest())
    });
    (first, second)
}
