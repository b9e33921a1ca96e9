//! What a call site costs that was seen before, beside the same call without.
//!
//!     cargo build --release -p ttmem-shim -p ttmem && cargo bench -p ttmem-benches --bench sites
//!
//! A Python program reports in bursts, from below Python and native frames (one native frame is the helper's own; between it
//! and the interpreter lie those of ctypes). The choice is the environment's, so each is a process; they take turns.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use ttmem_benches::median;

const ROUNDS: usize = 7;
const CHOICES: [&str; 4] = ["off", "python", "native", "on"];
/// Python frames, and native ones of the helper's own: `ctypes` and `libffi` add five.
const DEPTHS: [(u32, u32); 3] = [(1, 1), (10, 11), (32, 30)];

fn main() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let release = env::var_os("CARGO_TARGET_DIR").map_or_else(|| here.join("../target"), PathBuf::from).join("release");
    let helper = env::temp_dir().join(format!("ttmem-deep-{}.so", std::process::id()));
    let built = Command::new("cc")
        .args(["-O2", "-fomit-frame-pointer", "-shared", "-fPIC", "-o"])
        .arg(&helper)
        .arg(here.join("sites/deep.c"))
        .status();
    assert!(built.is_ok_and(|status| status.success()), "cc builds benches/sites/deep.c");
    println!("| Python frames | native frames | {} |", CHOICES.join(" | "));
    println!("|---|---|{}", "---|".repeat(CHOICES.len()));
    for (python, native) in DEPTHS {
        let mut figures = CHOICES.map(|_| Vec::new());
        for _ in 0..ROUNDS {
            for (choice, figures) in CHOICES.iter().zip(&mut figures) {
                figures.push(measure(&release, &here.join("sites/deep.py"), &helper, choice, [python, native]));
            }
        }
        let medians = figures.map(|mut figures| format!("{:.0}", median(&mut figures)));
        println!("| {python} | {} | {} |", (native + 5).min(16), medians.join(" | "));
    }
    let _ = std::fs::remove_file(helper);
}

fn measure(release: &Path, script: &Path, helper: &Path, choice: &str, depths: [u32; 2]) -> f64 {
    let python = env::var("TTMEM_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let mut run = Command::new(release.join("ttmem"));
    run.env("TTMEM_STACKS", choice).args(["run", "--quiet", "--", &python]).arg(script).arg(helper);
    let output =
        run.args(depths.map(|depth| depth.to_string())).output().expect("target/release/ttmem: build it first");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}
