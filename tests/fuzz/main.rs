//! Every reader of bytes from outside, given mutations of what it knows: it must neither panic nor take more memory than a stated multiple
//! of what it was given.
//!
//! `STICKINESS_FUZZ=1000000` mutations a target is the long form, `STICKINESS_SEED` chooses others. Inputs worth keeping lie in `corpus/`;
//! what a failure was found by is printed, to be put there.

mod mutate;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mutate::Mutator;
use peak_alloc::PeakAlloc;
use targets::Target;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Memory that any call may take whatever it is given, in bytes.
const FLOOR_BYTES: usize = 16 * 1024;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Memory that a call takes at its peak, in bytes, beyond what was taken before it.
fn peak_of(call: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    call();
    MEMORY.peak_usage().saturating_sub(before)
}

/// How much the greediest input took, in bytes a byte of input beyond the floor.
fn run(target: &Target, mutations: u64, seed: u64) -> f64 {
    let corpus = (target.corpus)();
    assert!(!corpus.is_empty(), "{}: something to start from", target.name);
    // What is made once and kept is no input's doing.
    (target.read)(&(target.finish)(corpus[0].clone()));
    let mut mutator = Mutator::new(seed, target.tokens);
    let mut greediest = 0.0_f64;
    let as_they_are = corpus.iter().cloned();
    let mutated = (0..mutations).map(|_| mutator.next(&corpus));
    for input in as_they_are.chain(mutated) {
        let input = (target.finish)(input);
        let length = input.len();
        let mut peak = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| peak = peak_of(|| (target.read)(&input))));
        assert!(caught.is_ok(), "{} panics, seed {seed}: {}", target.name, input.escape_ascii());
        #[expect(clippy::cast_precision_loss, reason = "inputs are small")]
        let multiple = peak.saturating_sub(FLOOR_BYTES) as f64 / length.max(1) as f64;
        assert!(
            multiple <= target.multiple,
            "{} takes {peak} bytes for {length}, more than {} times; seed {seed}: {}",
            target.name,
            target.multiple,
            input.escape_ascii()
        );
        greediest = greediest.max(multiple);
    }
    greediest
}

/// One test, one target after the other, because memory is counted for the whole process.
#[test]
fn no_reader_panics_or_takes_more_than_its_share() {
    let (mutations, seed) = (number("STICKINESS_FUZZ", 200_000), number("STICKINESS_SEED", 1));
    for target in targets::all() {
        // Readers that decompress are slower.
        let greediest = run(&target, mutations / target.weight, seed);
        println!("{}: at most {greediest:.1} bytes of memory a byte, {} allowed", target.name, target.multiple);
    }
}
