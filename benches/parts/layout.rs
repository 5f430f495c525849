//! Users of a block as records, as the engine keeps them, beside users in columns: the question that docs/performance.md answers.
//!
//! Both hold what every user has (104 bytes) for as many users as a block of the engine. Events come by users at random, 32 looked at ahead, and use all of a user; closes come
//! by all users in order and use days and standing.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::scaled;

const BLOCK: usize = 68;
/// Users that are looked at ahead.
const AHEAD: usize = 32;
const EVENTS: usize = 1 << 20;

#[derive(Clone, Copy, Default)]
struct Days {
    words: [u32; 6],
    newest: u32,
    first: u32,
    count: u32,
}

#[derive(Clone, Copy, Default)]
struct Record {
    id: [u64; 3],
    days: Days,
    last: u64,
    facts: u64,
    standing: [u32; 7],
}

struct Columns {
    id: [[u64; 3]; BLOCK],
    days: [Days; BLOCK],
    last: [u64; BLOCK],
    facts: [u64; BLOCK],
    standing: [[u32; 7]; BLOCK],
}

/// One user, wherever it lies.
struct User<'u> {
    id: &'u [u64; 3],
    days: &'u mut Days,
    last: &'u mut u64,
    facts: &'u mut u64,
    standing: &'u mut [u32; 7],
}

/// Blocks of either layout.
trait Layout {
    const NAME: &'static str;
    fn empty() -> Self;
    fn user(&mut self, place: usize) -> User<'_>;
}

impl Layout for [Record; BLOCK] {
    const NAME: &'static str = "records";

    fn empty() -> Self {
        [Record::default(); BLOCK]
    }

    fn user(&mut self, place: usize) -> User<'_> {
        let Record { id, days, last, facts, standing } = &mut self[place];
        User { id, days, last, facts, standing }
    }
}

impl Layout for Columns {
    const NAME: &'static str = "columns";

    fn empty() -> Self {
        Self { id: [[0; 3]; BLOCK], days: [Days::default(); BLOCK], last: [0; BLOCK], facts: [0; BLOCK], standing: [[0; 7]; BLOCK] }
    }

    fn user(&mut self, place: usize) -> User<'_> {
        let Self { id, days, last, facts, standing } = self;
        User { id: &id[place], days: &mut days[place], last: &mut last[place], facts: &mut facts[place], standing: &mut standing[place] }
    }
}

fn event(user: User<'_>, time: u64, day: u32) -> u64 {
    let User { id, days, last, facts, standing } = user;
    if days.newest < day {
        days.words[5] = days.words[5] >> 1 | 1 << 31;
        days.newest = day;
        days.first = days.first.min(day);
        days.count += 1;
        standing[0] = day + 30;
    }
    *last = time;
    *facts ^= time;
    id[0] ^ id[2]
}

fn close(user: &mut User<'_>, day: u32) {
    if user.standing[0] <= day {
        user.standing[1] = user.days.words[5] ^ user.days.first;
        user.standing[0] = day + 1 + user.days.count % 8;
    }
}

fn measure<L: Layout>(criterion: &mut Criterion, users: usize, slots: &[usize]) {
    let mut blocks: Vec<Box<L>> = std::iter::repeat_with(|| Box::new(L::empty())).take(users.div_ceil(BLOCK)).collect();
    let mut day = 0;
    let mut group = criterion.benchmark_group("layout");
    group.sample_size(10).throughput(Throughput::Elements(slots.len() as u64));
    group.bench_function(BenchmarkId::new(format!("events-{}", L::NAME), users), |bencher| {
        bencher.iter(|| {
            let mut sum = 0;
            day += 1;
            for (next, time) in slots.chunks(AHEAD).zip(0..) {
                let look = |slot: &usize| {
                    let user = blocks[slot / BLOCK].user(slot % BLOCK);
                    user.id[0] ^ u64::from(user.days.newest) ^ *user.last ^ *user.facts ^ u64::from(user.standing[6])
                };
                black_box(next.iter().map(look).fold(0, |all, one| all ^ one));
                sum ^= next.iter().fold(0, |sum, slot| sum ^ event(blocks[slot / BLOCK].user(slot % BLOCK), time, day));
            }
            sum
        });
    });
    group.throughput(Throughput::Elements(users as u64));
    group.bench_function(BenchmarkId::new(format!("close-{}", L::NAME), users), |bencher| {
        bencher.iter(|| {
            day += 1;
            for block in &mut blocks {
                (0..BLOCK).for_each(|place| close(&mut block.user(place), day));
            }
        });
    });
    group.finish();
}

/// Records and columns by turns.
pub(super) fn layout(criterion: &mut Criterion) {
    for users in [100_000, 1_000_000] {
        let users = scaled(users) as usize;
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let slots: Vec<usize> = std::iter::repeat_with(|| random.random_range(0..users)).take(EVENTS.min(users * 64)).collect();
        measure::<[Record; BLOCK]>(criterion, users, &slots);
        measure::<Columns>(criterion, users, &slots);
    }
}
