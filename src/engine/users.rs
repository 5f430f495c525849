//! What every id has, kept together: the id, its habit, and what was last said of its user.
//!
//! Ids come in blocks of [`BLOCK`], so that more of them never mean that those there are move. A clone shares the blocks, and costs next to nothing: whoever changes
//! a block first makes a copy of that one, so that a state can be written to a snapshot while events go on.

use std::cell::Cell;
use std::fmt;
use std::ops::Deref;

use compact_str::CompactString;
use serde::de::{SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;
use triomphe::Arc;

use super::component::Slot;
use super::habit::{Habit, Rare};
use super::standing::Standing;

/// Users of whom what there is is fetched from memory at once.
pub(super) const LOOKS: usize = 32;
/// The same with those who are there for another one's sake; of more, a list would be made.
pub(super) const MOST_LOOKS: usize = 2 * LOOKS;

/// Ids in a block: few enough that a copy takes microseconds, and as many as fill a size class of the allocator, of 7,168 bytes, nine of which fill its pages of 64 KiB. With 256 of
/// them, a block takes 8 bytes more for each, and leaves an eighth of its page empty.
const BLOCK: usize = 68;

/// What there is of one id. Ids of up to 24 bytes are kept in place.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct User {
    pub(super) id: CompactString,
    pub(super) habit: Habit,
    pub(super) standing: Standing,
}

/// Whether anyone else holds one is asked several times for each event: a count without weak references has the answer without a lock.
type Block = [User; BLOCK];

/// Makes a copy of a block that a snapshot holds, too. Apart from where that is asked, which is often, because it takes a block's size of stack.
#[cold]
#[inline(never)]
fn keep_apart(block: &mut Arc<Block>) {
    *block = Arc::new(Block::clone(block));
}

/// Looks at what there is of users who are about to be asked for: at one thing of all of them, then at what it points to, so that memory answers for many at once.
pub(super) fn look(users: &[&User]) {
    let rare: SmallVec<[&Rare; MOST_LOOKS]> = users.iter().filter_map(|user| user.habit.rare.as_deref()).collect();
    let known = users.iter().filter(|user| user.standing.lifecycle.is_some()).count();
    let facts: usize = rare.iter().map(|rare| rare.look()).sum();
    let further: usize = rare.iter().map(|rare| rare.look_further()).sum();
    let last: usize = rare.iter().map(|rare| rare.look_at_last()).sum();
    // The numbers say nothing: they keep the looks from being left out.
    std::hint::black_box(known + facts + further + last);
}

/// All ids of a partition by slot, the empty places of deleted ones among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Users {
    /// All but the last are full; places beyond the last id are as by default.
    blocks: Vec<Arc<Block>>,
    length: usize,
}

impl Users {
    /// How many places are taken, those of deleted ids among them.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The user of a slot. Panics when there is none.
    pub(super) fn get(&self, slot: Slot) -> &User {
        let slot = slot as usize;
        &self.blocks[slot / BLOCK][slot % BLOCK]
    }

    /// The same, to change it.
    pub(super) fn get_mut(&mut self, slot: Slot) -> &mut User {
        let slot = slot as usize;
        let block = &mut self.blocks[slot / BLOCK];
        if !block.is_unique() {
            keep_apart(block);
        }
        let Some(users) = Arc::get_mut(block) else { unreachable!("nobody else holds what was just made") };
        &mut users[slot % BLOCK]
    }

    /// Adds one and returns its slot.
    pub(super) fn push(&mut self, user: User) -> Slot {
        if self.length == self.blocks.len() * BLOCK {
            self.blocks.push(Arc::new(std::array::from_fn(|_| User::default())));
        }
        let slot = Slot::try_from(self.length).unwrap_or(Slot::MAX);
        self.length += 1;
        *self.get_mut(slot) = user;
        slot
    }

    /// All of them, by slot.
    pub(super) fn iter(&self) -> impl Iterator<Item = &User> {
        self.blocks.iter().flat_map(|block| block.iter()).take(self.length)
    }

