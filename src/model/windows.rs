//! Rolling windows over days held as bits: bit `j` of a `u128` is the day `base + j`.

/// Days whose window of `length` days ending on them holds a day of `days`: each day spreads over itself and the `length - 1` after it.
#[must_use]
pub fn any_in_window(days: u128, length: u32) -> u128 {
    let mut spread = days;
    let mut reach = 1;
    while reach * 2 <= length {
        spread |= shifted(spread, reach);
        reach *= 2;
    }
    spread | shifted(spread, length - reach)
}

/// Days whose window of `length` days ending on them holds at least two days of `days`.
#[must_use]
pub fn two_in_window(days: u128, length: u32) -> u128 {
    // Windows of 1, 2, 4, ... days, each as (holds one, holds two), laid side by side without overlap.
    let mut one = days;
    let mut two = 0;
    let mut reach = 1;
    let (mut all_one, mut all_two, mut covered) = (0, 0, 0);
    loop {
        if length & reach != 0 {
            let (next_one, next_two) = (shifted(one, covered), shifted(two, covered));
            all_two |= next_two | (all_one & next_one);
            all_one |= next_one;
            covered += reach;
        }
        if covered == length {
            return all_two;
        }
        two |= shifted(two, reach) | (one & shifted(one, reach));
        one |= shifted(one, reach);
        reach *= 2;
    }
}

/// `bits << by`, and nothing when all are shifted out.
fn shifted(bits: u128, by: u32) -> u128 {
    bits.checked_shl(by).unwrap_or(0)
}

/// The bits `from..=through`, clipped to 0..=127.
#[must_use]
pub fn range_mask(from: i32, through: i32) -> u128 {
    let (from, through) = (from.max(0), through.min(127));
    if from > through {
        return 0;
    }
    let width = (through - from).unsigned_abs() + 1;
    (u128::MAX >> (128 - width)) << from.unsigned_abs()
}

/// The runs of ones in `bits`, as first and last position, ascending.
pub fn runs(mut bits: u128) -> impl Iterator<Item = (i32, i32)> {
    std::iter::from_fn(move || {
        if bits == 0 {
            return None;
        }
        let start = bits.trailing_zeros();
        let length = (!(bits >> start)).trailing_zeros();
        let end = start + length - 1;
        bits &= !range_mask(start.cast_signed(), end.cast_signed());
        Some((start.cast_signed(), end.cast_signed()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn windows_agree_with_counting(days in any::<u128>(), sparse in any::<u128>(), length in 1_u32..=93) {
            let days = days & sparse & sparse.rotate_left(7) & sparse.rotate_left(31);
            for day in 0..128_u32 {
                let from = day.saturating_sub(length - 1);
                let count = (from..=day).filter(|bit| days >> bit & 1 == 1).count();
                prop_assert_eq!(any_in_window(days, length) >> day & 1 == 1, count >= 1);
                prop_assert_eq!(two_in_window(days, length) >> day & 1 == 1, count >= 2);
            }
        }

        #[test]
        fn runs_cover_the_ones(bits in any::<u128>()) {
            let mut rebuilt = 0;
            let mut last_end = -2;
            for (start, end) in runs(bits) {
                prop_assert!(start > last_end + 1 && end >= start);
                rebuilt |= range_mask(start, end);
                last_end = end;
            }
            prop_assert_eq!(rebuilt, bits);
        }
    }
}
