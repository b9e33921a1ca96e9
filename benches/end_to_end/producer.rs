//! The program: allocates and frees in turns, so that the same number of regions live all the time.

use std::time::{Duration, Instant};

use libloading::Library;
use ttmem_benches::{Report, report_allocation, report_deallocation, stats};

/// Events between two looks at the time.
const BURST: u64 = 200;

/// Reports events through the C ABI.
pub(crate) struct Producer {
    library: &'static Library,
    allocate: Report,
    free: unsafe extern "C" fn(i32, u64),
    live: u64,
    next: u64,
    sent: u64,
}

impl Producer {
    /// A program with so many regions.
    pub(crate) fn new(library: &'static Library, live: u64) -> Self {
        let (allocate, free) = (report_allocation(library), report_deallocation(library));
        let mut producer = Self { library, allocate, free, live, next: 0, sent: live };
        (0..live).for_each(|_| producer.allocate());
        producer
    }

    /// Events reported so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Of them, those that the library dropped.
    pub(crate) fn lost(&self) -> u64 {
        stats(self.library)[4]
    }

    fn allocate(&mut self) {
        // SAFETY: any arguments will do.
        unsafe { (self.allocate)(0, 4096, 0, self.next << 12) };
        self.next += 1;
    }

    fn one(&mut self) {
        if self.sent.is_multiple_of(2) {
            self.allocate();
        } else {
            // SAFETY: any arguments will do.
            unsafe { (self.free)(0, (self.next - 1 - self.live) << 12) };
        }
        self.sent += 1;
    }

    /// As fast as it goes.
    pub(crate) fn send_for(&mut self, seconds: f64) {
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while Instant::now() < end {
            (0..BURST).for_each(|_| self.one());
        }
    }

    /// So many a second; it sleeps in between.
    pub(crate) fn send_at(&mut self, rate: f64, seconds: f64) {
        let first = self.sent;
        pace(rate, seconds, |due| {
            while self.sent < first + due {
                self.one();
            }
        });
    }
}

/// Tells `send` again and again how many events are due by now.
pub(crate) fn pace(rate: f64, seconds: f64, mut send: impl FnMut(u64)) {
    let since = Instant::now();
    loop {
        let elapsed = since.elapsed().as_secs_f64();
        send((elapsed.min(seconds) * rate) as u64);
        if elapsed >= seconds {
            return;
        }
        std::thread::sleep(Duration::from_secs_f64((1.0 / rate).clamp(100e-6, 0.5)));
    }
}
