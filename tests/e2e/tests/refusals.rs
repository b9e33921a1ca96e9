//! Where no ring can be made, or the file system runs full: the program runs on, and one line says why.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use ttmem_e2e::{Run, c_program, dead_rings, folder, is_root, library, on_a_small_file_system, skip};

/// 10 events with rings in `path`: refused with one line, which says something of `reason`; nothing else differs.
fn assert_refused(path: &Path, reason: &str) {
    let run = || Run::new(c_program("host.c")).args(["events", "10"]);
    let (plain, preloaded) = (run().outcome(), run().preloaded(path).outcome());
    assert_eq!(preloaded.without_our_lines(), plain);
    let lines = preloaded.our_lines();
    assert_eq!(lines.len(), 1, "{}: {}", path.display(), preloaded.stderr);
    assert!(lines[0].contains(reason), "{}: {lines:?}", path.display());
    let silent = run().preloaded(path).env("TTMEM_LOG", "off").outcome();
    assert_eq!(silent, plain);
}

fn entries(path: &Path) -> usize {
    fs::read_dir(path).expect("a folder").count()
}

#[test]
fn a_folder_that_is_none() {
    let base = folder();
    fs::write(base.path().join("file"), "").expect("a file");
    assert_refused(&base.path().join("no/such"), "No such file");
    assert_refused(&base.path().join("file"), "not a folder");
    assert_refused(&base.path().join("file/below"), "not a folder");
    assert_refused(Path::new("/dev/null"), "not a folder");
    assert_refused(Path::new("/proc"), "/proc");
    assert_refused(Path::new("/proc/self/ttmem"), "/proc/self/ttmem");
    assert_eq!(entries(base.path()), 1);
}

#[test]
fn a_link_in_the_folders_place() {
    let base = folder();
    let (victim, link) = (base.path().join("victim"), base.path().join("link"));
    fs::create_dir(&victim).expect("a folder");
    fs::set_permissions(&victim, Permissions::from_mode(0o700)).expect("mode 700");
    symlink(&victim, &link).expect("a link");
    assert_refused(&link, "link");
    assert_eq!(entries(&victim), 0, "nothing was made behind the link");
    symlink(base.path().join("new"), base.path().join("dangling")).expect("a link");
    assert_refused(&base.path().join("dangling"), "link");
    assert!(!base.path().join("new").exists());
}

#[test]
fn a_folder_that_others_may_write_to() {
    let base = folder();
    let open = base.path().join("open");
    fs::create_dir(&open).expect("a folder");
    for mode in [0o777, 0o1777, 0o770, 0o702] {
        fs::set_permissions(&open, Permissions::from_mode(mode)).expect("a mode");
        assert_refused(&open, "write");
        assert_eq!(entries(&open), 0);
    }
}

#[test]
fn a_folder_of_somebody_else() {
    if !is_root() {
        skip("only root can give a folder away");
        return;
    }
    let base = folder();
    let theirs = base.path().join("theirs");
    fs::create_dir(&theirs).expect("a folder");
    fs::set_permissions(&theirs, Permissions::from_mode(0o700)).expect("mode 700");
    chown(&theirs, Some(65534), Some(65534)).expect("chown");
    assert_refused(&theirs, "belongs to user 65534");
    assert_eq!(entries(&theirs), 0);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let base = folder();
    let own = base.path().join("own");
    fs::create_dir(&own).expect("a folder");
    fs::set_permissions(&own, Permissions::from_mode(0o500)).expect("mode 500");
    if !is_root() {
        assert_refused(&own, "denied");
        return;
    }
    // Root may write anywhere; another user may not.
    let user = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    if !Command::new("setpriv").args(user).arg("true").status().is_ok_and(|status| status.success()) {
        skip("there is no setpriv to become another user by");
        return;
    }
    chown(&own, Some(65534), Some(65534)).expect("chown");
    fs::set_permissions(base.path(), Permissions::from_mode(0o755)).expect("mode 755");
    let (program, shim) = (base.path().join("host"), base.path().join("libttmem.so"));
    fs::copy(c_program("host.c"), &program).expect("a copy that the user can reach");
    fs::copy(library(), &shim).expect("a copy that the user can reach");
    let run = || Run::new("setpriv").args(user).arg(&program).args(["events", "10"]);
    let plain = run().outcome();
    let preloaded = run().env("LD_PRELOAD", &shim).env("TTMEM_DIR", &own).outcome();
    assert_eq!(preloaded.without_our_lines(), plain);
    assert_eq!(preloaded.our_lines().len(), 1, "{}", preloaded.stderr);
    assert_eq!(entries(&own), 0);
}

