//! Writes the seeds of a fuzz target: `seeds NAME FOLDER`. Without arguments, prints the names.

use std::{env, fs, path::PathBuf, process::ExitCode};

use ttmem_hostile::Kind;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else {
        Kind::ALL.iter().for_each(|kind| println!("{}", kind.name()));
        return ExitCode::SUCCESS;
    };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == *name) else {
        eprintln!("{name}: no such target");
        return ExitCode::from(2);
    };
    let seeds = kind.seeds();
    let _ = fs::remove_dir_all(ttmem_hostile::folder());
    for (number, seed) in seeds.iter().enumerate() {
        if let Err(error) = fs::write(PathBuf::from(folder).join(format!("seed-{number}")), seed) {
            eprintln!("{folder}: {error}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
