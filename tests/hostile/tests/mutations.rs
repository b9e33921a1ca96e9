//! Reads sound files, and some hundred of each kind with damage: nothing panics, and nothing takes long.
//! `TTMEM_MUTATIONS` says how many; a panic names the seed, which `TTMEM_MUTATION` tries alone.

use std::{
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use ttmem_hostile::{Kind, Random, mutated};

/// A hundred times what one takes, on a machine that does other work too.
const LONGEST: Duration = Duration::from_secs(5);

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let kinds = Kind::ALL.into_iter().filter(|kind| env::var("TTMEM_MUTATED").map_or(true, |name| name == kind.name()));
    let mut bad = Vec::new();
    for kind in kinds {
        let sound = kind.seeds();
        sound.iter().for_each(|seed| kind.read(seed));
        let seeds = match number("TTMEM_MUTATION") {
            Some(only) => only..only + 1,
            None => 0..number("TTMEM_MUTATIONS").unwrap_or(150),
        };
        for seed in seeds {
            let mut random = Random::seeded(seed);
            let bytes = mutated(&sound[random.below(sound.len())], &mut random);
            let since = Instant::now();
            if catch_unwind(AssertUnwindSafe(|| kind.read(&bytes))).is_err() || since.elapsed() > LONGEST {
                bad.push(format!("TTMEM_MUTATED={} TTMEM_MUTATION={seed} ({:?})", kind.name(), since.elapsed()));
            }
        }
    }
    let _ = std::fs::remove_dir_all(ttmem_hostile::folder());
    assert!(bad.is_empty(), "{} of them:\n{}", bad.len(), bad.join("\n"));
}
