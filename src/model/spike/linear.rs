//! Small symmetric systems of equations.

/// The inverse of a symmetric positive definite matrix of `size` rows, row by row; `None` when it is not positive definite (Cholesky). Of the matrix, only the lower
/// triangle is looked at.
pub(super) fn inverse(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let lower = cholesky(matrix, size)?;
    let mut inverse = vec![0.0; size * size];
    for column in 0..size {
        let mut unit = vec![0.0; size];
        unit[column] = 1.0;
        substitute(&lower, size, &mut unit);
        for row in 0..size {
            inverse[row * size + column] = unit[row];
        }
    }
    Some(inverse)
}

/// Solves `matrix * x = right` in place of `right`; `None` when the matrix is not positive definite. Of the matrix, only the lower triangle is looked at.
pub(super) fn solve(matrix: &[f64], size: usize, right: &mut [f64]) -> Option<()> {
    let lower = cholesky(matrix, size)?;
    substitute(&lower, size, right);
    right.iter().all(|value| value.is_finite()).then_some(())
}

/// The lower triangle `l` with `l * l^T = matrix`.
fn cholesky(matrix: &[f64], size: usize) -> Option<Vec<f64>> {
    let mut lower = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..=row {
            let dot: f64 = (0..column).map(|inner| lower[row * size + inner] * lower[column * size + inner]).sum();
            let rest = matrix[row * size + column] - dot;
            if row == column {
                if !(rest > 0.0 && rest.is_finite()) {
                    return None;
                }
                lower[row * size + row] = rest.sqrt();
            } else {
                lower[row * size + column] = rest / lower[column * size + column];
            }
        }
    }
    Some(lower)
}

/// Forward, then back substitution.
fn substitute(lower: &[f64], size: usize, right: &mut [f64]) {
    for row in 0..size {
        let dot: f64 = (0..row).map(|inner| lower[row * size + inner] * right[inner]).sum();
        right[row] = (right[row] - dot) / lower[row * size + row];
    }
    for row in (0..size).rev() {
        let dot: f64 = (row + 1..size).map(|inner| lower[inner * size + row] * right[inner]).sum();
        right[row] = (right[row] - dot) / lower[row * size + row];
    }
}

/// The quadratic form `x^T * matrix * x`.
pub(super) fn quadratic(matrix: &[f64], vector: &[f64]) -> f64 {
    let size = vector.len();
    let row = |(row, left): (usize, &f64)| left * (0..size).map(|column| matrix[row * size + column] * vector[column]).sum::<f64>();
    vector.iter().enumerate().filter(|(_, value)| **value != 0.0).map(row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_and_a_singular_one_refused() {
        let matrix = [4.0, 2.0, 2.0, 3.0];
        let mut right = [2.0, 5.0];
        solve(&matrix, 2, &mut right).expect("positive definite");
        assert!((right[0] + 0.5).abs() < 1e-12 && (right[1] - 2.0).abs() < 1e-12, "{right:?}");
        let inverse = inverse(&matrix, 2).expect("positive definite");
        assert!((inverse[0] - 0.375).abs() < 1e-12 && (inverse[1] + 0.25).abs() < 1e-12, "{inverse:?}");
        assert!((quadratic(&matrix, &[1.0, 2.0]) - 24.0).abs() < 1e-12);
        assert!(solve(&[1.0, 1.0, 1.0, 1.0], 2, &mut [1.0, 1.0]).is_none());
    }

    /// The square of the triangle 2; 1, 2; 3, 1, 1, whose determinant is 16.
    #[test]
    fn three_rows_are_solved() {
        let matrix = [4.0, 2.0, 6.0, 2.0, 5.0, 5.0, 6.0, 5.0, 11.0];
        let mut right = [18.0, 7.0, 29.0];
        solve(&matrix, 3, &mut right).expect("positive definite");
        assert!(right.iter().zip([1.0, -2.0, 3.0]).all(|(found, known)| (found - known).abs() < 1e-12), "{right:?}");
        let inverse = inverse(&matrix, 3).expect("positive definite");
        assert!([0, 4, 8].iter().zip([1.875, 0.5, 1.0]).all(|(at, known)| (inverse[*at] - known).abs() < 1e-12), "{inverse:?}");
        assert!((quadratic(&matrix, &[1.0, -2.0, 3.0]) - 91.0).abs() < 1e-12);
    }
}
