//! Parts of a user that most users do not have.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What has an empty value that is there for good.
pub trait Empty: Sized + PartialEq + 'static {
    /// The empty value, which the default equals.
    const EMPTY: &'static Self;
}

impl<T: PartialEq + 'static> Empty for Vec<T> {
    const EMPTY: &'static Self = &Self::new();
}

/// A part that is kept apart: a pointer, where there is nothing. It reads, compares and is stored like an empty one then.
#[derive(Clone, Debug)]
pub struct Seldom<T>(Option<Box<T>>);

impl<T: Empty + Default> Seldom<T> {
    /// The part to be changed, made when there is none yet.
    pub fn make(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }

    /// The part to be changed, if there is one: for changes that an empty one needs not.
    pub fn if_there(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// The part itself.
    #[must_use]
    pub fn into_part(self) -> T {
        self.0.map_or_else(T::default, |part| *part)
    }

    /// Keeps nothing apart where there is nothing.
    pub fn drop_empty(&mut self) {
        if self.0.as_deref() == Some(T::EMPTY) {
            self.0 = None;
        }
    }

    /// Joins another with what `absorb` does to both, when that is not empty.
    pub fn absorb(&mut self, other: &Self, absorb: impl FnOnce(&mut T, &T)) {
        if let Some(other) = other.0.as_deref() {
            absorb(self.make(), other);
        }
    }

    /// Bytes of memory that it takes beside the pointer.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |_| size_of::<T>())
    }
}

impl<T> Default for Seldom<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Empty> From<T> for Seldom<T> {
    fn from(part: T) -> Self {
        Self((part != *T::EMPTY).then(|| Box::new(part)))
    }
}

impl<T: Empty> Deref for Seldom<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or(T::EMPTY)
    }
}

impl<T: Empty> PartialEq for Seldom<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for Seldom<T> {}

impl<T: Empty + Serialize> Serialize for Seldom<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Empty + Deserialize<'de>> Deserialize<'de> for Seldom<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::complaints::Complaints;
    use crate::model::loyalty::facts::Facts;
    use crate::model::loyalty::occasions::Occasions;
    use crate::model::purchases::Purchases;
    use crate::model::survey::Surveys;

    fn is_stored_alike<T: Empty + Default + Serialize + for<'de> Deserialize<'de> + std::fmt::Debug>() {
        let (nothing, mut made) = (Seldom::<T>::default(), Seldom::<T>::default());
        assert_eq!(*nothing, T::default());
        assert_eq!(made.make(), &T::default());
        assert_eq!((nothing.bytes(), made.bytes()), (0, size_of::<T>()));
        assert_eq!(nothing, made, "an empty part is no part");
        let plain = postcard::to_stdvec(&T::default()).expect("encoded");
        for seldom in [&nothing, &made] {
            let stored = postcard::to_stdvec(seldom).expect("encoded");
            assert_eq!(stored, plain, "as if it were always there");
            assert_eq!(postcard::from_bytes::<Seldom<T>>(&stored).expect("decoded").bytes(), 0, "what is empty is not kept");
        }
    }

    #[test]
    fn what_is_not_there_is_empty() {
        is_stored_alike::<Surveys>();
        is_stored_alike::<Complaints>();
        is_stored_alike::<Facts>();
        is_stored_alike::<Occasions>();
        is_stored_alike::<Purchases>();
        is_stored_alike::<Vec<u64>>();
    }
}
