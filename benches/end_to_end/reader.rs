//! The reader: the drainer of `ttmem run` in a process of its own, which notes how late each event stands in the ledger.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hdrhistogram::Histogram;
use ttmem_benches::ns_per_tick;
use ttmem_reader::{Drainer, Keep};
use ttmem_ring::Clock;

/// Of a larger batch some events stand for its neighbours.
const LOOKED_AT: usize = 64;

/// The reader's process, as the program sees it.
pub(crate) struct Reader {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Reader {
    pub(crate) fn spawn(folder: &Path) -> Self {
        let this = std::env::current_exe().expect("own path");
        let mut command = Command::new(this);
        command.arg("--reader").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a reader process");
        let from = BufReader::new(child.stdout.take().expect("its output"));
        Self { to: child.stdin.take(), child, from }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks a question; the answer is a line of words.
    pub(crate) fn ask(&mut self, question: &str) -> Vec<String> {
        if let Some(to) = &mut self.to {
            writeln!(to, "{question}").expect("the reader listens");
        }
        let mut answer = String::new();
        self.from.read_line(&mut answer).expect("the reader answers");
        answer.split_whitespace().map(str::to_owned).collect()
    }

    /// Until so many events stand in the ledger.
    pub(crate) fn wait_for(&mut self, events: u64) {
        for _ in 0..60_000 {
            if self.ask("count").first().and_then(|count| count.parse().ok()).unwrap_or(0) >= events {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("the reader has not got all {events} events within a minute");
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.to.take());
        let _ = self.child.wait();
    }
}

/// Median, 99 %, 99.9 % and the most, in microseconds.
pub(crate) fn quantiles(late: &Histogram<u64>) -> [String; 4] {
    let at = |quantile| late.value_at_quantile(quantile);
    [at(0.5), at(0.99), at(0.999), late.max()].map(|ns| format!("{:.0}", ns as f64 / 1e3))
}

struct Seen {
    events: u64,
    late: Histogram<u64>,
}

/// The process: drains, and answers questions on its standard input.
pub(crate) fn serve(folder: &Path) {
    let (clock, scale) = (Clock::detect(), ns_per_tick());
    let late = Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("sound bounds");
    let seen = Mutex::new(Seen { events: 0, late });
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let mut drainer = Drainer::new(folder, Keep::default());
        let wakeup = drainer.wakeup();
        let (stop, seen) = (&stop, &seen);
        scope.spawn(move || {
            drainer.show_until(stop, &mut |_, records| {
                let now = clock.now();
                let mut seen = seen.lock().expect("nobody panics");
                seen.events += records.len() as u64;
                let step = records.len().div_ceil(LOOKED_AT).max(1);
                for record in records.iter().step_by(step) {
                    let ticks = now.saturating_sub(record.words[1]);
                    let _ = seen.late.record_n((ticks as f64 * scale) as u64, step as u64);
                }
            });
        });
        for question in std::io::stdin().lock().lines().map_while(Result::ok) {
            let mut seen = seen.lock().expect("nobody panics");
            match question.as_str() {
                "count" => println!("{}", seen.events),
                "latency" => println!("{}", quantiles(&seen.late).join(" ")),
                _ => {
                    seen.late.reset();
                    println!("done");
                }
            }
        }
        stop.store(true, Ordering::Release);
        wakeup.wake();
    });
}
