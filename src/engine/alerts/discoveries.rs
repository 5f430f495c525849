//! Many segments are judged at once, and chance alone makes some of them stand out.

/// The largest probability that is still a discovery when, of all discoveries, a share of at most `level` is expected to be false
/// (Benjamini and Hochberg 1995, *J. R. Statist. Soc. B* 57); `None` when there is none. A lone series fires at `level` itself; the best of a hundred at a hundredth of it.
pub(super) fn limit(mut p_values: Vec<f64>, level: f64) -> Option<f64> {
    p_values.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "a count of segments")]
    let bound = |index: usize| level * (index + 1) as f64 / p_values.len() as f64;
    let found = p_values.iter().enumerate().rev().find(|(index, p_value)| **p_value <= bound(*index));
    found.map(|(_, p_value)| *p_value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_false_discoveries_is_bounded() {
        for (p_values, level, found) in [
            (vec![], 0.05, None),
            (vec![0.04], 0.05, Some(0.04)),
            (vec![0.04, 0.9], 0.05, None),
            (vec![0.9, 0.02], 0.05, Some(0.02)),
            // The third is above its own bound of 0.03, but the fourth is below 0.04.
            (vec![0.001, 0.008, 0.039, 0.0395, 0.7], 0.05, Some(0.0395)),
        ] {
            assert_eq!(limit(p_values.clone(), level), found, "{p_values:?}");
        }
    }
}
