//! Several call sites in one list, told apart.

use std::collections::HashMap;

use super::{CallSite, Frame, call_site::telling};

/// Callers that are added for that at most.
const ADDED: usize = 3;

/// For each of the sites what [`CallSite::telling`] shows; of those that show the same, the first callers in which they
/// differ as well.
pub fn tell_apart<'a>(sites: &[&'a CallSite], most: usize) -> Vec<Vec<&'a Frame>> {
    let chains: Vec<Vec<&Frame>> = sites.iter().map(|site| site.chain()).collect();
    let mut shown: Vec<Vec<usize>> = chains.iter().map(|chain| telling(chain, most)).collect();
    for _ in 0..ADDED {
        let mut alike: HashMap<Vec<&Frame>, Vec<usize>> = HashMap::new();
        for (site, frames) in shown.iter().enumerate() {
            alike.entry(frames.iter().map(|&at| chains[site][at]).collect()).or_default().push(site);
        }
        for group in alike.into_values().filter(|group| group.len() > 1) {
            let longest = group.iter().map(|&site| chains[site].len()).max().unwrap_or(0);
            let first = group[0];
            let differs = |at: &usize| group.iter().any(|&site| chains[site].get(*at) != chains[first].get(*at));
            let Some(at) = (0..longest).find(differs) else { continue };
            for site in group {
                if at < chains[site].len() && !shown[site].contains(&at) {
                    shown[site].push(at);
                    shown[site].sort_unstable();
                }
            }
        }
    }
    shown.iter().zip(&chains).map(|(shown, chain)| shown.iter().map(|&at| chain[at]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::call_site::tests::{call_site, python},
        *,
    };

    #[test]
    fn sites_that_look_alike_show_the_callers_in_which_they_differ() {
        let site = |functions: &[&str]| {
            let frames: Vec<_> = functions.iter().map(|function| python(function, "/home/u/model.py")).collect();
            call_site(&frames, &[])
        };
        let sites = [
            site(&["tensor", "cache", "layer", "prefill", "main"]),
            site(&["tensor", "cache", "layer", "decode", "main"]),
            site(&["tensor", "cache", "layer", "decode", "warm_up", "main"]),
            site(&["tensor", "weights", "load", "main"]),
            site(&["tensor", "weights", "load", "main"]),
        ];
        let told = tell_apart(&sites.each_ref(), 2);
        let told: Vec<String> = told
            .iter()
            .map(|frames| frames.iter().map(|frame| &*frame.function).collect::<Vec<_>>().join(" "))
            .collect();
        let expected = [
            "tensor cache prefill",
            "tensor cache decode main",
            "tensor cache decode warm_up",
            "tensor weights",
            "tensor weights",
        ];
        assert_eq!(told, expected);
    }
}
