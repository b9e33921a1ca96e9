//! The real commands on 2,000 folders with damaged files, beside programs that report, and while other files are truncated, replaced
//! and rewritten: no command dies, hangs or takes much memory, and the sound programs are listed each time.

use std::{
    fs::{self, DirBuilder, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use ttmem_e2e::{Outcome, Run, Steady, command, folder, number, ring_files, signal, wait_for};
use ttmem_hostile::{Random, put_damaged, sound_ring};

const FOLDERS: u64 = 2000;
const AT_ONCE: u64 = 500;
/// What a command may map, in KiB: 256 MiB beside itself and the largest of these files.
const ADDRESS_SPACE: u64 = 1 << 20 | 512 << 10;
const FORMATS: [&str; 8] =
    ["perfetto", "pytorch-snapshot", "pprof", "speedscope", "folded", "heaptrack", "csv", "jsonl"];

/// Runs the command with a limit on its memory.
fn ttmem(rings: &Path, arguments: &[&str], files: &[PathBuf]) -> Outcome {
    let limited = format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
    let run = Run::new("sh").args(["-c", &limited]).arg(command()).env("TTMEM_DIR", rings);
    // It fails where one takes a minute.
    run.args(arguments).args(files).outcome()
}

/// It did its work, or said in a line for each file what it could not read.
fn check(outcome: &Outcome, what: &str) {
    assert!(matches!(outcome.status.code(), Some(0 | 2)), "{what}: {}: {}", outcome.status, outcome.stderr);
    let strange = outcome.stderr.lines().find(|line| !line.starts_with("ttmem: "));
    assert_eq!(strange, None, "{what}: {}", outcome.stderr);
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn private_folder(path: PathBuf) -> PathBuf {
    DirBuilder::new().mode(0o700).create(&path).unwrap();
    path
}

/// Does to ring files what no program should, while they are read: the lock on each says that its process lives.
fn vandalise(folder: &Path, seed: u64, stop: &AtomicBool) -> u64 {
    let (mut random, sound) = (Random::seeded(seed), sound_ring());
    let mut lives: Vec<Option<File>> = (0..8).map(|_| None).collect();
    let mut turns = 0;
    while !stop.load(Ordering::Relaxed) {
        let at = random.below(lives.len());
        let path = folder.join(format!("{at}-9.ring"));
        let resize = |bytes: usize| {
            let _ = File::options().write(true).open(&path).and_then(|file| file.set_len(bytes as u64));
        };
        match random.below(8) {
            0 => resize(random.below(sound.len())),
            1 => resize(0),
            2 => resize(sound.len() * (1 + random.below(3))),
            3 => {
                let _ = fs::remove_file(&path);
            }
            4 => {
                let other = folder.join("other");
                let _ = fs::write(&other, &sound).and_then(|()| fs::rename(&other, &path));
            }
            // In place: for a moment it is empty.
            5 => drop(fs::write(&path, ttmem_hostile::mutated(&sound, &mut random))),
            _ => drop(fs::write(&path, &sound)),
        }
        lives[at] = File::open(&path).ok().filter(|file| file.try_lock().is_ok());
        turns += 1;
        thread::sleep(Duration::from_millis(2));
    }
    turns
}

/// What `ttmem serve` says.
fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("serve waits there");
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// `ttmem serve`, and where it waits.
fn serve(rings: &Path) -> (Ended, String) {
    let mut serve = Command::new(command());
    serve.env("TTMEM_DIR", rings).args(["serve", "--listen", "127.0.0.1:0"]);
    let mut serve = serve.stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = serve.stderr.take().unwrap();
    let mut line = Vec::new();
    while !line.ends_with(b"/metrics\n") {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&line));
        line.push(byte[0]);
    }
    thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    let line = String::from_utf8(line).unwrap();
    let address = line.lines().last().and_then(|line| line.strip_prefix("ttmem: http://")?.strip_suffix("/metrics"));
    (Ended(serve), address.expect("an address").to_owned())
}

#[test]
fn no_damaged_file_brings_a_command_down() {
    let base = folder();
    let rings = private_folder(base.path().join("rings"));
    let seed = number("TTMEM_TEST_SEED", 1);
    let steady = Steady { threads: 1, pause: 50_000, ring_bytes: 1 << 20, ..Steady::SMALL };
    let producers: Vec<Ended> = (0..2)
        .map(|at| Ended(steady.run(&base.path().join(format!("words-{at}"))).preloaded(&rings).start()))
        .collect();
    let pids: Vec<String> = producers.iter().map(|producer| producer.0.id().to_string()).collect();
    wait_for("both rings", || (ring_files(&rings).len() == 2).then_some(()));
    let vandals = private_folder(rings.join("run-vandals"));
    let (mut server, address) = serve(&rings);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let vandal = scope.spawn(|| vandalise(&vandals, seed, &stop));
        let result = std::panic::catch_unwind(|| {
            for first in (0..number("TTMEM_FOLDERS", FOLDERS)).step_by(AT_ONCE as usize) {
                let mut files = Vec::new();
                let batch: Vec<PathBuf> = (first..first + AT_ONCE)
                    .map(|at| {
                        let folder = private_folder(rings.join(format!("run-{at}")));
                        files.push(put_damaged(&folder, "1-1.ring", &mut Random::seeded(seed << 32 | at)));
                        folder
                    })
                    .collect();
                commands(&rings, &files, &pids, first);
                let metrics = scrape(&address);
                assert!(pids.iter().all(|pid| metrics.contains(pid)), "{metrics}");
                batch.iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());
            }
        });
        stop.store(true, Ordering::Relaxed);
        let turns = vandal.join().unwrap();
        result.unwrap_or_else(|why| std::panic::resume_unwind(why));
        assert!(turns > 10, "{turns}");
    });
    assert!(server.0.try_wait().unwrap().is_none(), "serve goes on");
    signal("TERM", server.0.id());
    assert!(server.0.wait().unwrap().success());
}

/// All commands on these files and on the folder.
fn commands(rings: &Path, files: &[PathBuf], pids: &[String], first: u64) {
    for arguments in [&["ls", "--json"][..], &["ls"], &["top", "--json"], &["top", "--once"]] {
        let outcome = ttmem(rings, arguments, &[]);
        check(&outcome, &format!("{arguments:?} from {first}"));
        assert_eq!(outcome.code(), 0, "{arguments:?}: {}", outcome.stderr);
        assert!(pids.iter().all(|pid| outcome.stdout.contains(pid)), "{arguments:?}: {}", outcome.stdout);
    }
    check(&ttmem(rings, &["report"], files), &format!("report from {first}"));
    check(&ttmem(rings, &["report", "--json", "-"], files), &format!("report --json from {first}"));
    let out = rings.join("out");
    for (at, file) in files.iter().enumerate().filter(|(at, _)| at % 10 == 0) {
        let file = std::slice::from_ref(file);
        let to = out.to_str().unwrap();
        let arguments = match at / 10 % 12 {
            8 => vec!["report", "--html", to],
            9 => vec!["report", "--at", "peak", "--tree"],
            10 => vec!["report", "--stats"],
            11 => vec!["diff", "--region", "decode"],
            format => vec!["export", "-f", FORMATS[format], "--at", "peak", "-o", to],
        };
        check(&ttmem(rings, &arguments, file), &format!("{arguments:?} of {first} + {at}"));
    }
    let _ = fs::remove_file(out);
}
