//! What loading the library costs a process that reports nothing, such as the compilers that one op starts by the dozen.

use ttmem_e2e::{folder, median_starts};

fn main() {
    let rings = folder();
    for _ in 0..3 {
        let (plain, preloaded) = median_starts(500, rings.path());
        let more = preloaded.saturating_sub(plain);
        println!("start to end, median of 500: {plain:.0?} plain, {preloaded:.0?} preloaded, {more:.0?} more");
    }
}
