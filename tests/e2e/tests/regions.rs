//! Regions by the functions of the C ABI, and the classes of ttmem.hpp.

use serde_json::Value;
use ttmem_e2e::{Report, Run, c_program_linked, c_program_with, header_folder};

/// Name, depth, and the bytes that were left behind.
fn regions(process: &Value) -> Vec<(&str, u64, u64)> {
    fn row(one: &Value) -> Option<(&str, u64, u64)> {
        Some((one["name"].as_str()?, one["depth"].as_u64()?, one["left_behind"]["bytes"].as_u64()?))
    }
    process["regions"].as_array().expect("regions").iter().map(|one| row(one).expect("a region")).collect()
}

#[test]
fn the_classes_report_what_their_scopes_do() {
    let (outcome, report) = Run::new(c_program_linked("regions.cpp")).traced();
    assert_eq!((outcome.stdout.as_str(), outcome.code()), ("", 0), "{}", outcome.stderr);
    let process = report.process();
    // A long name is cut.
    let inner = regions(process)[1].0;
    assert!(inner.starts_with("inner iii") && (220..240).contains(&inner.len()), "{inner}");
    assert_eq!(
        regions(process),
        [("outer", 0, 128), (inner, 1, 128), ("around", 0, 0), ("cache", 1, 256), ("again", 2, 0)],
    );
    assert_eq!(process["marks"].as_array().map(Vec::len), Some(1), "regions are no marks: {}", process["marks"]);
    let (l1, dram) = (Report::totals(process, 1, "L1"), Report::totals(process, 1, "DRAM"));
    assert_eq!((l1.allocations, l1.frees, l1.live_bytes), (3, 3, 0));
    assert_eq!((dram.allocations, dram.frees, dram.live_bytes), (1, 1, 0));
    assert_eq!(process["unmatched_frees"], 0, "each is freed once, however often it was moved");
}

#[test]
fn a_program_with_the_optional_header_runs_with_and_without_the_library() {
    let include = format!("-I{}", header_folder().display());
    let program = c_program_with("regions.cpp", &[&include, "-DTTMEM_OPTIONAL"]);
    let absent = Run::new(&program).arg("which").outcome();
    assert_eq!((absent.stdout.as_str(), absent.code()), ("absent\n", 0), "{}", absent.stderr);
    let (present, report) = Run::new(&program).arg("which").traced();
    assert_eq!((present.stdout.as_str(), present.code()), ("present\n", 0), "{}", present.stderr);
    assert_eq!(regions(report.process()).len(), 5);
}
