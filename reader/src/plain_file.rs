//! Files that the user names: plain files alone. A device or a pipe may have no end, or no beginning.

use std::{
    fs::File,
    io::{BufReader, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::OFlags;

use crate::Failure;

/// Opens a plain file.
///
/// # Errors
/// If it cannot be opened, or is a folder, a device or a pipe.
pub(crate) fn open(path: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::with(path, error);
    // Without the flag, the open of a pipe waits for a writer.
    let flags = OFlags::NONBLOCK.union(OFlags::NOCTTY).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
    match file.metadata().map_err(failed)? {
        metadata if metadata.is_file() => Ok(file),
        metadata if metadata.is_dir() => Err(Failure::with(path, "a folder; name a file")),
        _ => Err(Failure::with(path, "a device or a pipe; name a plain file")),
    }
}

/// Opens a plain file of at most so many bytes, which end there also if it grows.
///
/// # Errors
/// Those of [`open`], or it is larger.
pub(crate) fn open_small(path: &Path, most: u64) -> Result<impl Read + use<>, Failure> {
    let file = open(path)?;
    let bytes = file.metadata().map_err(|error| Failure::with(path, error))?.len();
    if bytes > most {
        return Err(Failure::with(path, format!("{bytes} bytes; at most {most} are read")));
    }
    Ok(BufReader::new(file).take(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_no_end_is_refused_at_once() {
        for path in ["/dev/full", "/dev/zero", "/dev/random", "/dev/null", "/proc/self"] {
            let error = open(path.as_ref()).map(drop).unwrap_err().to_string();
            assert!(error.contains("name a"), "{path}: {error}");
        }
        assert!(open_small("/proc/self/exe".as_ref(), 100).map(drop).unwrap_err().to_string().contains("at most 100"));
        assert!(open("/proc/self/exe".as_ref()).is_ok());
    }
}
