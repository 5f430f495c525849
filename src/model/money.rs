//! Money as an exact integer count of millionths.

use serde::{Deserialize, Serialize};

/// Millionths in one unit of money.
const MILLIONTHS: i128 = 1_000_000;

/// An amount of money: a count of millionths of the currency's unit, exact. Sums are wide enough never to overflow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Money(i128);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest single amount that an event may carry, either sign: 10^12 units.
    pub const LARGEST: Self = Self(1_000_000_000_000 * MILLIONTHS);

    /// `millionths` millionths.
    #[must_use]
    pub const fn from_millionths(millionths: i128) -> Self {
        Self(millionths)
    }

    /// The count of millionths.
    #[must_use]
    pub const fn millionths(self) -> i128 {
        self.0
    }

    /// The nearest double, in units of the currency.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a record carries the nearest double")]
    pub fn as_f64(self) -> f64 {
        // Whole units and the rest apart: the division of one large number would round twice.
        let whole = self.0 / MILLIONTHS;
        let rest = self.0 % MILLIONTHS;
        whole as f64 + rest as f64 / MILLIONTHS as f64
    }
}

impl std::ops::Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::ops::Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Neg for Money {
    type Output = Self;
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::ops::SubAssign for Money {
    fn sub_assign(&mut self, other: Self) {
        self.0 -= other.0;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, |sum, amount| sum + amount)
    }
}
