//! The ways that ttmem is compared with.

use std::{
    io::Read,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ttmem_ring::Clock;

/// The floor: read the counter, write one record of 64 bytes into a ring of this thread's own.
pub(crate) struct Floor {
    clock: Clock,
    ring: Vec<[u64; 8]>,
    next: usize,
}

impl Floor {
    /// A ring of 1 MiB.
    pub(crate) fn new() -> Self {
        Self { clock: Clock::detect(), ring: vec![[0; 8]; 16_384], next: 0 }
    }

    /// Writes one record. Not inlined: the others are calls too.
    #[inline(never)]
    pub(crate) fn put(&mut self, n: u64) {
        let at = self.next % self.ring.len();
        self.ring[at] = [self.next as u64, self.clock.now(), 1, 0, n, 4096, 0, 0];
        std::hint::black_box(&mut self.ring[at]);
        self.next += 1;
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
