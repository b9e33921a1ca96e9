//! The command `ttmem`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    ttmem_reader::commands::main()
}
