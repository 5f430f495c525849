//! The maximum of a smooth function of few variables inside a box, without derivatives.
//!
//! Source: Nelder, Mead (1965), A simplex method for function minimization; with restarts, since a simplex may collapse before the maximum.

/// Length of the first simplex's edges.
const EDGE: f64 = 0.5;
/// A simplex whose corners differ by less than this in every coordinate has arrived.
const CLOSE: f64 = 1e-7;
/// Values that differ by less than this, relative to their size, are equal.
const EQUAL: f64 = 1e-13;
/// Simplices started from the best point before it is taken.
const MOST_RESTARTS: u32 = 20;
/// Steps of one simplex.
const MOST_STEPS: u32 = 600;

/// A point and the function's value there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Maximum<const N: usize> {
    /// Where it is, inside the box.
    pub at: [f64; N],
    /// The function's value.
    pub value: f64,
}

/// The best point found from `start` inside the box of (low, high) bounds. The same arguments give the same bits; a value that is no number counts
/// as the worst.
pub fn maximise<const N: usize>(start: [f64; N], bounds: &[(f64, f64); N], function: impl Fn(&[f64; N]) -> f64) -> Maximum<N> {
    let evaluate = |at: [f64; N]| {
        let mut at = at;
        for (coordinate, (low, high)) in at.iter_mut().zip(bounds) {
            *coordinate = coordinate.clamp(*low, *high);
        }
        let value = function(&at);
        Maximum { at, value: if value.is_nan() { f64::NEG_INFINITY } else { value } }
    };
    let mut best = evaluate(start);
    let mut edge = EDGE;
    for _ in 0..MOST_RESTARTS {
        let found = Simplex::around(best, edge, bounds, &evaluate).climb(&evaluate);
        let gained = found.value - best.value;
        let moved = found.at.iter().zip(&best.at).any(|(one, other)| (one - other).abs() > 10.0 * CLOSE);
        if found.value > best.value {
            best = found;
        }
        if !moved || gained <= EQUAL * best.value.abs() {
            break;
        }
        edge = (edge / 2.0).max(0.05);
    }
    best
}

struct Simplex<const N: usize> {
    /// N + 1 of them, the best first.
    corners: Vec<Maximum<N>>,
}

impl<const N: usize> Simplex<N> {
    /// A corner at `best` and one an edge away along each coordinate, towards the farther bound.
    fn around(best: Maximum<N>, edge: f64, bounds: &[(f64, f64); N], evaluate: &impl Fn([f64; N]) -> Maximum<N>) -> Self {
        let mut corners = vec![best];
        for (index, (low, high)) in bounds.iter().enumerate() {
            let mut at = best.at;
            at[index] += if at[index] - low > high - at[index] { -edge } else { edge };
            corners.push(evaluate(at));
        }
        let mut simplex = Self { corners };
        simplex.sort();
        simplex
    }

    fn sort(&mut self) {
        self.corners.sort_by(|one, other| other.value.total_cmp(&one.value));
    }

    fn climb(mut self, evaluate: &impl Fn([f64; N]) -> Maximum<N>) -> Maximum<N> {
        for _ in 0..MOST_STEPS {
            if self.has_arrived() {
                break;
            }
            self.step(evaluate);
            self.sort();
        }
        self.corners[0]
    }

    fn has_arrived(&self) -> bool {
        let best = self.corners[0].at;
        self.corners.iter().all(|corner| corner.at.iter().zip(&best).all(|(one, other)| (one - other).abs() < CLOSE))
    }

    /// Moves the worst corner through the middle of the others, or draws all towards the best.
    fn step(&mut self, evaluate: &impl Fn([f64; N]) -> Maximum<N>) {
        let (worst, second) = (self.corners[N], self.corners[N - 1].value);
        let middle = self.middle();
        let along = |factor: f64| evaluate(std::array::from_fn(|index| middle[index] + factor * (worst.at[index] - middle[index])));
        let reflected = along(-1.0);
        if reflected.value > self.corners[0].value {
            let expanded = along(-2.0);
            self.corners[N] = if expanded.value > reflected.value { expanded } else { reflected };
            return;
        }
        if reflected.value > second {
            self.corners[N] = reflected;
            return;
        }
        let contracted = along(if reflected.value > worst.value { -0.5 } else { 0.5 });
        if contracted.value > reflected.value.max(worst.value) {
            self.corners[N] = contracted;
            return;
        }
        let best = self.corners[0].at;
        for corner in &mut self.corners[1..] {
            *corner = evaluate(std::array::from_fn(|index| f64::midpoint(best[index], corner.at[index])));
        }
    }

    /// The mean of all corners but the worst.
    fn middle(&self) -> [f64; N] {
        let mut middle = [0.0; N];
        let mut count = 0.0;
        for corner in &self.corners[..N] {
            count += 1.0;
            for (sum, coordinate) in middle.iter_mut().zip(&corner.at) {
                *sum += (coordinate - *sum) / count;
            }
        }
        middle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let valley = |at: &[f64; 2]| -(100.0 * (at[1] - at[0] * at[0]).powi(2) + (1.0 - at[0]).powi(2));
        let found = maximise([-1.2, 1.0], &[(-5.0, 5.0); 2], valley);
        assert!((found.at[0] - 1.0).abs() < 1e-5 && (found.at[1] - 1.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_maximum_beyond_the_box_is_met_at_its_side() {
        let hill = |at: &[f64; 3]| -at.iter().map(|coordinate| (coordinate - 3.0).powi(2)).sum::<f64>();
        let found = maximise([0.0; 3], &[(-1.0, 1.0), (-1.0, 10.0), (4.0, 10.0)], hill);
        assert!((found.at[0] - 1.0).abs() < 1e-6 && (found.at[1] - 3.0).abs() < 1e-5 && (found.at[2] - 4.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn no_number_is_the_worst() {
        let found = maximise([1.0], &[(-10.0, 10.0)], |at| if at[0] < 0.0 { f64::NAN } else { -at[0] });
        assert!(found.value.abs() < 1e-5, "{found:?}");
    }
}
