//! What the library shows to the programs that it is loaded into, and the header.

use std::{fs, path::Path, process::Command};

use ttmem_e2e::{Run, folder, header_folder, library, root};

/// The newest glibc that the library may need.
const GLIBC_FLOOR: (u32, u32) = (2, 34);

fn tool(name: &str, arguments: &[&str], file: &Path) -> String {
    let output =
        Command::new(name).args(arguments).arg(file).output().unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(output.status.success(), "{name} {arguments:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn exactly_the_listed_names_are_exported() {
    let symbols = tool("nm", &["-D", "--defined-only", "--format=posix"], &library());
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split_whitespace().next()).collect();
    exported.sort_unstable();
    let listed = fs::read_to_string(root().join("abi/exports.txt")).expect("abi/exports.txt");
    let mut listed: Vec<&str> = listed.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    listed.sort_unstable();
    assert_eq!(exported, listed, "exported left, abi/exports.txt right");
}

#[test]
fn it_runs_on_the_oldest_glibc_that_is_promised() {
    let symbols = tool("objdump", &["-T"], &library());
    let versions = symbols.split(|c: char| c == '(' || c == ')' || c.is_whitespace()).filter_map(|word| {
        let (major, minor) = word.strip_prefix("GLIBC_")?.split_once('.')?;
        Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
    });
    let newest: (u32, u32) = versions.max().expect("it needs glibc");
    assert!(newest <= GLIBC_FLOOR, "{newest:?}");
}

#[test]
fn it_is_linked_as_a_library_that_stays() {
    let dynamic = tool("readelf", &["-d", "--wide"], &library());
    let line = |what: &str| dynamic.lines().find(|line| line.contains(what)).unwrap_or_default().to_owned();
    assert!(line("(SONAME)").contains("[libttmem.so]"), "{dynamic}");
    assert!(line("(FLAGS_1)").contains("NODELETE"), "its thread runs on after a dlclose: {dynamic}");
    assert!(!dynamic.contains("TEXTREL"));
    // It may be loaded by dlopen, where there is hardly any static thread-local storage left.
    assert!(!dynamic.contains("STATIC_TLS"));
    let needed: Vec<&str> = dynamic.lines().filter(|line| line.contains("(NEEDED)")).collect();
    for library in &needed {
        // The parts of glibc, and the unwinder. A checkpoint's ledger counts and does not judge, which would need libm.
        let known = ["libc.so", "libgcc_s.so", "ld-linux"];
        assert!(known.iter().any(|name| library.contains(name)), "{library}");
    }
    let segments = tool("readelf", &["-l", "--wide"], &library());
    let tls = segments.lines().find(|line| line.trim_start().starts_with("TLS")).expect("a TLS segment");
    let bytes =
        tls.split_whitespace().nth(5).and_then(|size| u64::from_str_radix(size.trim_start_matches("0x"), 16).ok());
    // glibc keeps some 1,600 bytes for all libraries that are loaded later.
    assert!(bytes.is_some_and(|bytes| bytes <= 320), "{tls}");
}

#[test]
fn the_header_is_c11_and_cpp17() {
    let files = folder();
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"];
    for (name, variable, default, standard, header) in [
        ("first.c", "CC", "cc", "-std=c11", "ttmem.h"),
        ("first.cpp", "CXX", "c++", "-std=c++17", "ttmem.h"),
        ("classes.cpp", "CXX", "c++", "-std=c++17", "ttmem.hpp"),
    ] {
        // Before anything else, and twice.
        let source = files.path().join(name);
        fs::write(
            &source,
            format!("#include <{header}>\n#include <{header}>\nint main(void) {{ return ttmem_enabled() ? 0 : 1; }}\n"),
        )
        .expect("a source file");
        let compiler = std::env::var(variable).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| default.into());
        let mut words = compiler.split_whitespace();
        let run = Run::new(words.next().expect("a compiler")).args(words).args(strict).arg(standard).arg("-I");
        let outcome = run.arg(header_folder()).arg(&source).outcome();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{name}");
    }
}

#[test]
fn programs_that_were_built_against_an_earlier_version_still_fit() {
    let files = folder();
    let symbols = tool("nm", &["-D", "--defined-only", "--format=posix"], &library());
    let exported: Vec<&str> = symbols.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for frozen in fs::read_dir(root().join("abi")).expect("abi").map(|entry| entry.expect("an entry").path()) {
        if frozen.extension().is_none_or(|extension| extension != "h") {
            continue;
        }
        let text = fs::read_to_string(&frozen).expect("a frozen header");
        let names: Vec<&str> = text
            .lines()
            .filter(|line| line.ends_with(");") && !line.starts_with('_'))
            .filter_map(|line| line.split('(').next()?.rsplit([' ', '*']).next())
            .collect();
        assert!(names.len() >= 13, "{names:?}");
        for name in names {
            assert!(exported.contains(&name), "{name} is gone, and {} has it", frozen.display());
        }
        let source = files.path().join("frozen.c");
        fs::write(&source, format!("#include <ttmem.h>\n#include \"{}\"\n", frozen.display())).expect("a source file");
        let run = Run::new("cc").args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I"]);
        let outcome = run.arg(header_folder()).arg(&source).outcome();
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (0, ""), "{}", frozen.display());
    }
}
