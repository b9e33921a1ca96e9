//! The database of ttnn-visualizer (SQLite, `db.sqlite` in a folder), as ttnn's `graph_report.py` writes it, schema 3.5.
//!
//! Its unit is the operation, with every buffer that is live after it. An operation here is a run of allocations of one call
//! with nothing freed in between. Sums only grow within a run, so the most of all operations is the peak, of each memory.

mod choice;
mod database;
mod graph;
mod live;
mod operations;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::{choice::Survey, database::Database, operations::Operations};
use super::stacks::process_name;
use crate::{
    replay::{At, Steps, Stopped},
    report::count,
};

/// What the viewer looks for in a folder.
const FILE: &str = "db.sqlite";

/// Writes the database into a folder, which is made if it is not there. Returns what the user should know of it.
///
/// Each operation has a row for each live buffer: `most` rows, and those of the peaks, are written.
pub(super) fn export(steps: &Steps, folder: &Path, most: u64) -> Result<Vec<String>, Stopped> {
    if !folder.is_dir() {
        fs::create_dir(folder)?;
    }
    let mut survey = Survey::default();
    follow(steps, &mut |index, operation, live| {
        survey.see(index, operation, live);
        Ok(())
    })?;
    let ranks = survey.processes();
    let mut choice = survey.choose(most);
    let unfinished = Unfinished(folder.join(format!("{FILE}.{}.tmp", std::process::id())));
    let mut database = Database::create(&unfinished.0)?;
    for (rank, &index) in ranks.iter().enumerate() {
        database.process(rank, &process_name(&steps.processes()[index]))?;
    }
    follow(steps, &mut |index, operation, live| {
        let Some(rank) = ranks.iter().position(|of| *of == index) else { return Ok(()) };
        let process = &steps.processes()[index];
        if choice.takes(index, operation, live) {
            return database.operation(rank, process, operation, live);
        }
        operation.refusal.as_ref().map_or(Ok(()), |_| database.refusal(rank, process, operation))
    })?;
    database.finish()?;
    fs::rename(&unfinished.0, folder.join(FILE))?;
    let mut notes = Vec::new();
    if let Some((kept, all)) = choice.thinned() {
        let (kept, all) = (count(kept), count(all));
        notes.push(format!(
            "{kept} of {all} operations are in it, those of the peaks among them: --max-rows keeps more"
        ));
    }
    if ranks.len() > 1 {
        let named = ranks.iter().enumerate().map(|(rank, &of)| format!("{rank} is pid {}", steps.processes()[of].pid));
        notes.push(format!("each process is a rank: {}", named.collect::<Vec<_>>().join(", ")));
    }
    if choice.is_empty() {
        notes.push("nothing was allocated".to_owned());
    }
    Ok(notes)
}

/// Replays the input, and shows each operation with what is live after it and the place of its process.
fn follow(steps: &Steps, each: &mut operations::Each<'_>) -> Result<(), Stopped> {
    let mut processes: Vec<Operations> = steps.processes().iter().map(|_| Operations::new(steps.device())).collect();
    steps.run(&At::Exit, &mut |step| processes[step.index].step(step, each))
}

/// A file that has no name yet: it goes where it does not get one.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// SQLite's failures are those of writing.
fn failed(error: rusqlite::Error) -> io::Error {
    io::Error::other(error)
}
