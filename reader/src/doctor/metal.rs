//! ttnn in the current Python, and what of its tt-metal the library sees.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    Check,
    exports::{Contains, Exports},
    parts::{PartCheck, Sight},
};
use crate::tested;

/// Says where ttnn lies and of which version it is; imports nothing, which would take seconds.
const ASK: &str = "import importlib.util, importlib.metadata
spec = importlib.util.find_spec('ttnn')
if spec:
    print(next(iter(spec.submodule_search_locations)))
    try: print(importlib.metadata.version('ttnn'))
    except importlib.metadata.PackageNotFoundError: print('unknown')";

/// Of the ttnn that this interpreter has.
pub(super) fn of_python(python: &Path) -> (Vec<Check>, Vec<PartCheck>) {
    const WHAT: &str = "ttnn";
    let advice = "in the environment where ttnn is, or with --python; programs in C++ need neither";
    let output = match Command::new(python).args(["-c", ASK]).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason given").to_owned();
            return (vec![Check::note(WHAT, format!("{}: {error}", python.display()), advice)], Vec::new());
        }
        Err(error) => return (vec![Check::note(WHAT, format!("{}: {error}", python.display()), advice)], Vec::new()),
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = told.lines();
    let Some(folder) = lines.next().map(PathBuf::from) else {
        return (vec![Check::note(WHAT, format!("not in {}", python.display()), advice)], Vec::new());
    };
    let version = lines.next().unwrap_or("unknown").to_owned();
    let found = format!("{version} in {}", folder.display());
    let found = if tested::is_tested(&version) {
        Check::good(WHAT, found)
    } else {
        Check::note(WHAT, found, format!("ttmem was tested with {}; it tracks what this one exports", tested::BUILDS))
    };
    let (names, parts) = of_folder(&folder);
    (vec![found, names], parts)
}

/// Of a library that somebody names: libtt_metal.so, or one that tt-metal is linked into.
pub(super) fn of_library(path: &Path) -> (Check, Vec<PartCheck>) {
    let mut exports = match Exports::of(path) {
        Ok(exports) => exports,
        Err(error) => {
            let advice = "name libtt_metal.so, or a library that tt-metal is linked into";
            return (Check::wrong(NAMES, format!("{}: {error}", path.display()), advice), Vec::new());
        }
    };
    // Its neighbours call it too.
    let beside = path.parent().map(libraries_in).into_iter().flatten();
    beside.filter(|other| other != path).for_each(|other| exports.add_calls_of(&other));
    judge(path, &exports)
}

/// Of a wheel.
fn of_folder(folder: &Path) -> (Check, Vec<PartCheck>) {
    let libraries = libraries(folder);
    let is_metal = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "libtt_metal.so");
    let Some(metal) = libraries.iter().find(is_metal) else {
        let advice = "is it built? `ttmem run` with TTMEM_LOG=on says whether its calls come by";
        return (Check::note(NAMES, format!("no libtt_metal.so in {}", folder.display()), advice), Vec::new());
    };
    let Ok(mut exports) = Exports::of(metal) else {
        let advice = "install ttnn anew";
        return (Check::wrong(NAMES, format!("{} cannot be read", metal.display()), advice), Vec::new());
    };
    // A call from another library of the wheel comes by too.
    libraries.iter().filter(|path| *path != metal).for_each(|other| exports.add_calls_of(other));
    judge(metal, &exports)
}

const NAMES: &str = "names";

fn judge(path: &Path, exports: &Exports) -> (Check, Vec<PartCheck>) {
    let path = path.display();
    if exports.defined.is_empty() {
        let found = match exports.contains {
            Contains::Nothing => format!("{path}: tt-metal is not in it"),
            Contains::LocalNames => {
                format!("{path}: tt-metal is linked statically, its names are local: nothing can be seen")
            }
            Contains::NoNames => format!("{path}: tt-metal is linked statically and stripped: nothing can be seen"),
        };
        let advice = "use a build with a libtt_metal.so of its own, or report allocations by the C API (docs/c-api.md)";
        return (Check::wrong(NAMES, found, advice), Vec::new());
    }
    let parts = PartCheck::all(exports);
    let names = |wanted: &[Sight]| {
        let these = parts.iter().filter(|check| wanted.contains(&check.seen));
        these.map(|check| check.part.name()).collect::<Vec<_>>().join(", ")
    };
    let check = if let Some(buffers) = parts.iter().find(|check| check.is_needed_and_unseen()) {
        let why = buffers.why.as_deref().unwrap_or_default();
        let advice = "use a ttnn wheel; a build of your own must export these names, and call them by name";
        Check::wrong(NAMES, format!("no buffer of {path} is seen: {why}"), advice)
    } else {
        let hidden = names(&[Sight::No, Sight::Partly]);
        if hidden.is_empty() {
            Check::good(NAMES, "all that this tt-metal has is seen")
        } else {
            let advice = "the table below has the reasons; reports of this build name these parts";
            Check::note(NAMES, format!("not seen, or not all of it: {hidden}"), advice)
        }
    };
    (check, parts)
}

/// The libraries of the wheel: in build/lib, as far as the wheels from 0.62 on go.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    libraries_in(&folder.join("build/lib")).chain(libraries_in(folder)).collect()
}

fn libraries_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let is_library = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "so");
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_library)
}
