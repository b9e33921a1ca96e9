//! Which build of tt-metal this is: the version of its wheel, and the parts that it does not export.

use std::{ffi::CString, fs, path::Path, sync::atomic::Ordering};

use ttmem_wire::{Fact, Part};

use super::{core_allocators, dataflow_buffers};
use crate::{
    capture::guarded,
    complain, facts, fork_guard, patch,
    symbols::{find, path_of_tt_metal},
    thread,
    tracker::Tracker,
};

/// Reports it, once for each ring.
#[cold]
pub(super) fn note(tracker: &'static Tracker) {
    if tracker.build_is_known.swap(true, Ordering::Relaxed) {
        return;
    }
    guarded(|| {
        thread::keeping_errno(|| {
            if let Some(version) = path_of_tt_metal().and_then(|path| version_of(&path)) {
                facts::note(tracker, &Fact::Ttnn(version));
            }
            for part in Part::ALL.into_iter().filter(|&part| is_unseen(part)) {
                facts::note(tracker, &Fact::Unseen(part));
            }
        });
    });
}

/// Reports a part whose layout turned out to be another than that of known builds.
#[cold]
pub(super) fn hides(part: Part, complaint: &str) {
    complain::once(format_args!("{complaint}"));
    if let Some(tracker) = fork_guard::tracker() {
        guarded(|| facts::note(tracker, &Fact::Unseen(part)));
    }
}

/// Whether the build has the part, and hides it. That it calls each of these functions by name cannot be seen from here.
fn is_unseen(part: Part) -> bool {
    // Nobody asks for these where tracking began with the process.
    if part == Part::EarlierBuffers && !patch::is_active() {
        return false;
    }
    let is_hidden = match part {
        Part::DataflowBuffers => dataflow_buffers::are_hidden(),
        Part::Scratchpads => core_allocators::are_hidden(),
        _ => false,
    };
    let names = part.hooks().iter().chain(part.getters()).copied();
    let missing: Vec<&str> = names.filter(|name| !is_exported(name)).collect();
    is_hidden || !missing.is_empty() && part.is_there_without(&missing)
}

fn is_exported(name: &str) -> bool {
    CString::new(name).is_ok_and(|name| !find(&name).is_null())
}

/// The version of the wheel that a library lies in, as `site-packages/ttnn/build/lib/libtt_metal.so`: its metadata lie beside `ttnn`.
fn version_of(library: &Path) -> Option<String> {
    let packages = library.ancestors().find(|folder| folder.ends_with("ttnn"))?.parent()?;
    let names = fs::read_dir(packages).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| Some(name.strip_prefix("ttnn-")?.strip_suffix(".dist-info")?.to_owned())).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_metadata_beside() {
        let folder = std::env::temp_dir().join(format!("ttmem-build-{}", std::process::id()));
        let library = folder.join("ttnn/build/lib/libtt_metal.so");
        fs::create_dir_all(library.parent().unwrap()).unwrap();
        assert_eq!(version_of(&library), None);
        fs::create_dir_all(folder.join("ttnn_visualizer-0.9.dist-info")).unwrap();
        fs::create_dir_all(folder.join("ttnn-0.82.0.dist-info")).unwrap();
        assert_eq!(version_of(&library).as_deref(), Some("0.82.0"));
        assert_eq!(version_of(Path::new("/usr/lib/libtt_metal.so")), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
