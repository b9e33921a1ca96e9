//! What a library exports of tt-metal, and what it calls by name.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    path::Path,
};

use object::{Object, ObjectSymbol, RelocationTarget};
use ttmem_wire::Part;

/// Of one library, or of some that are loaded together.
#[derive(Debug, Default)]
pub(super) struct Exports {
    /// Names of [`Part`] that it defines for others.
    pub(super) defined: HashSet<&'static str>,
    /// And those that it calls through a relocation by name (the procedure linkage table, or a table of functions): there LD_PRELOAD
    /// comes first.
    pub(super) called: HashSet<&'static str>,
    /// Whether tt-metal is in it, whatever it exports.
    pub(super) contains: Contains,
}

/// How tt-metal is in a library that exports none of its names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Contains {
    /// Not at all.
    #[default]
    Nothing,
    /// Linked statically, with local names.
    LocalNames,
    /// Linked statically and stripped.
    NoNames,
}

/// What no library without tt-metal has in its text: the beginning of its mangled names, and of the paths in its messages.
const MARKS: [&[u8]; 2] = [b"N2tt8tt_metal", b"tt_metal/impl/"];

impl Exports {
    /// Of the library in this file.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let data = fs::read(path)?;
        let file = object::File::parse(&*data).map_err(io::Error::other)?;
        let all: HashSet<&'static str> = names().collect();
        let mut exports = Self::default();
        let mut by_index = HashMap::new();
        for symbol in file.dynamic_symbols() {
            if let Some(&name) = symbol.name().ok().and_then(|name| all.get(name)) {
                by_index.insert(symbol.index(), name);
                if symbol.is_definition() {
                    exports.defined.insert(name);
                }
            }
        }
        for (_, relocation) in file.dynamic_relocations().into_iter().flatten() {
            if let RelocationTarget::Symbol(index) = relocation.target()
                && let Some(&name) = by_index.get(&index)
            {
                exports.called.insert(name);
            }
        }
        if exports.defined.is_empty() {
            let has_local = file.symbols().any(|symbol| symbol.name().is_ok_and(|name| all.contains(name)));
            exports.contains = match has_local {
                true => Contains::LocalNames,
                false if has_any(&data) => Contains::NoNames,
                false => Contains::Nothing,
            };
        }
        Ok(exports)
    }

    /// A call from another library comes by too.
    pub(super) fn add_calls_of(&mut self, path: &Path) {
        if let Ok(other) = Self::of(path) {
            self.called.extend(other.called);
        }
    }
}

fn has_any(data: &[u8]) -> bool {
    MARKS.iter().any(|mark| data.windows(mark.len()).any(|window| window == *mark))
}

/// All names of all parts.
fn names() -> impl Iterator<Item = &'static str> {
    let of_part = |part: Part| part.hooks().iter().chain(part.getters());
    Part::ALL.into_iter().flat_map(of_part).chain(Part::BUFFER_GETTERS.into_iter().flatten()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libttmem.so exports: of these, the C++ names are tt-metal's.
    const EXPORTS: &str = include_str!("../../../abi/exports.txt");

    /// A patched build's client: no build has to have it.
    fn is_optional(name: &str) -> bool {
        name.contains("16AllocationClient")
    }

    #[test]
    fn each_name_that_the_library_stands_in_for_is_a_hook_of_one_part() {
        let mut hooks: Vec<&str> = Part::ALL.into_iter().flat_map(|part| part.hooks()).copied().collect();
        hooks.sort_unstable();
        let wanted: Vec<&str> = EXPORTS.lines().filter(|name| name.starts_with("_Z") && !is_optional(name)).collect();
        assert_eq!(hooks, wanted);
    }

    #[test]
    fn each_name_that_the_library_asks_for_is_a_getter_of_one_part() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shim/src/interpose");
        let mut asked = Vec::new();
        for entry in fs::read_dir(folder).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            asked.extend(text.split("c\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
        }
        asked.retain(|name| name.contains("2tt8tt_metal"));
        asked.sort_unstable();
        let getters = Part::ALL.into_iter().flat_map(|part| part.getters());
        let mut known: Vec<&str> = getters.chain(Part::BUFFER_GETTERS.into_iter().flatten()).copied().collect();
        known.sort_unstable();
        assert_eq!(known, asked);
    }
}
