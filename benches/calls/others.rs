//! The ways that ttmem is compared with.

use std::{
    collections::VecDeque,
    hint::black_box,
    io::Read,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crossbeam_channel::Receiver;
use ttmem_benches::Report;
use ttmem_ring::{Clock, monotonic_ns};

/// The floor, see calls/floor.c: a call of the same kind as the library's.
pub(crate) fn floor() -> Report {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("calls/floor.c");
    let built = std::env::temp_dir().join(format!("ttmem-floor-{}.so", std::process::id()));
    run(Command::new("cc").args(["-O2", "-std=c11", "-shared", "-fPIC"]).arg(&source).arg("-o").arg(&built))
        .expect("a C compiler");
    // SAFETY: the library has no constructor.
    let library = unsafe { libloading::Library::new(&built) }.expect("the floor");
    let _ = std::fs::remove_file(&built);
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the function has this signature.
    *unsafe { library.get(b"floor_allocation") }.expect("floor_allocation")
}

/// What tt-metal's own tracking does for each event at its cheapest: six counters in shared memory, and the time.
pub(crate) fn counters() -> impl FnMut(u64) {
    // SAFETY: an anonymous mapping at an address of the kernel's choice, zeroed: valid atomics. It is never unmapped.
    let counters: &'static [AtomicU64; 6] = unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let page = libc::mmap(ptr::null_mut(), 4096, protection, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0);
        assert_ne!(page, libc::MAP_FAILED);
        &*page.cast()
    };
    move |n| {
        for counter in &counters[..5] {
            counter.fetch_add(n, Ordering::Relaxed);
        }
        counters[5].store(monotonic_ns(), Ordering::Relaxed);
    }
}

/// A record of 64 bytes through a crossbeam channel, which a thread of its own empties.
pub(crate) fn channel() -> impl FnMut(u64) {
    let (sender, receiver) = crossbeam_channel::bounded::<Record>(32_768);
    std::thread::spawn(move || empty_channel(&receiver));
    let clock = Clock::detect();
    move |n| {
        let _ = sender.try_send([0, clock.now(), 1, 0, n, 4096, 0, 0]);
    }
}

/// A ring behind a mutex, which a thread of its own empties.
pub(crate) fn mutex() -> impl FnMut(u64) {
    let ring = Arc::new(Mutex::new(VecDeque::with_capacity(65_536)));
    let emptied = Arc::clone(&ring);
    std::thread::spawn(move || empty_mutex(&emptied));
    let clock = Clock::detect();
    move |n| {
        if let Ok(mut ring) = ring.lock() {
            ring.push_back([0, clock.now(), 1, 0, n, 4096, 0, 0]);
        }
    }
}

type Record = [u64; 8];
const POLL: Duration = Duration::from_micros(200);

fn empty_channel(receiver: &Receiver<Record>) {
    let mut ring = vec![[0; 8]; 65_536];
    let mut next = 0_usize;
    loop {
        for record in receiver.try_iter() {
            ring[next % 65_536] = record;
            next = next.wrapping_add(1);
        }
        black_box(&mut ring);
        std::thread::sleep(POLL);
    }
}

fn empty_mutex(shared: &Mutex<VecDeque<Record>>) {
    let mut out = VecDeque::with_capacity(65_536);
    loop {
        if let Ok(mut ring) = shared.lock() {
            std::mem::swap(&mut *ring, &mut out);
        }
        out.clear();
        std::thread::sleep(POLL);
    }
}

/// What the first proof of concept did for each event: a message of 128 bytes to a server that reads it.
pub(crate) fn unix_socket() -> impl FnMut(u64) {
    use std::io::Write;
    let (mut ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    std::thread::spawn(move || {
        let mut sink = [0; 65_536];
        while theirs.read(&mut sink).is_ok_and(|bytes| bytes > 0) {}
    });
    let mut message = [0; 128];
    move |n| {
        message[..8].copy_from_slice(&n.to_ne_bytes());
        ours.write_all(&message).expect("the server reads");
    }
}

type Tracepoint = unsafe extern "C" fn(i64, u64, u64, u64, u64, u64);

/// A tracepoint of six integers with LTTng-UST, recorded by a session.
pub(crate) fn lttng_tracepoint() -> Result<(impl FnMut(u64), LttngSession), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("lttng");
    let built = std::env::temp_dir().join(format!("ttmem-lttng-{}.so", std::process::id()));
    run(Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-I"])
        .arg(&source)
        .arg(source.join("tracepoint.c"))
        .arg("-o")
        .arg(&built)
        .args(["-llttng-ust", "-ldl"]))?;
    let session = format!("ttmem-bench-{}", std::process::id());
    let output = std::env::temp_dir().join(&session);
    run(Command::new("lttng").args(["create", &session, "--output"]).arg(&output))?;
    run(Command::new("lttng").args(["enable-event", "--userspace", "ttmem_bench:*", "--session", &session]))?;
    run(Command::new("lttng").args(["start", &session]))?;
    // SAFETY: the library's constructors are LTTng's, which any program runs.
    let library = unsafe { libloading::Library::new(&built) }.map_err(|error| error.to_string())?;
    let library: &'static libloading::Library = Box::leak(Box::new(library));
    // SAFETY: the function has this signature; see lttng/tracepoint.c.
    let call = unsafe { library.get::<Tracepoint>(b"ttmem_bench_event") }.map_err(|error| error.to_string())?;
    // The session daemon registers a new process in the background.
    std::thread::sleep(std::time::Duration::from_millis(500));
    // SAFETY: any integers will do.
    let call = move |n| unsafe { call(0, 4096, 1, n, 0, 0) };
    Ok((call, LttngSession { session, output, built }))
}

/// The recording session; dropped, it leaves nothing behind.
pub(crate) struct LttngSession {
    session: String,
    output: PathBuf,
    built: PathBuf,
}

impl Drop for LttngSession {
    fn drop(&mut self) {
        let _ = run(Command::new("lttng").args(["destroy", &self.session]));
        let _ = std::fs::remove_dir_all(&self.output);
        let _ = std::fs::remove_file(&self.built);
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.stdin(Stdio::null()).output() {
        Err(error) => Err(format!("{name}: {error}")),
        Ok(output) if !output.status.success() => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name}: {}", text.lines().next().unwrap_or("failed")))
        }
        Ok(_) => Ok(()),
    }
}
