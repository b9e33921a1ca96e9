//! How long growth has paused.

use super::census::Cohort;

/// After how many usual gaps growth has paused: of regular ones, and on top for those that vary as random ones do.
const REGULAR_PAUSE: f64 = 1.5;
const RANDOM_PAUSE: f64 = 2.8;
/// By how many times that growth has surely stopped.
const STOPPED: f64 = 2.0;
/// From so many kept generations on, their gaps are known.
const FEW: usize = 6;
/// A few that are spread over the run at random are all so near to its begin with this chance.
const EARLY: f64 = 0.01;

/// The time since the last kept generation, as a part of the longest that the gaps between them let expect.
pub(super) fn pause(kept: &[&Cohort], end: i64) -> f64 {
    let Some(youngest) = kept.last() else { return f64::INFINITY };
    let since = end as f64 - f64::from(youngest.bin);
    let (mean, variation) = gaps(kept);
    // Of few gaps the variation is not known.
    let variation = if kept.len() < 5 { 1.0 } else { variation.min(1.0) };
    since / (mean * (REGULAR_PAUSE + RANDOM_PAUSE * variation) + 0.5)
}

/// Whether growth has surely stopped. `first` is the first bin after the warm-up.
pub(super) fn is_over(kept: &[&Cohort], first: u32, end: i64) -> bool {
    match kept {
        [] => true,
        [.., youngest] if kept.len() < FEW => {
            let part = f64::from(youngest.bin - first + 1) / (end - i64::from(first) + 1) as f64;
            part.powi(kept.len() as i32) < EARLY
        }
        _ => pause(kept, end) > STOPPED,
    }
}

/// The mean gap between kept generations, and how much gaps vary, as a part of it.
pub(super) fn gaps(kept: &[&Cohort]) -> (f64, f64) {
    spread(&kept.iter().map(|cohort| f64::from(cohort.bin)).collect::<Vec<_>>())
}

/// The mean gap between rising numbers, and how much gaps vary, as a part of it.
pub(super) fn spread(places: &[f64]) -> (f64, f64) {
    let gaps: Vec<f64> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    (mean, variance.sqrt() / mean)
}
