//! The simulated tt-metal exports what the real one exports, and calls it the same way.

use std::{
    collections::HashSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use ttmem_e2e::{Variant, root, simulation, skip, target};

fn listed() -> Vec<String> {
    let text = fs::read_to_string(root().join("tests/c/sim/names.txt")).expect("names.txt");
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn exported(library: &Path) -> HashSet<String> {
    let output = Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library).output().expect("nm");
    assert!(output.status.success(), "nm {}", library.display());
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn relocations(library: &Path) -> String {
    let output = Command::new("readelf").args(["-r", "--wide"]).arg(library).output().expect("readelf");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `libtt_metal.so` of every ttnn wheel that the tests of `tests/ttnn` have installed. Where everything is required, the
/// wheel is installed first.
fn wheels() -> Vec<PathBuf> {
    let folder = env::var_os("TTMEM_TEST_VENVS").map_or_else(|| target().join("ttnn-venvs"), PathBuf::from);
    if env::var_os("TTMEM_REQUIRE_ALL").is_some_and(|all| all == "1") {
        let mut install = Command::new(env::var_os("PYTHON").unwrap_or_else(|| "python3".into()));
        let _ = install.arg(root().join("tests/ttnn/wheel.py")).env("TTMEM_TEST_VENVS", &folder).output();
    }
    let mut found = Vec::new();
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    // Others are there too; of those, some lack getters, which shim/src/interpose/fields.rs does without.
    let is_known = |venv: &PathBuf| {
        let name = venv.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        ["ttnn-0.79.", "ttnn-0.80.", "ttnn-0.81."].iter().any(|known| name.starts_with(known))
    };
    for venv in entries(&folder).filter(is_known) {
        for python in entries(&venv.join("lib")) {
            let library = python.join("site-packages/ttnn/build/lib/libtt_metal.so");
            if library.is_file() {
                found.push(library);
            }
        }
    }
    found
}

fn missing(library: &Path) -> Vec<String> {
    let exported = exported(library);
    listed().into_iter().filter(|name| !exported.contains(name)).collect()
}

#[test]
fn the_simulator_exports_every_listed_name() {
    for variant in [Variant::Wheel, Variant::WithClient] {
        assert_eq!(missing(&simulation(variant).join("libtt_metal.so")), [""; 0], "{variant:?}");
    }
}

#[test]
fn the_real_wheel_exports_every_listed_name() {
    let wheels = wheels();
    if wheels.is_empty() {
        skip("no ttnn wheel in target/ttnn-venvs or $TTMEM_TEST_VENVS (tests/ttnn installs it)");
        return;
    }
    for wheel in wheels {
        assert_eq!(missing(&wheel), [""; 0], "{}", wheel.display());
        assert_eq!(slot_of_id(&wheel), slot_of_id(&simulation(Variant::Wheel).join("libtt_metal.so")));
    }
}

/// In which slot of the vtable of MeshDevice `id()` stands.
fn slot_of_id(library: &Path) -> Option<u64> {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library).output().expect("nm");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let table = text.lines().find(|line| line.ends_with(" _ZTVN2tt8tt_metal11distributed10MeshDeviceE"))?;
    let table = number(table.split_whitespace().next()?)?;
    let relocations = relocations(library);
    // The same function stands in other tables too: the nearest entry behind the table's start is this table's.
    let entries = relocations.lines().filter(|line| line.contains("_ZNK2tt8tt_metal11distributed10MeshDevice2idEv"));
    let places = entries.filter_map(|line| number(line.split_whitespace().next()?));
    // Two words come before the first slot.
    places.filter(|place| (table..table + 600).contains(place)).map(|place| (place - table) / 8 - 2).min()
}

#[test]
fn id_has_the_slot_that_it_has_in_0_81() {
    assert_eq!(slot_of_id(&simulation(Variant::Wheel).join("libtt_metal.so")), Some(3));
}

#[test]
fn the_simulator_calls_through_the_plt() {
    let relocations = relocations(&simulation(Variant::Wheel).join("libtt_metal.so"));
    let jumps: HashSet<&str> = relocations
        .lines()
        .filter(|line| line.contains("JUMP_SLO") || line.contains("GLOB_DAT"))
        .filter_map(|line| line.split_whitespace().nth(4))
        .collect();
    for name in listed().iter().take_while(|name| !name.contains("MeshDevice5close")) {
        // Device::close() is virtual, and track_program is called from outside; the symbol itself is in the vtable.
        if !name.contains("6Device5close") && !name.contains("track_program") {
            assert!(jumps.contains(name.as_str()), "{name} is bound within the library");
        }
    }
    assert!(relocations.lines().any(|line| line.contains("_64") && line.contains("_ZN2tt8tt_metal6Device5closeEv")));
}
