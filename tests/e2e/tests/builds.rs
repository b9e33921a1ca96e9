//! Builds of tt-metal: a report names what a build hides, and its version where nobody tested it; and the rank of the process.

use std::{fs, path::Path};

use serde_json::{Value, json};
use ttmem_e2e::{Report, Run, Variant, folder, simulation};

/// The simulated tt-metal, laid out as a wheel of this version.
fn wheel(site_packages: &Path, version: &str) -> Run {
    let library = site_packages.join("ttnn/build/lib");
    fs::create_dir_all(&library).expect("a folder");
    for entry in fs::read_dir(simulation(Variant::Wheel)).expect("the simulation") {
        let file = entry.expect("a file").path();
        fs::copy(&file, library.join(file.file_name().expect("a name"))).expect("a copy");
    }
    fs::create_dir(site_packages.join(format!("ttnn-{version}.dist-info"))).expect("a folder");
    Run::new(library.join("local")).arg(library.join("libscenarios.so")).arg("chips-8")
}

fn process(run: Run) -> Value {
    let (outcome, report): (_, Report) = run.traced();
    assert_eq!(outcome.code(), 0, "{outcome:?}");
    report.process().clone()
}

fn finding(process: &Value, id: &str) -> Option<String> {
    let findings = process["findings"].as_array().expect("findings");
    findings.iter().find(|finding| finding["id"] == id).map(|finding| finding["text"].to_string())
}

#[test]
fn a_build_that_nobody_tested_is_tracked_and_named() {
    let files = folder();
    let process = process(wheel(files.path(), "0.99.0"));
    assert_eq!(process["ttnn_version"], "0.99.0");
    assert!(process["events"]["drained"].as_u64().is_some_and(|events| events > 5), "{}", process["events"]);
    let said = finding(&process, "build-untested").expect("a finding");
    assert!(said.contains("ttnn 0.99.0 was never tested"), "{said}");
}

#[test]
fn a_build_that_was_tested_is_named_without_a_word_about_it() {
    let files = folder();
    let process = process(wheel(files.path(), "0.81.1"));
    assert_eq!((&process["ttnn_version"], finding(&process, "build-untested")), (&"0.81.1".into(), None));
    // The simulation has none of these functions.
    let unseen = ["tensors", "capacity", "cached tables of programs"];
    assert_eq!(process["unseen_parts"], json!(unseen));
    let said = finding(&process, "parts-unseen").expect("a finding");
    assert!(said.contains(&unseen.join(", ")), "{said}");
}

#[test]
fn the_rank_is_that_of_the_launcher() {
    let rank = |variables: &[(&str, &str)]| {
        let files = folder();
        let run = variables.iter().fold(wheel(files.path(), "0.81.1"), |run, (name, value)| run.env(name, value));
        process(run).get("rank").and_then(Value::as_u64)
    };
    assert_eq!(rank(&[("TT_MESH_HOST_RANK", "1"), ("SLURM_PROCID", "5")]), Some(5));
    assert_eq!(rank(&[("OMPI_COMM_WORLD_RANK", " 3\n"), ("TT_MESH_HOST_RANK", "1")]), Some(3));
    assert_eq!(rank(&[("XPMI_RANK", "3"), ("PMI_RANK", "node"), ("TT_MESH_HOST_RANK", "1")]), Some(1));
    assert_eq!([rank(&[("OMPI_COMM_WORLD_RANK", "-1")]), rank(&[])], [None; 2]);
}
