//! Whose code a frame is: told by its file.

use ttmem_recording::{NativeFrame, PythonFrame};

/// Whose code a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The user's Python.
    User,
    /// Python packages of others, and the standard library.
    Library,
    /// ttnn's own Python, the bridge of ctypes, and the package ttmem.
    Wrapper,
    /// PyTorch, which calls a module's `forward` through its own frames.
    Torch,
    /// pytest, pluggy and unittest.
    TestRunner,
    /// What starts programs, threads and imports in Python: runpy, threading, importlib.
    Interpreter,
    /// Libraries of tt-metal, ttnn and ttmem.
    Metal,
    /// libc, libstdc++, libgcc and the loader.
    System,
    /// The user's C++, and other native code.
    Native,
}

impl Origin {
    /// Whether one line for a stack has better frames to show.
    pub fn is_folded(self) -> bool {
        !matches!(self, Self::User | Self::Library | Self::Native)
    }

    /// Whether it is the user's own code.
    pub fn is_users(self) -> bool {
        matches!(self, Self::User | Self::Native)
    }

    pub(super) fn of_python(frame: &PythonFrame) -> Self {
        let file = &*frame.file;
        if is_ttnn(file)
            || file.ends_with("/ctypes/__init__.py")
            || package(file, &["ttmem"])
            || file.contains("/python/ttmem/")
        {
            Self::Wrapper
        } else if package(file, &["torch"]) {
            Self::Torch
        } else if package(file, &["_pytest", "pytest", "pluggy", "xdist", "execnet"])
            || is_standard(file, &["unittest/"])
            || file.ends_with("/bin/pytest")
        {
            Self::TestRunner
        } else if file.starts_with("<frozen ") || is_standard(file, &["runpy.py", "threading.py", "importlib/"]) {
            Self::Interpreter
        } else if ["/site-packages/", "/dist-packages/", "/lib/python3"].iter().any(|folder| file.contains(folder)) {
            Self::Library
        } else {
            Self::User
        }
    }

    pub(super) fn of_native(frame: &NativeFrame) -> Self {
        let name = module_name(frame);
        let is_of = |names: &[&str]| names.iter().any(|own| name.starts_with(own));
        // The classes of ttmem.hpp, in the program itself.
        let is_header = frame.symbol.as_ref().is_some_and(|symbol| symbol.starts_with("_ZN5ttmem"));
        if is_header || is_of(&["libttmem", "libtt_metal", "libtt-metal", "libtt_stl", "_ttnncpp", "_ttnn."]) {
            Self::Metal
        } else if is_of(&["libc.so", "libc-", "ld-linux", "libpthread", "libstdc++", "libgcc_s"]) {
            Self::System
        } else {
            Self::Native
        }
    }
}

/// A frame of ttnn's own Python.
pub(super) fn is_ttnn(file: &str) -> bool {
    let folders = ["/site-packages/ttnn/", "/dist-packages/ttnn/", "/ttnn/ttnn/"];
    folders.iter().any(|folder| file.contains(folder))
}

/// A frame of Python's own importing.
pub(super) fn is_importing(file: &str) -> bool {
    file.starts_with("<frozen importlib")
}

/// The name of the frame's library or program, without its folder.
pub(super) fn module_name(frame: &NativeFrame) -> &str {
    frame.module.rsplit('/').next().unwrap_or_default()
}

/// Whether the file belongs to one of these installed packages.
fn package(file: &str, names: &[&str]) -> bool {
    let folders = ["/site-packages/", "/dist-packages/"];
    folders
        .iter()
        .filter_map(|folder| file.rsplit_once(folder))
        .any(|(_, inner)| names.iter().any(|name| inner.strip_prefix(name).is_some_and(|rest| rest.starts_with('/'))))
}

/// Whether the file is one of these of the standard library.
fn is_standard(file: &str, names: &[&str]) -> bool {
    let inner = file.rsplit_once("/lib/python3").and_then(|(_, version)| version.split_once('/'));
    inner.is_some_and(|(_, inner)| names.iter().any(|name| inner.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_whose_a_python_frame_is() {
        let origin =
            |file: &str| Origin::of_python(&PythonFrame { function: "f".into(), file: file.into(), line: Some(1) });
        let cases = [
            ("/home/u/model.py", Origin::User),
            ("<string>", Origin::User),
            ("/home/u/torch/train.py", Origin::User),
            ("/home/u/ttmem/model.py", Origin::User),
            ("/v/lib/python3.10/site-packages/transformers/modeling.py", Origin::Library),
            ("/v/lib/python3.10/site-packages/torchvision/models/vgg.py", Origin::Library),
            ("/usr/lib/python3.12/functools.py", Origin::Library),
            ("/v/lib/python3.10/site-packages/ttnn/decorators.py", Origin::Wrapper),
            ("/home/u/tt-metal/ttnn/ttnn/operations/core.py", Origin::Wrapper),
            ("/usr/lib/python3.10/ctypes/__init__.py", Origin::Wrapper),
            ("/v/lib/python3.10/site-packages/ttmem/_region.py", Origin::Wrapper),
            ("/v/lib/python3.10/site-packages/torch/nn/modules/module.py", Origin::Torch),
            ("/v/lib/python3.10/site-packages/_pytest/python.py", Origin::TestRunner),
            ("/v/lib/python3.10/site-packages/pluggy/_callers.py", Origin::TestRunner),
            ("/usr/lib/python3.10/unittest/case.py", Origin::TestRunner),
            ("/v/bin/pytest", Origin::TestRunner),
            ("/usr/lib/python3.10/runpy.py", Origin::Interpreter),
            ("/usr/lib/python3.10/threading.py", Origin::Interpreter),
            ("<frozen runpy>", Origin::Interpreter),
            ("<frozen importlib._bootstrap>", Origin::Interpreter),
        ];
        for (file, expected) in cases {
            assert_eq!(origin(file), expected, "{file}");
        }
    }
}
