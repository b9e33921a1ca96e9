#![no_main]

use libfuzzer_sys::fuzz_target;
use ttmem_hostile::Kind;

fuzz_target!(|bytes: &[u8]| Kind::Pages.read(bytes));
