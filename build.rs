//! Link settings of libttmem.so, and include/ttmem.h from shim/src/abi.rs.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=shim/src/abi.rs");
    println!("cargo::rerun-if-changed=cbindgen.toml");
    println!("cargo::rerun-if-changed=include/ttmem.h");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libttmem.so");
    // The flusher thread runs until the end of the process: its code must not be unmapped by a dlclose.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // All relocations at load time, then read-only: the first event pays no symbol lookup.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,now");
    write_header();
}

/// The committed header is rewritten when it is no longer what the source says; CI then sees a changed file.
fn write_header() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets this");
    let config = cbindgen::Config::from_file(Path::new(&root).join("cbindgen.toml")).expect("cbindgen.toml is sound");
    let bindings = cbindgen::Builder::new()
        .with_src(Path::new(&root).join("shim/src/abi.rs"))
        .with_config(config)
        .generate()
        .expect("the C ABI can be written as a header");
    let mut header = Vec::new();
    bindings.write(&mut header);
    let path = Path::new(&root).join("include/ttmem.h");
    if fs::read(&path).ok().as_deref() != Some(&header) {
        // A read-only source tree (a package being built elsewhere) keeps the committed one.
        let _ = fs::write(path, header);
    }
}
