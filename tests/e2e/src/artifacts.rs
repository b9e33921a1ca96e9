//! What is under test, and the programs that test it; built once.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    env,
    ffi::{OsStr, OsString},
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, OnceLock},
};

/// The repository.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Cargo's target folder: this test runs from `<target>/<profile>/deps`.
///
/// # Panics
/// If it runs from somewhere else.
pub fn target() -> PathBuf {
    let exe = env::current_exe().expect("a test knows its own path");
    exe.ancestors().nth(3).expect("tests run from <target>/<profile>/deps").to_path_buf()
}

/// The platform of what is under test, where it is not that of the tests: `TTMEM_TEST_TARGET`. Its programs must run here, by
/// binfmt_misc, and its compilers are named as for build scripts (`CC_aarch64_unknown_linux_gnu`).
fn other_platform() -> Option<String> {
    env::var("TTMEM_TEST_TARGET").ok().filter(|name| !name.is_empty())
}

fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.current_dir(root()).args(["build", "--quiet", "--release", "-p", "ttmem-shim", "-p", "ttmem"]);
        let platform = other_platform();
        build.args(platform.iter().flat_map(|platform| ["--target", platform]));
        succeed(build.arg("--target-dir").arg(target()));
        target().join(platform.unwrap_or_default()).join("release")
    })
}

/// `libttmem.so`, release build.
pub fn library() -> PathBuf {
    built().join("libttmem.so")
}

/// The command `ttmem`, release build.
pub fn command() -> PathBuf {
    built().join("ttmem")
}

/// Where `ttmem.h` is.
pub fn header_folder() -> PathBuf {
    root().join("include")
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
}

fn compiler(source: &Path) -> Command {
    let (variable, default, standard) = match source.extension().and_then(OsStr::to_str) {
        Some("c") => ("CC", "cc", "-std=c11"),
        _ => ("CXX", "c++", "-std=c++17"),
    };
    let variable = match other_platform() {
        Some(platform) => format!("{variable}_{}", platform.replace('-', "_")),
        None => variable.into(),
    };
    let name = env::var(variable).ok().filter(|name| !name.trim().is_empty()).unwrap_or_else(|| default.into());
    let mut words = name.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or(default));
    command.args(words).args([standard, "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-D_GNU_SOURCE"]);
    command
}

/// A folder under the target folder that is named after the content of `sources` and `parameters`, filled by `fill` unless
/// that was done before. Two tests that fill it at once do no harm: the first to finish gives the folder its name.
fn cached(parameters: &str, sources: &Path, fill: impl FnOnce(&Path)) -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut hasher = DefaultHasher::new();
    (parameters, other_platform(), env::var_os("CC"), env::var_os("CXX")).hash(&mut hasher);
    let mut files: Vec<PathBuf> = fs::read_dir(sources).expect("tests/c").map(|entry| entry.unwrap().path()).collect();
    // What programs include.
    files.extend(fs::read_dir(header_folder()).expect("include").map(|entry| entry.unwrap().path()));
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        (file.file_name(), fs::read(file).expect("a source file")).hash(&mut hasher);
    }
    let folder = target().join("e2e").join(format!("{:016x}", hasher.finish()));
    if !folder.exists() {
        fs::create_dir_all(target().join("e2e")).expect("the target folder can be written");
        let making = tempfile::tempdir_in(target().join("e2e")).expect("the target folder can be written");
        fill(making.path());
        let making = making.keep();
        if fs::rename(&making, &folder).is_err() {
            let _ = fs::remove_dir_all(making);
        }
    }
    folder
}

fn program(source: &str, flags: &[OsString]) -> PathBuf {
    let sources = root().join("tests/c");
    let folder = cached(&format!("{source} {flags:?}"), &sources, |folder| {
        let source = sources.join(source);
        let mut command = compiler(&source);
        succeed(command.arg(&source).args(flags).arg("-pthread").arg("-o").arg(folder.join("program")));
    });
    folder.join("program")
}

/// A program of `tests/c` that gets the library by preloading, or not at all.
pub fn c_program(source: &str) -> PathBuf {
    program(source, &[])
}

