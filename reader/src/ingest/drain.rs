//! All rings of a folder, as they come and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ttmem_ring::{RingReader, WaitSet, Wakeup, discover, remove_ring, watch_folder};
use ttmem_wire::Record;

use crate::{Account, Ended, Recorder, Session, visible::visible};

/// Between looks for new rings, where no watch reports them, or some could not be opened. Short: how a process ended is known
/// only if it was met alive.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Between the last rounds of all.
const NAP: Duration = Duration::from_micros(800);
/// After a round that took this many: each event waits for those before it too, and waking up is little beside the work. After
/// a smaller one the reader waits for the flusher's next, whose naps are long enough for both.
const SHORT_NAP: Duration = Duration::from_micros(100);
const FAST: u64 = 512;
/// Rounds of few events begin no closer together: many processes, each with a pace of its own, would else wake it all the time.
const SPACING: Duration = Duration::from_micros(500);
/// A round that took so many had better been sooner.
const MANY: u64 = 8192;
/// The longest wait for a wakeup, and between looks for new rings that a watch reports; then one look whether the processes live.
const WAIT: Duration = Duration::from_millis(100);
/// How long the kernel may take to drop the locks of a process that was waited for.
const AFTERMATH: Duration = Duration::from_secs(2);

/// What a drainer keeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// What was live at each mark, not only the sums.
    pub live_at_marks: bool,
    /// The files of rings that were drained to their end. Else each is removed then: a dead ring is memory.
    pub rings: bool,
}

/// Drains every ring of one folder.
#[derive(Debug)]
pub struct Drainer {
    folder: PathBuf,
    keep: Keep,
    sessions: Vec<Session>,
    known: BTreeSet<PathBuf>,
    /// Rings that could not be opened or locked at the last look, and why; they are tried again.
    refused: BTreeMap<PathBuf, String>,
    recorder: Option<Recorder<File>>,
    wakeup: Arc<Wakeup>,
}

impl Drainer {
    /// A drainer of the rings in `folder`, those to come included.
    pub fn new(folder: &Path, keep: Keep) -> Self {
        Self {
            folder: folder.to_path_buf(),
            keep,
            sessions: Vec::new(),
            known: BTreeSet::new(),
            refused: BTreeMap::new(),
            recorder: None,
            wakeup: Arc::default(),
        }
    }

    /// The same, and every event goes into the recording.
    pub fn recording(folder: &Path, keep: Keep, recorder: Recorder<File>) -> Self {
        Self { recorder: Some(recorder), ..Self::new(folder, keep) }
    }

    /// Ends the recording, if there is one; returns how many events it has.
    ///
    /// # Errors
    /// What kept the file from taking all.
    pub fn finish_recording(&mut self) -> io::Result<u64> {
        self.recorder.take().map_or(Ok(0), |recorder| recorder.finish(&self.sessions))
    }

    /// Drains until `stop` is set. Wake it then: else it may sleep on for a while.
    pub fn run_until(&mut self, stop: &AtomicBool) {
        self.show_until(stop, &mut |_, _| {});
    }

    /// The same, and shows each batch once it stands in its ledger. (While it records, there is nothing to see.)
    pub fn show_until(&mut self, stop: &AtomicBool, seen: &mut dyn FnMut(&Account, &[Record])) {
        let is_watched = watch_folder(&self.folder, Arc::clone(&self.wakeup)).is_ok();
        let longest = if is_watched { WAIT } else { LOOK_EVERY };
        let mut looked = None::<(Instant, u32)>;
        while !stop.load(Ordering::Acquire) {
            // Read before the look: what comes after it wakes again.
            let wakeups = self.wakeup.count();
            let longest = if self.refused.is_empty() { longest } else { LOOK_EVERY };
            if looked.is_none_or(|(at, before)| before != wakeups || at.elapsed() >= longest) {
                self.look_for_rings();
                looked = Some((Instant::now(), wakeups));
            }
            let began = Instant::now();
            match self.advance(seen) {
                0 => self.wait(wakeups, longest),
                MANY.. => std::thread::yield_now(),
                FAST.. => std::thread::sleep(SHORT_NAP),
                _ => {
                    self.wait(wakeups, longest);
                    std::thread::sleep(SPACING.saturating_sub(began.elapsed()));
                }
            }
        }
    }

    /// Until an event comes to one of the rings, or somebody wakes this drainer.
    fn wait(&self, wakeups: u32, longest: Duration) {
        let mut set = WaitSet::new(&self.wakeup, wakeups);
        self.sessions.iter().for_each(|session| session.wait_in(&mut set));
        set.wait(longest);
    }

    /// Wakes the drainer: for [`Drainer::run_until`], when it is to stop.
    pub fn wakeup(&self) -> Arc<Wakeup> {
        Arc::clone(&self.wakeup)
    }

    /// The last rounds: `child` was waited for and ended so. Its ring is drained to the end; those of processes that still
    /// run are drained once more.
    pub fn finish(&mut self, child: u32, ended: Ended) {
        self.look_for_rings();
        let deadline = Instant::now() + AFTERMATH;
        loop {
            self.advance(&mut |_, _| {});
            let child_is_over = self.sessions.iter().all(|session| session.is_over() || session.header().pid != child);
            if child_is_over || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(NAP);
        }
        // Descendants that were ending too get a moment; a look for rings that they made last.
        std::thread::sleep(NAP);
        self.look_for_rings();
        self.advance(&mut |_, _| {});
        for session in &mut self.sessions {
            let told = (session.header().pid == child).then_some(ended);
            session.settle(told);
        }
    }

    fn look_for_rings(&mut self) {
        let Ok(rings) = discover(&self.folder) else { return };
        self.refused.clear();
        for path in rings {
            if self.known.contains(&path) {
                continue;
            }
            match open(&path, self.keep.live_at_marks) {
                Ok(session) => {
                    self.sessions.push(session);
                    self.known.insert(path);
                }
                // Removed since the look.
                Err(_) if !path.exists() => {}
                Err(why) => {
                    self.refused.insert(path, why);
                }
            }
        }
    }

    fn advance(&mut self, seen: &mut dyn FnMut(&Account, &[Record])) -> u64 {
        let mut events = 0;
        for session in &mut self.sessions {
            let was_over = session.is_over();
            events += match &mut self.recorder {
                Some(recorder) => recorder.advance(session),
                None => session.advance_with(seen),
            };
            if session.is_over() && !was_over && !self.keep.rings {
                // If it cannot be removed, it is known and will not be opened again.
                let _ = remove_ring(session.path());
            }
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.note(&self.sessions);
        }
        events
    }

    /// The sessions, in the order in which their processes began.
    pub fn sessions(&mut self) -> &[Session] {
        self.sessions.sort_by_key(|session| session.header().realtime_start_ns);
        &self.sessions
    }

    /// Rings that could not be drained, a line each.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let refused = self.refused.iter().map(|(path, why)| (&**path, &**why));
        let troubled = self.sessions.iter().filter_map(|session| Some((session.path(), session.trouble()?)));
        refused.chain(troubled).map(|(path, why)| visible(&format!("{}: {why}", path.display())).into_owned())
    }
}

fn open(path: &Path, live_at_marks: bool) -> Result<Session, String> {
    let ring = RingReader::open(path).map_err(|error| error.to_string())?;
    Session::draining(ring, live_at_marks).map_err(|error| error.to_string())
}
