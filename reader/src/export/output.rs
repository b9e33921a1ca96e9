//! Where an export goes: a file that is whole or not there, or standard output.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

const BUFFER: usize = 1 << 18;

/// A file that takes its name when it is whole; until then an old file of that name stays. What is no plain file (a pipe,
/// /dev/stdout) is written to directly.
pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// Where it lies until it is whole, and its name.
    names: Option<(PathBuf, PathBuf)>,
}

impl Output {
    /// Begins to write to a file, or to standard output.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self { writer: buffered(Box::new(io::stdout())), names: None });
        };
        match fs::symlink_metadata(path) {
            Ok(found) if found.is_dir() => Err(io::Error::other("it is a folder; name a file")),
            Ok(found) if !found.is_file() => {
                let file = fs::OpenOptions::new().write(true).truncate(true).create(true).open(path)?;
                Ok(Self { writer: buffered(Box::new(file)), names: None })
            }
            _ => {
                let mut temporary = path.as_os_str().to_owned();
                temporary.push(format!(".{}.tmp", std::process::id()));
                let temporary = PathBuf::from(temporary);
                let file = File::create(&temporary)?;
                Ok(Self { writer: buffered(Box::new(file)), names: Some((temporary, path.to_owned())) })
            }
        }
    }

    /// It is whole: gives it its name.
    ///
    /// # Errors
    /// If what is left cannot be written.
    pub fn keep(mut self) -> io::Result<()> {
        self.writer.flush()?;
        match self.names.take() {
            Some((temporary, name)) => fs::rename(&temporary, name).inspect_err(|_| {
                let _ = fs::remove_file(&temporary);
            }),
            None => Ok(()),
        }
    }
}

fn buffered(writer: Box<dyn Write + Send>) -> BufWriter<Box<dyn Write + Send>> {
    BufWriter::with_capacity(BUFFER, writer)
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.names {
            let _ = fs::remove_file(temporary);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}
