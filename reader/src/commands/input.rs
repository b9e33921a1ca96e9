//! Files that events are read from, told apart by their first bytes.

use std::{fs::File, io::Read, path::Path};

use ttmem_ring::RingReader;

use crate::{Failure, Session, Tell, replay::replay};

/// What a file is.
pub(super) enum Kind {
    /// What `ttmem record` writes.
    Recording,
    /// A process's ring.
    Ring,
    /// What `--json` writes, most likely.
    Json,
    /// Nothing of ours.
    Unknown,
}

/// Looks at the first bytes of a file.
pub(super) fn kind(path: &Path) -> Result<Kind, Failure> {
    let mut first = [0; 8];
    let mut file = File::open(path).map_err(|error| Failure::with(path, error))?;
    let mut length = 0;
    while length < first.len() {
        match file.read(&mut first[length..]).map_err(|error| Failure::with(path, error))? {
            0 => break,
            more => length += more,
        }
    }
    Ok(match &first[..length] {
        start if *start == ttmem_recording::MAGIC => Kind::Recording,
        start if *start == ttmem_wire::MAGIC => Kind::Ring,
        start if start.trim_ascii_start().starts_with(b"{") => Kind::Json,
        _ => Kind::Unknown,
    })
}

/// The processes that a recording or a ring tells of.
pub(super) fn read(path: &Path, live_at_marks: bool) -> Result<Vec<Box<dyn Tell>>, Failure> {
    match kind(path)? {
        Kind::Recording => {
            let recording = replay(path, live_at_marks)?;
            Ok(recording.processes.into_iter().map(|process| Box::new(process) as Box<dyn Tell>).collect())
        }
        Kind::Json => {
            Err(Failure::with(path, "a report in JSON; `ttmem diff` takes such, this reads recordings and rings"))
        }
        Kind::Ring | Kind::Unknown => {
            let ring = RingReader::open(path).map_err(|error| Failure::with(path, error))?;
            let mut session = Session::looking(ring, live_at_marks);
            session.advance();
            session.settle(None);
            if let Some(trouble) = session.trouble() {
                super::output::tell(&format!("ttmem: {}: {trouble}\n", path.display()));
            }
            Ok(vec![Box::new(session)])
        }
    }
}
