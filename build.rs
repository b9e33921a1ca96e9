//! Link settings of libttmem.so; include/ttmem.h from shim/src/abi.rs; abi/exports.txt from there and from the hooks.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=shim/src/abi.rs");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-changed=include/ttmem.h");
    println!("cargo::rerun-if-changed=shim/src/interpose");
    println!("cargo::rerun-if-changed=abi/exports.txt");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libttmem.so");
    // The flusher thread runs until the end of the process: its code must not be unmapped by a dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // All relocations at load time, then read-only: the first event pays no symbol lookup.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
    // Our functions are ours, also where the program links tt-metal, whose functions of the same names come first in its scope: their
    // addresses are written into GOTs.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic-functions");
    write_header();
    write_exports();
}

/// The committed header is rewritten when it is no longer what the source says; CI then sees a changed file.
fn write_header() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets this");
    let mut config =
        cbindgen::Config::from_file(Path::new(&root).join("cbindgen.toml")).expect("cbindgen.toml is sound");
    config.after_includes = Some(version_macros());
    let bindings = cbindgen::Builder::new()
        .with_src(Path::new(&root).join("shim/src/abi.rs"))
        .with_config(config)
        .generate()
        .expect("the C ABI can be written as a header");
    let mut header = Vec::new();
    bindings.write(&mut header);
    write_if_changed(&Path::new(&root).join("include/ttmem.h"), &header);
}

/// The version of this header, for the preprocessor. `ttmem_version` returns that of the library.
fn version_macros() -> String {
    let number = |part: &str| env::var(format!("CARGO_PKG_VERSION_{part}")).expect("cargo sets this");
    let macros = ["MAJOR", "MINOR", "PATCH"].map(|part| format!("#define TTMEM_VERSION_{part} {}\n", number(part)));
    format!(
        "\n// The version of this header; `ttmem_version` returns that of the library.\n{}",
        macros.concat().trim_end()
    )
}

/// The names that the library exports: the functions of the C ABI, and the mangled names in the `hook!`s of shim/src/interpose.
fn write_exports() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets this");
    let read = |path: &Path| fs::read_to_string(path).expect("a source file");
    let mut names = Vec::new();
    let abi = read(&Path::new(&root).join("shim/src/abi.rs"));
    for function in abi.split("#[unsafe(no_mangle)]").skip(1) {
        let name = function.split_once(" fn ").and_then(|(_, rest)| rest.split('(').next());
        names.push(name.expect("a function").to_owned());
    }
    for file in fs::read_dir(Path::new(&root).join("shim/src/interpose")).expect("the hooks") {
        for hook in read(&file.expect("a file").path()).split("hook! {").skip(1) {
            let name = hook.split('"').find(|text| text.starts_with("_Z")).expect("a mangled name");
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    write_if_changed(&Path::new(&root).join("abi/exports.txt"), format!("{}\n", names.join("\n")).as_bytes());
}

/// A read-only source tree (a package being built elsewhere) keeps the committed file.
fn write_if_changed(path: &Path, content: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(content) {
        let _ = fs::write(path, content);
    }
}
