//! A folder with a ring and its sidecar files, where they are read.

use std::{
    env,
    fs::{self, File},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use ttmem_reader::Session;
use ttmem_ring::{RingReader, sites_path, snapshot_path};

use crate::look;

/// The folder that files are read from: `$TTMEM_HOSTILE`, else one of this process in memory, which its user removes.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let own = || format!("/dev/shm/ttmem-hostile-{}", process::id()).into();
        let path = env::var_os("TTMEM_HOSTILE").map_or_else(own, PathBuf::from);
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&path).expect("a folder in memory");
        path
    })
}

/// One ring of the folder; the next overwrites it.
pub(crate) struct Place {
    ring: PathBuf,
    /// What decides the things that no byte of the file does: whether the process lives, and more.
    choice: u8,
}

impl Place {
    /// Puts a ring there, without sidecar files.
    pub(crate) fn with(ring: &[u8], input: &[u8]) -> Self {
        let path = folder().join("1-1.ring");
        fs::write(&path, ring).expect("room for a ring");
        for path in [snapshot_path(&path), sites_path(&path), path.with_extension("snapshot-new")] {
            let _ = fs::remove_file(path);
        }
        Self { ring: path, choice: crc32fast::hash(input) as u8 }
    }

    pub(crate) fn sites(self, bytes: &[u8]) -> Self {
        fs::write(sites_path(&self.ring), bytes).expect("room for call sites");
        self
    }

    pub(crate) fn snapshot(self, bytes: &[u8]) -> Self {
        fs::write(snapshot_path(&self.ring), bytes).expect("room for a snapshot");
        self
    }

    /// Reads it as a reader that peeks, as one that drains, and as an input of `export`; of a process that lives, or is gone.
    pub(crate) fn read(self) {
        let life = (self.choice & 1 == 0).then(|| {
            let file = File::open(&self.ring).expect("the ring is there");
            file.lock().expect("nobody else has the lock");
            file
        });
        let Ok(ring) = RingReader::open(&self.ring) else { return };
        let mut session = if self.choice & 2 == 0 {
            Session::looking(ring, self.choice & 4 == 0)
        } else {
            Session::draining(ring, self.choice & 4 == 0).expect("nobody else drains")
        };
        for _ in 0..3 {
            session.advance();
        }
        drop(life);
        session.advance();
        session.settle(None);
        look::processes(&[session]);
        look::input(&self.ring, self.choice);
    }
}
