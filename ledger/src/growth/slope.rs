//! A robust slope, after Theil (1950) and Sen (1968): the median of the slopes between all pairs of points.

/// How `y` rises with `x`; the points are in the order of `x`, no two at one. 0 for fewer than two.
pub(super) fn theil_sen(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (at, &(x, y)) in points.iter().enumerate() {
        slopes.extend(points[at + 1..].iter().map(|&(later, higher)| (higher - y) / (later - x)));
    }
    if slopes.is_empty() {
        return 0.0;
    }
    let middle = slopes.len() / 2;
    let is_even = slopes.len() % 2 == 0;
    let (below, &mut median, _) = slopes.select_nth_unstable_by(middle, f64::total_cmp);
    if is_even { f64::midpoint(below.iter().copied().fold(f64::NEG_INFINITY, f64::max), median) } else { median }
}

#[cfg(test)]
mod tests {
    use super::theil_sen;

    #[test]
    fn an_outlier_does_not_move_it() {
        assert_eq!(theil_sen(&[(0.0, 5.0)]), 0.0);
        assert_eq!(theil_sen(&[(0.0, 5.0), (2.0, 9.0)]), 2.0);
        let mut points: Vec<_> = (0..9).map(|at| (f64::from(at), f64::from(at * 3))).collect();
        points[4].1 = 1e9;
        assert_eq!(theil_sen(&points), 3.0);
    }
}