/// The same with flags of its own for the compiler.
pub fn c_program_with(source: &str, flags: &[&str]) -> PathBuf {
    program(source, &flags.iter().map(OsString::from).collect::<Vec<_>>())
}

/// A shared library of `tests/c`.
pub fn c_library(source: &str) -> PathBuf {
    program(source, &["-shared".into(), "-fPIC".into()])
}

/// A program of `tests/c` that includes the header and links the library.
pub fn c_program_linked(source: &str) -> PathBuf {
    let folder = built();
    let mut include = OsString::from("-I");
    include.push(header_folder());
    let mut search = OsString::from("-L");
    search.push(folder);
    let mut path = OsString::from("-Wl,-rpath,");
    path.push(folder);
    program(source, &[include, search, "-lttmem".into(), path])
}

/// Builds of the simulated tt-metal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// As ttnn 0.81.
    Wheel,
    /// The same, patched with the first proof of concept's client.
    WithClient,
    /// An older build without the allocator's present names, patched with the client.
    ClientOnly,
    /// An older build that does not export the getters of buffers.
    NoGetters,
}

/// The folder with `libtt_metal.so`, `libscenarios.so`, `linked`, `local` and `started`.
pub fn simulation(variant: Variant) -> PathBuf {
    static DONE: OnceLock<Mutex<HashMap<Variant, PathBuf>>> = OnceLock::new();
    let mut done = DONE.get_or_init(Mutex::default).lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    done.entry(variant).or_insert_with(|| build_simulation(variant)).clone()
}

fn build_simulation(variant: Variant) -> PathBuf {
    let defines: &[&str] = match variant {
        Variant::Wheel => &[],
        Variant::WithClient => &["-DTTSIM_CLIENT"],
        Variant::ClientOnly => &["-DTTSIM_CLIENT", "-DTTSIM_CLIENT_ONLY"],
        Variant::NoGetters => &["-DTTSIM_NO_GETTERS"],
    };
    let sources = root().join("tests/c/sim");
    cached(&format!("{variant:?}"), &sources, |folder| {
        let scenarios = sources.join("scenarios.cpp");
        let mut library = compiler(&scenarios);
        // As the wheel's: everything visible, nothing bound within the library.
        library.args(["-shared", "-fPIC", "-fvisibility=default", "-fsemantic-interposition"]).args(defines);
        for entry in fs::read_dir(&sources).expect("tests/c/sim") {
            let path = entry.expect("tests/c/sim").path();
            if path.extension() == Some(OsStr::new("cpp")) && path != scenarios {
                library.arg(path);
            }
        }
        succeed(library.arg("-Wl,-soname,libtt_metal.so").arg("-o").arg(folder.join("libtt_metal.so")));
        let against = |mut command: Command, output: &str| {
            command.args(defines).arg(&scenarios).arg("-L").arg(folder).args(["-ltt_metal", "-Wl,-rpath,$ORIGIN"]);
            succeed(command.args(["-pthread", "-o"]).arg(folder.join(output)));
        };
        let mut shared = compiler(&scenarios);
        shared.args(["-shared", "-fPIC"]);
        against(shared, "libscenarios.so");
        let mut linked = compiler(&scenarios);
        linked.arg("-DSCENARIO_LINKED");
        against(linked, "linked");
        for (source, output) in [("load_local.c", "local"), ("load_started.c", "started")] {
            let source = sources.join(source);
            succeed(compiler(&source).arg(&source).args(["-rdynamic", "-o"]).arg(folder.join(output)));
        }
        // tt-metal comes before ttmem in the scope of all names.
        let source = sources.join("load_started.c");
        let mut started = compiler(&source);
        started.arg(&source).arg("-rdynamic").arg("-L").arg(folder);
        // Names of the C++ library that tt-metal needs are left to the dynamic linker, which has the right one.
        started.args(["-Wl,--no-as-needed,--allow-shlib-undefined", "-ltt_metal", "-Wl,-rpath,$ORIGIN", "-o"]);
        succeed(started.arg(folder.join("started-linked")));
    })
}
