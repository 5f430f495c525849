//! Random numbers of the distributions that the simulations need, the same for the same seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

pub(crate) struct Sampler(ChaCha8Rng);

impl Sampler {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// From 0 to 1, never 0.
    pub(crate) fn uniform(&mut self) -> f64 {
        1.0 - (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Of the given shape and mean 1 (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        self.standard_gamma(shape) / shape
    }

    fn standard_gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            return self.standard_gamma(shape + 1.0) * self.uniform().powf(1.0 / shape);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    pub(crate) fn beta(&mut self, a: f64, b: f64) -> f64 {
        let (x, y) = (self.standard_gamma(a), self.standard_gamma(b));
        x / (x + y)
    }

    /// By counting events of an exponential clock, in pieces that do not underflow (Knuth).
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let (mut left, mut count) = (mean, 0);
        while left > 0.0 {
            let piece = left.min(100.0);
            let (bound, mut product) = ((-piece).exp(), self.uniform());
            while product > bound {
                count += 1;
                product *= self.uniform();
            }
            left -= piece;
        }
        count
    }

    /// With variance `dispersion * mean`: a Poisson whose mean has a coefficient of variation of its own.
    pub(crate) fn overdispersed(&mut self, mean: f64, dispersion: f64) -> u64 {
        let noise = if dispersion > 1.0 { self.gamma(mean / (dispersion - 1.0)) } else { 1.0 };
        self.poisson(mean * noise)
    }
}
