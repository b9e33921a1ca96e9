//! The file system of the rings fills up while a reader drains: what it leaves for the next finds no room, and it goes on.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use ttmem_e2e::{Report, Steady, command, folder, on_a_small_file_system, signal, skip, wait_for};

/// Something that takes all the room there is.
struct Filler {
    path: PathBuf,
    file: File,
}

impl Filler {
    fn new(place: &Path) -> Self {
        let path = place.join("filler");
        Self { file: File::create(&path).expect("a file"), path }
    }

    /// What came free since the last time goes too. Returns whether there was any.
    fn fill(&mut self) -> bool {
        let mut took = false;
        loop {
            match self.file.write(&[1; 4096]) {
                Ok(_) => took = true,
                Err(error) if error.kind() == ErrorKind::StorageFull => return took,
                Err(error) => panic!("{}: {error}", self.path.display()),
            }
        }
    }
}

fn has_snapshot(place: &Path) -> bool {
    let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    // Each run has a folder of its own there.
    entries(place)
        .flat_map(|folder| entries(&folder))
        .any(|path| path.extension().is_some_and(|extension| extension == "snapshot"))
}

#[test]
fn a_file_system_that_fills_up_while_a_reader_drains_costs_no_event() {
    let (place, files) = (folder(), folder());
    let Some(run) = on_a_small_file_system("16m", place.path()) else {
        skip("this user may not mount a file system of its own (unshare --mount)");
        return;
    };
    let steady = Steady {
        threads: 1,
        events: 1 << 40,
        live: 1000,
        spin: 300,
        pause: 0,
        waits: false,
        ring_bytes: 65_536,
        on_full: "",
    };
    let (words, json) = (files.path().join("words"), files.path().join("report.json"));
    let program = steady.run(&words);
    let run = run.arg(command()).args(["run", "--quiet", "--json"]).arg(&json).arg("--");
    let mut child = run.command_of(&program).env("TTMEM_DIR", place.path()).start();
    // The file system is seen through the process that it was mounted for.
    let seen = Path::new("/proc").join(child.id().to_string()).join("root");
    let seen = seen.join(place.path().strip_prefix("/").expect("an absolute path"));
    let events = || steady.returned(&words)[0];
    let further = |more: u64, each: &mut dyn FnMut()| {
        let goal = events() + more;
        wait_for("more events", || {
            each();
            (events() >= goal).then_some(())
        });
    };
    wait_for("a checkpoint", || has_snapshot(&seen).then_some(()));
    let mut filler = Filler::new(&seen);
    assert!(filler.fill(), "there was room");
    further(300_000, &mut || {
        filler.fill();
    });
    // There is room again.
    fs::remove_file(&filler.path).expect("it is there");
    drop(filler);
    further(300_000, &mut || {});
    wait_for("a checkpoint", || has_snapshot(&seen).then_some(()));

    signal("KILL", steady.pid(&words));
    child.wait().expect("waiting for ttmem run");
    let returned = [events()];
    let report = Report::parse(&fs::read_to_string(&json).expect("the report"));
    steady.check(report.process(), &returned, &[returned[0] + 1]);
}
