//! A program of which each outcome is known from how many events it reported.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{Report, Run, Totals, c_program, words_in};

/// `steady.c`: what it reports follows from how many events of a thread were reported.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    /// Threads, each on a device of its own.
    pub threads: u64,
    /// Events of each.
    pub events: u64,
    /// Buffers of each that live.
    pub live: u64,
    /// Turns of an empty loop after each event.
    pub spin: u64,
    /// Microseconds of sleep after each thousand.
    pub pause: u64,
    /// For its end, when all events are reported.
    pub waits: bool,
    /// `TTMEM_RING_BYTES`.
    pub ring_bytes: u64,
    /// `TTMEM_ON_FULL`; empty for the default.
    pub on_full: &'static str,
}

/// What is known of a thread after a number of its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Truth {
    totals: Totals,
    /// Address and size, by address.
    live: Vec<(u64, u64)>,
}

impl Steady {
    /// Two busy threads that hold little, on a small ring.
    pub const SMALL: Self = Self {
        threads: 2,
        events: 1 << 40,
        live: 300,
        spin: 300,
        pause: 0,
        waits: true,
        ring_bytes: 65_536,
        // Where a test stops the flusher or the reader, the threads wait.
        on_full: "block:60000",
    };

    /// The program, which writes how many calls of each thread have returned to `words`.
    #[must_use]
    pub fn run(&self, words: &Path) -> Run {
        let numbers = [self.threads, self.events, self.live, self.spin, self.pause, u64::from(self.waits)];
        Run::new(c_program("steady.c"))
            .arg(words)
            .args(numbers.map(|number| number.to_string()))
            .env("TTMEM_RING_BYTES", self.ring_bytes.to_string())
            .env("TTMEM_ON_FULL", self.on_full)
    }

    fn size(slot: u64, round: u64) -> u64 {
        (1 + (round + slot) % 7) << 10
    }

    /// The size in a slot after that many events; `None` if nothing is live in it.
    fn in_slot(&self, slot: u64, events: u64) -> Option<u64> {
        if events <= slot {
            return None;
        }
        let later = events.saturating_sub(self.live);
        // Turns that are begun: the last may have freed only.
        let (begun, done) = (later.div_ceil(2), later / 2);
        let rounds = |turns: u64| turns / self.live + u64::from(turns % self.live > slot);
        (rounds(begun) == rounds(done)).then(|| Self::size(slot, rounds(done)))
    }

    fn truth(&self, events: u64) -> Truth {
        let live: Vec<(u64, u64)> =
            (0..self.live).filter_map(|slot| Some(((slot + 1) << 12, self.in_slot(slot, events)?))).collect();
        let frees = events.saturating_sub(self.live).div_ceil(2);
        let totals = Totals {
            live_buffers: live.len() as u64,
            live_bytes: live.iter().map(|(_, size)| size).sum(),
            peak_bytes: self.peak(events),
            allocations: events - frees,
            frees,
            released_at_close: 0,
        };
        Truth { totals, live }
    }

    fn peak(&self, events: u64) -> u64 {
        let first: u64 = (0..self.live.min(events)).map(|slot| Self::size(slot, 0)).sum();
        let (mut now, mut peak) = (first, first);
        // Sizes come round again after seven rounds, so no later peak is higher.
        for turn in 0..(events.saturating_sub(self.live) / 2).min(self.live * 8) {
            let (slot, round) = (turn % self.live, turn / self.live);
            now = now - Self::size(slot, round) + Self::size(slot, round + 1);
            peak = peak.max(now);
        }
        peak
    }

    /// The report is exactly what one moment of the program gives: as many events of each thread as are in it, and these
    /// at least `from` and at most `to`.
    ///
    /// # Panics
    /// If it is not.
    pub fn check(&self, process: &Value, from: &[u64], to: &[u64]) {
        let (reported, drained, lost) = Report::events(process);
        // The event that a thread is killed in may be half written.
        let is_over = !process["ended"].is_null();
        assert!(lost <= if is_over { self.threads } else { 0 }, "{lost} lost of {reported}");
        assert!(drained <= reported, "{drained} of {reported}");
        assert_eq!(process["events"]["drained_elsewhere"], 0);
        assert_eq!(process["unmatched_frees"], 0);
        let mut sum = 0;
        for thread in 0..self.threads as usize {
            let totals = Report::totals(process, thread as i64, "DRAM");
            let events = totals.allocations + totals.frees;
            assert!((from[thread]..=to[thread]).contains(&events), "{events} of thread {thread}: {from:?} {to:?}");
            sum += events;
            let truth = self.truth(events);
            assert_eq!(totals, truth.totals, "thread {thread} after {events} events");
            let mut live: Vec<(u64, u64)> = process["live"]
                .as_array()
                .expect("live")
                .iter()
                .filter(|region| region["device_id"] == thread)
                .map(|region| (region["address"].as_u64().unwrap(), region["size"].as_u64().unwrap()))
                .collect();
            live.sort_unstable();
            assert_eq!(live, truth.live, "thread {thread} after {events} events");
        }
        assert_eq!(drained, sum, "what was counted as drained is what is in the sums");
    }

    /// How many calls of each thread have returned.
    #[must_use]
    pub fn returned(&self, words: &Path) -> Vec<u64> {
        self.words(words)[..self.threads as usize].to_vec()
    }

    /// The process's id, once it reports.
    #[must_use]
    pub fn pid(&self, words: &Path) -> u64 {
        self.words(words)[self.threads as usize]
    }

    /// A word a thread, and then that of the process.
    fn words(&self, file: &Path) -> Vec<u64> {
        let mut words = words_in(&fs::read(file).unwrap_or_default());
        words.resize(self.threads as usize + 1, 0);
        words
    }
}