    /// Bytes of memory that the blocks take, without what users have beside them.
    pub(super) fn approximate_bytes(&self) -> usize {
        self.blocks.len() * (size_of::<Block>() + size_of::<Arc<Block>>())
    }
}

impl Serialize for Users {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_blocks(self.blocks.iter(), self.length, serializer)
    }
}

fn write_blocks<S, B>(blocks: impl Iterator<Item = B>, mut length: usize, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    B: Deref<Target = Arc<Block>>,
{
    let mut sequence = serializer.serialize_seq(Some(length))?;
    for block in blocks {
        let users = &block[..length.min(BLOCK)];
        length -= users.len();
        for next in users.chunks(LOOKS) {
            look(&next.iter().collect::<SmallVec<[&User; LOOKS]>>());
            for user in next {
                sequence.serialize_element(user)?;
            }
        }
    }
    sequence.end()
}

/// All ids, to be written once: each block is given up when it is written, so that whoever changes it after that need not copy it.
pub(super) struct UsersOnce(Cell<Option<Users>>);

impl UsersOnce {
    pub(super) fn new(users: Users) -> Self {
        Self(Cell::new(Some(users)))
    }
}

impl Serialize for UsersOnce {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let users = self.0.take().ok_or_else(|| S::Error::custom("written a second time"))?;
        write_blocks(users.blocks.into_iter().map(GivenUp), users.length, serializer)
    }
}

/// A block that nobody else here holds.
struct GivenUp(Arc<Block>);

impl Deref for GivenUp {
    type Target = Arc<Block>;

    fn deref(&self) -> &Arc<Block> {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Users {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Users;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a sequence of users")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Users, A::Error> {
                let mut users = Users::default();
                while let Some(user) = sequence.next_element()? {
                    users.push(user);
                }
                Ok(users)
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_user_costs() {
        // A word more for each user is a tenth more memory: to be decided, not to happen.
        assert_eq!(size_of::<User>(), 104);
        // Beside them, a block has its count.
        let left = 7_168 - (size_of::<Block>() + size_of::<usize>());
        assert!(left < size_of::<User>(), "{left}");
    }

    #[test]
    fn a_clone_stays_as_it_was() {
        let (mut users, slot) = (Users::default(), Slot::try_from(BLOCK + 4).expect("small"));
        for number in 0..3 * BLOCK {
            users.push(User { id: format!("{number}").into(), ..User::default() });
        }
        let kept = users.clone();
        users.get_mut(slot).id = "other".into();
        users.push(User::default());
        assert_eq!(kept.get(slot).id, format!("{slot}"));
        assert_eq!(users.get(slot).id, "other");
        assert_eq!((kept.len(), users.len()), (3 * BLOCK, 3 * BLOCK + 1));
        assert!(Arc::ptr_eq(&kept.blocks[0], &users.blocks[0]) && !Arc::ptr_eq(&kept.blocks[1], &users.blocks[1]));
    }

    #[test]
    fn what_is_written_once_is_given_up() {
        let mut users = Users::default();
        for number in 0..BLOCK + 7 {
            users.push(User { id: format!("{number}").into(), ..User::default() });
        }
        let once = UsersOnce::new(users.clone());
        assert_eq!(postcard::to_stdvec(&once).expect("written"), postcard::to_stdvec(&users).expect("written"));
        assert!(users.blocks.iter().all(Arc::is_unique));
        assert!(postcard::to_stdvec(&once).is_err(), "there is nothing to be written a second time");
    }

    #[test]
    fn read_as_written() {
        let mut users = Users::default();
        for number in 0..BLOCK + 7 {
            users.push(User { id: format!("{number}").into(), ..User::default() });
        }
        let bytes = postcard::to_stdvec(&users).expect("written");
        let read: Users = postcard::from_bytes(&bytes).expect("read");
        assert_eq!(read.len(), users.len());
        assert!(read.iter().zip(users.iter()).all(|(one, other)| one.id == other.id));
    }
}
