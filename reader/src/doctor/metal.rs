//! ttnn in the current Python, and whether the names that the library stands in for are in its tt-metal.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use object::{Object, ObjectSymbol, RelocationTarget};

use super::Check;

/// What libttmem.so exports: of these, the C++ names are tt-metal's.
const EXPORTS: &str = include_str!("../../../abi/exports.txt");

/// Without these no buffer is seen.
const NEEDED: [&str; 3] = [
    "_ZN2tt8tt_metal13AllocatorImpl15allocate_bufferEPNS0_6BufferE",
    "_ZN2tt8tt_metal13AllocatorImpl17deallocate_bufferEPNS0_6BufferE",
    "_ZN2tt8tt_metal12GraphTracker14track_allocateEPKNS0_6BufferE",
];

/// A patched build's client: no build has to have it. Virtual: its place in a table is enough.
fn is_optional(name: &str) -> bool {
    name.contains("16AllocationClient")
}

/// Says where ttnn lies and of which version it is; imports nothing, which would take seconds.
const ASK: &str = "import importlib.util, importlib.metadata
spec = importlib.util.find_spec('ttnn')
if spec:
    print(next(iter(spec.submodule_search_locations)))
    try: print(importlib.metadata.version('ttnn'))
    except importlib.metadata.PackageNotFoundError: print('unknown')";

pub(super) fn checks(python: &Path) -> Vec<Check> {
    const WHAT: &str = "ttnn";
    let advice = "in the environment where ttnn is, or with --python; programs in C++ need neither";
    let output = match Command::new(python).args(["-c", ASK]).output() {
        Ok(output) if output.status.success() => output,
        Ok(output) => {
            let error = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("no reason given").to_owned();
            return vec![Check::note(WHAT, format!("{}: {error}", python.display()), advice)];
        }
        Err(error) => return vec![Check::note(WHAT, format!("{}: {error}", python.display()), advice)],
    };
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = told.lines();
    let Some(folder) = lines.next().map(PathBuf::from) else {
        return vec![Check::note(WHAT, format!("not in {}", python.display()), advice)];
    };
    let version = lines.next().unwrap_or("unknown").to_owned();
    let found = Check::good(WHAT, format!("{version} in {}", folder.display()));
    vec![found, names(&folder)]
}

/// The libraries of the wheel: in build/lib, as far as the wheels from 0.62 on go.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let is_library = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "so");
    let inside = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    inside(folder.join("build/lib")).chain(inside(folder.to_path_buf())).filter(is_library).collect()
}

fn names(folder: &Path) -> Check {
    const WHAT: &str = "names";
    let libraries = libraries(folder);
    let is_metal = |path: &&PathBuf| path.file_name().is_some_and(|name| name == "libtt_metal.so");
    let Some(metal) = libraries.iter().find(is_metal) else {
        let advice = "is it built? `ttmem run` with TTMEM_LOG=on says whether its calls come by";
        return Check::note(WHAT, format!("no libtt_metal.so in {}", folder.display()), advice);
    };
    let Ok(seen) = Seen::of(metal) else {
        let advice = "install ttnn anew";
        return Check::wrong(WHAT, format!("{} cannot be read", metal.display()), advice);
    };
    // A call from another library of the wheel comes by too.
    let mut called = seen.called;
    called.extend(
        libraries
            .iter()
            .filter(|path| *path != metal)
            .filter_map(|path| Seen::of(path).ok())
            .flat_map(|seen| seen.called),
    );
    judge(&seen.defined, &called)
}

fn judge(defined: &HashSet<String>, called: &HashSet<String>) -> Check {
    const WHAT: &str = "names";
    let wanted: Vec<&str> = EXPORTS.lines().filter(|name| name.starts_with("_Z") && !is_optional(name)).collect();
    let lacking: Vec<&str> = wanted.iter().copied().filter(|name| !defined.contains(*name)).collect();
    let inlined: Vec<&str> =
        wanted.iter().copied().filter(|name| defined.contains(*name) && !called.contains(*name)).collect();
    let found = format!(
        "{} of {} are in libtt_metal.so, {} of them called by name",
        wanted.len() - lacking.len(),
        wanted.len(),
        wanted.len() - lacking.len() - inlined.len()
    );
    let missed: Vec<&str> = lacking.iter().chain(&inlined).copied().collect();
    if NEEDED.iter().any(|name| missed.contains(name)) {
        let advice = "ttmem knows ttnn 0.77 to 0.81 (0.66 and older lack names); a build of your own must export them";
        Check::wrong(WHAT, format!("{found}; without {} no buffer is seen", missed.join(", ")), advice)
    } else if missed.is_empty() {
        Check::good(WHAT, found)
    } else {
        Check::note(WHAT, found, format!("what goes by unseen: {}", missed.join(", ")))
    }
}

/// What a library says of names.
struct Seen {
    defined: HashSet<String>,
    /// Through a relocation by name (the procedure linkage table, or a table of functions): there LD_PRELOAD comes first.
    called: HashSet<String>,
}

impl Seen {
    fn of(path: &Path) -> Result<Self, String> {
        let data = fs::read(path).map_err(|error| error.to_string())?;
        let file = object::File::parse(&*data).map_err(|error| error.to_string())?;
        let ours: HashSet<&str> = EXPORTS.lines().collect();
        let mut seen = Self { defined: HashSet::new(), called: HashSet::new() };
        let mut by_index = std::collections::HashMap::new();
        for symbol in file.dynamic_symbols() {
            let Ok(name) = symbol.name() else { continue };
            if ours.contains(name) {
                by_index.insert(symbol.index(), name);
                if symbol.is_definition() {
                    seen.defined.insert(name.to_owned());
                }
            }
        }
        for (_, relocation) in file.dynamic_relocations().into_iter().flatten() {
            if let RelocationTarget::Symbol(index) = relocation.target()
                && let Some(name) = by_index.get(&index)
            {
                seen.called.insert((*name).to_owned());
            }
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn a_name_that_buffers_need_is_wrong_and_another_a_note() {
        let all: HashSet<String> = EXPORTS.lines().map(str::to_owned).collect();
        let without = |name: &str| all.iter().filter(|known| *known != name).cloned().collect::<HashSet<_>>();
        assert_eq!(judge(&all, &all).verdict, Verdict::Good);
        for name in NEEDED {
            assert!(all.contains(name), "{name} is exported");
            assert_eq!(judge(&without(name), &all).verdict, Verdict::Wrong);
            assert_eq!(judge(&all, &without(name)).verdict, Verdict::Wrong);
        }
        let other = "_ZN2tt8tt_metal33trace_allocation_tracking_enabledEv";
        assert_eq!(judge(&without(other), &without(other)).verdict, Verdict::Note);
        assert_eq!(judge(&without("report_allocation"), &all).verdict, Verdict::Good);
    }
}
