//! One moment of each process, or the regions of one name: `--at`, `--mark` and `--region`.

use super::{Allocation, Analysis, ProcessAnalysis, named};
use crate::Failure;

/// What a report is about, if not all.
#[derive(Clone, Debug, PartialEq)]
pub enum Selection {
    /// The moment with the most bytes live in all memories.
    Peak,
    /// The end.
    Exit,
    /// A mark: the last of its name, or `name:N`.
    Mark(String),
    /// So many seconds after the first event.
    Seconds(f64),
    /// The regions of a name, or `name:N`.
    Region(String),
}

/// What was live at one moment of a process.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Which moment.
    pub selection: Selection,
    /// `CLOCK_REALTIME`, ns since 1970; `None` at the end.
    pub at_ns: Option<u64>,
    /// What was live then: largest first.
    pub live: Vec<Allocation>,
}

impl std::str::FromStr for Selection {
    type Err = std::convert::Infallible;

    /// `peak`, `exit` (or `end`), a number of seconds, else the name of a mark.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
        Ok(match (text, seconds) {
            ("peak", _) => Self::Peak,
            ("exit" | "end", _) => Self::Exit,
            (_, Ok(seconds)) if seconds.is_finite() && seconds >= 0.0 => Self::Seconds(seconds),
            _ => Self::Mark(text.to_owned()),
        })
    }
}

impl Analysis {
    /// Leaves processes that passed the mark, and of their marks that one: the last of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process passed it.
    pub fn select_mark(&mut self, name: &str) -> Result<(), Failure> {
        let found: Vec<_> = self.processes.iter().map(|process| named::find(&marks(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("mark", name, self.processes.iter().flat_map(marks)));
        }
        let mut found = found.into_iter();
        self.processes.retain_mut(|process| {
            let last = found.next().unwrap_or_default().pop();
            process.marks = last.map(|at| process.marks.swap_remove(at)).into_iter().collect();
            process.moment = process.marks.first().map(|mark| Moment {
                selection: Selection::Mark(mark.name.clone()),
                at_ns: Some(mark.at_ns),
                live: mark.live.clone().unwrap_or_default(),
            });
            last.is_some()
        });
        Ok(())
    }

    /// Leaves processes that had the region, and of their regions those of the name, or `name:N`.
    ///
    /// # Errors
    /// If no process had it.
    pub fn select_region(&mut self, name: &str) -> Result<(), Failure> {
        let found: Vec<_> = self.processes.iter().map(|process| named::find(&regions(process), name)).collect();
        if found.iter().all(Vec::is_empty) {
            return Err(unknown("region", name, self.processes.iter().flat_map(regions)));
        }
        let mut found = found.into_iter();
        self.processes.retain_mut(|process| {
            let chosen = found.next().unwrap_or_default();
            let mut at = 0..;
            process.regions.retain(|_| at.next().is_some_and(|at| chosen.binary_search(&at).is_ok()));
            !chosen.is_empty()
        });
        Ok(())
    }

    /// Sets the moment of each process to its end.
    pub fn select_exit(&mut self) {
        for process in &mut self.processes {
            process.moment = Some(Moment { selection: Selection::Exit, at_ns: None, live: process.live.clone() });
        }
    }

    /// Leaves the process with this id.
    ///
    /// # Errors
    /// If there is none.
    pub fn select_process(&mut self, pid: u32) -> Result<(), Failure> {
        if !self.processes.iter().any(|process| process.pid == pid) {
            let pids: Vec<String> = self.processes.iter().map(|process| process.pid.to_string()).collect();
            let known = named::some_of(pids.iter().map(String::as_str)).unwrap_or_else(|| "none".to_owned());
            return Err(Failure::new(format!("no process {pid}; there are {}", known.replace('"', ""))));
        }
        self.processes.retain(|process| process.pid == pid);
        self.runs.clear();
        Ok(())
    }
}

fn marks(process: &ProcessAnalysis) -> Vec<&str> {
    process.marks.iter().map(|mark| mark.name.as_str()).collect()
}

fn regions(process: &ProcessAnalysis) -> Vec<&str> {
    process.regions.iter().map(|region| region.name.as_str()).collect()
}

fn unknown<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Failure {
    let known = named::some_of(all).map_or_else(|| "there is none".to_owned(), |names| format!("there are {names}"));
    Failure::new(format!("no {what} {name:?}; {known}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_apart() {
        let read = |text: &str| text.parse::<Selection>().unwrap();
        assert_eq!(read("peak"), Selection::Peak);
        assert_eq!(read("1.5"), Selection::Seconds(1.5));
        assert_eq!(read("2s"), Selection::Seconds(2.0));
        assert_eq!(read("epoch 3"), Selection::Mark("epoch 3".into()));
        assert_eq!(read("-1"), Selection::Mark("-1".into()));
        assert_eq!(read("inf"), Selection::Mark("inf".into()));
    }
}