#[test]
fn settings_that_make_no_sense() {
    for (name, value) in [
        ("TTMEM_RING_BYTES", "many"),
        ("TTMEM_RING_BYTES", "1"),
        ("TTMEM_RING_BYTES", "99999999999999999999999"),
        ("TTMEM_ON_FULL", "block"),
        ("TTMEM_ON_FULL", "block:-1"),
    ] {
        let rings = folder();
        let run = || Run::new(c_program("host.c")).args(["events", "10"]);
        let preloaded = run().preloaded(rings.path()).env(name, value).outcome();
        assert_eq!(preloaded.without_our_lines(), run().outcome());
        assert_eq!(preloaded.our_lines().len(), 1, "{name}={value}: {}", preloaded.stderr);
        assert!(preloaded.stderr.contains(name), "{}", preloaded.stderr);
        // The default is taken.
        let dead = dead_rings(rings.path());
        assert_eq!((dead.len(), dead[0].events.len(), dead[0].header.ring_slots), (1, 10, 65_536));
    }
}

/// Runs `host` on a small file system of its own, mounted where nobody else sees it.
fn host_on_a_small_file_system(size: &str, case: &str, preload: bool) -> Option<ttmem_e2e::Outcome> {
    let place = folder();
    let mut run = on_a_small_file_system(size, place.path())?.arg(c_program("host.c")).arg(case);
    run = if case == "events" { run.arg("10") } else { run.arg(place.path()) };
    Some(if preload { run.preloaded(place.path()) } else { run }.outcome())
}

#[test]
fn a_read_only_file_system_is_one_line() {
    let Some(plain) = host_on_a_small_file_system("1m,ro", "events", false) else {
        skip("this user may not mount a file system of its own (unshare --mount)");
        return;
    };
    let preloaded = host_on_a_small_file_system("1m,ro", "events", true).expect("as before");
    assert_eq!(preloaded.without_our_lines(), plain);
    assert_eq!(preloaded.our_lines().len(), 1, "{}", preloaded.stderr);
    assert!(preloaded.stderr.contains("Read-only file system"), "{}", preloaded.stderr);
}

#[test]
fn a_full_file_system_is_one_line_and_never_a_signal() {
    // Too small for a ring.
    let Some(plain) = host_on_a_small_file_system("1m", "events", false) else {
        skip("this user may not mount a file system of its own (unshare --mount)");
        return;
    };
    let preloaded = host_on_a_small_file_system("1m", "events", true).expect("as before");
    assert_eq!(preloaded.without_our_lines(), plain);
    assert_eq!(preloaded.our_lines().len(), 1, "{}", preloaded.stderr);
    assert!(preloaded.stderr.contains("No space left"), "{}", preloaded.stderr);

    // The ring is there when the program itself fills the rest: its room was reserved. Where the ring is full too, there is
    // no room for a snapshot, and that is said once.
    let plain = host_on_a_small_file_system("12m", "full-file-system", false).expect("as before");
    let preloaded = host_on_a_small_file_system("12m", "full-file-system", true).expect("as before");
    assert_eq!(preloaded.without_our_lines(), plain);
    assert_eq!(preloaded.our_lines().len(), 1, "{}", preloaded.stderr);
    assert!(preloaded.stderr.contains("its checkpoint can't be written: No space left"), "{}", preloaded.stderr);
    assert_eq!((plain.stdout.as_str(), plain.code()), ("No space left on device\n", 0));
}
