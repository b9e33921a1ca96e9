//! A ring file that is truncated while it is mapped: its reader notes that and gives nothing more; others read on.

use std::{
    fs::OpenOptions,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use ttmem_ring::{Counters, CreateOptions, MappedFiles, RingFile, RingReader, WaitSet, Wakeup};

const SIGBUS: i32 = 7;
const PAGE: u64 = 4096;

/// A ring with this many events in it.
fn ring(folder: &TempDir, events: u64) -> RingFile {
    let options = CreateOptions { folder: folder.path(), ring_bytes: 64 * 1024, queue_slots: 64, producer: "test" };
    let ring = RingFile::create(&options).unwrap();
    let mut drain = ring.drain();
    for value in 0..events {
        ring.queue().push(&[value; 7]).unwrap();
        drain.drain_up_to(value + 1);
    }
    ring
}

fn truncate(path: &Path, bytes: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

#[test]
fn nothing_is_read_from_a_truncated_ring_and_all_of_another() {
    let folder = TempDir::new().unwrap();
    let sound = ring(&folder, 100);
    // Whole pages, a part of one, nothing at all; with the pages of counters, and without them.
    for bytes in [0, 1, PAGE, 2 * PAGE + 7, 4 * PAGE, 8 * PAGE, 12 * PAGE] {
        for drains in [false, true] {
            let ring = ring(&folder, 1000);
            let mut reader = RingReader::open(ring.path()).unwrap();
            let mut other = RingReader::open(sound.path()).unwrap();
            if drains {
                reader.lock_for_draining().unwrap();
            }
            let mut records = Vec::new();
            assert_eq!((reader.read(&mut records, 10), reader.is_truncated()), (10, false));
            truncate(ring.path(), bytes);
            records.clear();
            for _ in 0..4 {
                assert_eq!(reader.read(&mut records, 1000), 0, "{bytes} bytes, drains: {drains}");
            }
            assert!(reader.is_truncated(), "{bytes} bytes, drains: {drains}");
            assert_eq!(reader.recover(&mut records), Default::default());
            assert!(records.is_empty());
            reader.release();
            assert_eq!((reader.counters(), reader.pool(0)), (Counters::default(), None));
            assert_eq!((reader.exit_status(), reader.open_requests().len()), (None, 0));
            let (wakeup, since) = (Wakeup::default(), Instant::now());
            let mut set = WaitSet::new(&wakeup, 0);
            reader.wait_in(&mut set);
            set.wait(Duration::from_millis(1));
            assert!(since.elapsed() < Duration::from_secs(1));
            assert_eq!((other.read(&mut records, 1000), other.is_truncated()), (100, false));
            drop(reader);
            assert!(RingReader::open(ring.path()).is_err(), "a header that does not fit its file");
        }
    }
}

#[test]
fn a_ring_that_grows_again_stays_truncated() {
    let folder = TempDir::new().unwrap();
    let ring = ring(&folder, 1000);
    let length = std::fs::metadata(ring.path()).unwrap().len();
    let mut reader = RingReader::open(ring.path()).unwrap();
    truncate(ring.path(), 0);
    assert_eq!(reader.read(&mut Vec::new(), 10), 0);
    truncate(ring.path(), length);
    assert_eq!((reader.read(&mut Vec::new(), 10), reader.is_truncated()), (0, true));
    // The file is all zeros now.
    assert!(RingReader::open(ring.path()).is_err());
}

#[test]
fn a_file_that_others_map_is_zeros_once_it_is_truncated() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("module");
    std::fs::write(&path, [7; 3 * PAGE as usize]).unwrap();
    let file = std::fs::File::open(&path).unwrap();
    // SAFETY: the file is truncated below, which the guard makes a change of bytes; each is read through a volatile load.
    let (guards, map) = MappedFiles::guarding(|| unsafe { memmap2::Mmap::map(&file) }.unwrap());
    // SAFETY: the place lies in the mapping.
    let byte = |at: usize| unsafe { map.as_ptr().add(at).read_volatile() };
    assert_eq!(byte(2 * PAGE as usize), 7);
    truncate(&path, 0);
    assert_eq!([0, 2 * PAGE as usize].map(byte), [0, 0]);
    drop(guards);
}

/// Runs one test of this file in a process of its own, with `TTMEM_TEST_CHILD` set.
fn child(test: &str) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test]).env("TTMEM_TEST_CHILD", "1").output().unwrap().status
}

/// Not a test of its own: a reader that gets a SIGBUS of another cause.
#[test]
fn child_with_another_bus_error() {
    if std::env::var_os("TTMEM_TEST_CHILD").is_some() {
        let folder = TempDir::new().unwrap();
        let _reader = RingReader::open(ring(&folder, 1).path()).unwrap();
        let pid = std::process::id().to_string();
        Command::new("kill").args(["-BUS", &pid]).status().unwrap();
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// Not a test of its own: a process with a ring, as libttmem.so makes one, and no reader.
#[test]
fn child_without_a_reader() {
    if std::env::var_os("TTMEM_TEST_CHILD").is_some() {
        let folder = TempDir::new().unwrap();
        let ring = ring(&folder, 1);
        truncate(ring.path(), 0);
        let _ = ring.queue().push(&[1; 7]);
    }
}

#[test]
fn any_other_bus_error_ends_the_process_and_a_producer_has_no_handler() {
    assert_eq!(child("child_with_another_bus_error").signal(), Some(SIGBUS));
    assert_eq!(child("child_without_a_reader").signal(), Some(SIGBUS));
}
