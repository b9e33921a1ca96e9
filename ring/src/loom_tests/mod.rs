//! Every order in which two producers, the mover and a reader can meet, on a stage of two slots and a ring of two.
//!
//!     RUSTFLAGS="--cfg loom" cargo test --release -p ttmem-ring --lib loom_

mod folds;
mod ring;
mod words;

use loom::thread;

use crate::{
    FlusherPage, Mover, PAYLOAD_WORDS, ProducerPage, ReaderPage, RingWriter, Slot, Stage, sync::Ordering,
    test_reader::TestReader,
};

/// The shared memory of one process, leaked: loom counts executions, not bytes.
struct Memory {
    producers: ProducerPage,
    flusher: FlusherPage,
    reader: ReaderPage,
    stage: Vec<Slot>,
    ring: Vec<Slot>,
}

fn memory(stage: usize, ring: usize) -> &'static Memory {
    let slots = |count| (0..count).map(|_| Slot::default()).collect();
    Box::leak(Box::new(Memory {
        producers: ProducerPage::default(),
        flusher: FlusherPage::default(),
        reader: ReaderPage::default(),
        stage: slots(stage),
        ring: slots(ring),
    }))
}

impl Memory {
    /// Whether a reader comes back by itself, or is rung for, that found the bell showing this, or something to read.
    fn wakes_up(&self, shown: Option<u32>, rung: bool) -> bool {
        shown.is_none_or(|shown| rung && shown != self.flusher.bell.0.load(Ordering::Acquire))
    }

    fn stage(&'static self) -> Stage<'static> {
        Stage::new(&self.producers, &self.stage)
    }

    fn mover(&'static self) -> Mover<'static> {
        Mover::new(self.stage(), RingWriter::new(&self.flusher, &self.reader, &self.ring))
    }

    fn drain(&self, reader: &mut TestReader) {
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
            memory.stage().push(&payload(1)).unwrap();
            returned.store(true, Ordering::Release);
        })
    };
    let second = thread::spawn(move || {
        let first_had_returned = returned.load(Ordering::Acquire);
        memory.stage().push(&payload(2)).unwrap();
        (first_had_returned, rest())
    });
    (first, second)
}
