//! Files that events are read from.

use std::path::Path;

pub(super) use crate::replay::FileKind as Kind;
use crate::{
    Failure, Tell,
    replay::{Input, read_ring, replay},
};

/// Looks at the first bytes of a file.
pub(super) fn kind(path: &Path) -> Result<Kind, Failure> {
    Kind::of(path)
}

/// The processes of a recording or a ring.
pub(super) fn read(path: &Path, live_at_marks: bool) -> Result<Vec<Box<dyn Tell>>, Failure> {
    match kind(path)? {
        Kind::Recording => {
            let recording = replay(&Input::open(path, live_at_marks)?)?;
            Ok(recording.processes.into_iter().map(|process| Box::new(process) as Box<dyn Tell>).collect())
        }
        Kind::Json => {
            Err(Failure::with(path, "a report in JSON; `ttmem diff` takes such, this reads recordings and rings"))
        }
        Kind::Ring | Kind::Unknown => {
            let session = read_ring(path, live_at_marks, &mut |_| ())?;
            if let Some(trouble) = session.trouble() {
                super::output::tell(&format!("ttmem: {}\n", Failure::with(path, trouble)));
            }
            Ok(vec![Box::new(session)])
        }
    }
}
