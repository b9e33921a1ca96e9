//! A recording of the process from one question to another.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use super::answer::RecordEndAnswer;
use crate::{Failure, Recorder, Session, Symbols};

/// A recording that is being written.
#[derive(Debug)]
pub(super) struct Recording {
    path: PathBuf,
    pub(super) recorder: Recorder<File>,
}

impl Recording {
    /// Begins with what these sessions hold.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(super) fn begin(path: &Path, sessions: &[Session], symbols: Symbols) -> Result<Self, Failure> {
        let cannot = |error| Failure::with(path, format!("cannot be written: {error}"));
        let mut recorder = File::create(path).and_then(|file| Recorder::with_symbols(file, symbols)).map_err(cannot)?;
        sessions.iter().filter(|session| !session.is_over()).for_each(|session| recorder.begin_with(session));
        Ok(Self { path: path.to_owned(), recorder })
    }

    /// Ends it. The names of native functions are for the next.
    ///
    /// # Errors
    /// What kept the file from taking all.
    pub(super) fn end(self, sessions: &[Session]) -> (Result<RecordEndAnswer, Failure>, Symbols) {
        let (written, symbols) = self.recorder.finish_part(sessions);
        let failure = |error| Failure::with(&self.path, format!("{error}: the recording ends there"));
        let file = self.path.clone();
        (written.map_err(failure).map(|events| RecordEndAnswer { file, events }), symbols)
    }
}
