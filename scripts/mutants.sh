#!/usr/bin/env bash
# What fails when a line breaks? Draws mutants of src/model and src/engine and runs tests on each: docs/mutants.md has the results.
#
#   scripts/mutants.sh          draw the sample, or go on with the one that was begun
#   scripts/mutants.sh unit, scripts/mutants.sh scenarios, scripts/mutants.sh properties: one of the stages alone
#   MUTANTS_UNDER=src/model     only those of a directory
#   MUTANTS_CASES=3             how many cases each property of tests/engine is tried with
#   MUTANTS_TESTS="rules risk"  only such tests of tests/engine
#   MUTANTS_SEED, MUTANTS_SIZE  of the sample; with another one, begin anew: rm -r target/mutants
#   MUTANTS_BATCH=5             how many are tried before the script looks whether it is to wait
#   MUTANTS_HOLD=FILE           where this file exists, the next batch waits until it is gone: target/mutants/hold, unless told otherwise
#   scripts/mutants.sh report   what came out so far
#   scripts/mutants.sh again    try those that survived anew, on the sources as they are now
#
# The whole crate takes too long to build for each mutant, so that a slim one is made of copies in target/mutants: the two lower floors, and, for tests/engine,
# what these read and write events with. Unit tests come first; then, on what they missed, the tests of tests/engine that take less than a second; then all of it.
# Needs: cargo-mutants (cargo install cargo-mutants --version 27.1.0 --locked) and Python 3.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

seed="${MUTANTS_SEED:-1}"
size="${MUTANTS_SIZE:-420}"
batch_size="${MUTANTS_BATCH:-40}"
hold="${MUTANTS_HOLD:-target/mutants/hold}"
unit_cases=8
# Without optimisation a case of all properties takes about 15 seconds of a processor.
engine_cases="${MUTANTS_CASES:-3}"
# One simulation takes longer than all other unit tests together.
slow_test="among_many_children_chance_is_allowed_for"
# Tests of tests/engine that take longer than all its others together.
slow_engine_tests="properties:: calibration::scores in_flight:: alerts:: levels_after_switches a_million_events costs_no_more"
# libtest stops at the first failure only where it may do what is not stable.
fail_fast="-Z unstable-options --fail-fast"
dependencies="apache-avro|base64|compact_str|crc32fast|csv|foldhash|hashbrown|hmac|jiff|libm|mimalloc|postcard|prost-reflect|protox-parse|rand|rand_chacha"
dependencies+="|serde|serde_json|sha2|smallvec|thiserror|toml|url|zstd|jsonschema|prost|proptest"

home="$PWD/target/mutants"
crate="$home/crate"
# Where lists and outcomes lie.
work="$home"
export CARGO_TARGET_DIR="$home/target"

write_manifest() {
    cat <<'MANIFEST'
[package]
name = "stickiness"
version = "0.1.0"
edition = "2024"

[lib]
doctest = false

[features]
properties = []

[[test]]
name = "engine"
required-features = ["properties"]

# Building takes longer than testing: nothing of our own is optimised.
[profile.dev]
opt-level = 0
debug = false

[profile.dev.package."*"]
opt-level = 2

[workspace]

[dependencies]
MANIFEST
    awk -v names="^($dependencies) =" '/^\[/ { wanted = /^\[(dev-)?dependencies\]$/ } wanted && $0 ~ names' Cargo.toml
}

write_library() {
    cat <<'LIBRARY'
//! The floors that mutants are made of, and what tests/engine needs.
#[cfg(feature = "properties")]
pub mod config;
pub mod engine;
#[cfg(feature = "properties")]
pub mod io {
    pub mod generate;
}
pub mod model;
#[cfg(feature = "properties")]
pub mod wire;
LIBRARY
}

make_crate() {
    rm -rf "$crate"
    mkdir -p "$crate/src/io" "$crate/tests/data"
    for module in model engine config wire io/generate; do
        cp -r "src/$module.rs" "src/$module" "$crate/src/$(dirname "$module")/"
    done
    cp -r tests/engine tests/proptest-regressions "$crate/tests/"
    cp -r tests/data/snapshots tests/data/settings "$crate/tests/data/"
    cp -r config Cargo.lock "$crate/"
    write_library >"$crate/src/lib.rs"
    write_manifest >"$crate/Cargo.toml"
    # For tests alone, since some dependencies build otherwise under it.
    mkdir "$crate/.cargo"
    printf '%s\n' "[target.'cfg(all())']" 'runner = ["env", "RUSTC_BOOTSTRAP=1"]' >"$crate/.cargo/config.toml"
}

chosen=(--file 'src/model/**' --file 'src/engine/**')

list_mutants() {
    cargo mutants --dir "$crate" --list "${chosen[@]}"
}

draw_sample() {
    list_mutants >"$work/all.txt"
    python3 - "$seed" "$size" "$work/all.txt" >"$work/sample.txt" <<'PYTHON'
import random, sys

seed, size, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
mutants = open(path, encoding="utf-8").read().splitlines()
print(*random.Random(seed).sample(mutants, min(size, len(mutants))), sep="\n")
PYTHON
}

# Outcomes of a stage: caught, missed, timeout, unviable.
outcome() {
    find "$work/$1" -path "*/mutants.out/$2.txt" -exec cat {} + 2>/dev/null | sort -u
}

done_in() {
    for kind in caught missed timeout unviable; do outcome "$1" "$kind"; done
}

# Others measure time on this machine: a mutant that was suspended meanwhile would pass for one that runs for ever, so that only what has not begun waits.
wait_while_held() {
    while [[ -e "$hold" ]]; do sleep 5; done
}

# run STAGE LIST SECONDS OPTIONS...: the mutants of a list, one after the other, in place, because the crate is a copy.
run() {
    local stage="$1" list="$2" seconds="$3"
    shift 3
    local directory
    directory="$work/$stage/$(date +%s%N)"
    mkdir -p "$directory/mutants.out"
    # Exactly those of the list: all others pass for caught in an earlier run. Expressions over names would not do: those that delete fields heed none.
    grep -vxFf "$list" "$work/all.txt" >"$directory/mutants.out/caught.txt"
    nice -n 1 cargo mutants --dir "$crate" --in-place --baseline skip --timeout "$seconds" --build-timeout 300 --no-shuffle --colors never --no-times \
        "${chosen[@]}" --iterate --output "$directory" "$@" || {
        # 2: some were missed, 3: some took too long.
        local status=$?
        [[ "$status" == 2 || "$status" == 3 ]] || exit "$status"
    }
}

run_unit() {
    # shellcheck disable=SC2086 # options, several of them
    PROPTEST_CASES="$unit_cases" PROPTEST_MAX_SHRINK_TIME=1 run unit "$1" 45 --cargo-arg=--lib -- -- $fail_fast --skip "$slow_test"
}

# shellcheck disable=SC2086 # options and names of tests, several of them
run_engine() {
    local stage="$1" list="$2"
    shift 2
    PROPTEST_CASES="$engine_cases" PROPTEST_MAX_SHRINK_TIME=1 run "$stage" "$list" 400 --features properties --cargo-arg=--test=engine -- -- $fail_fast "$@"
}

run_scenarios() {
    # shellcheck disable=SC2046,SC2086 # an option for each name
    run_engine scenarios "$1" $(printf -- '--skip %s ' $slow_engine_tests) ${MUTANTS_TESTS:-}
}

run_properties() {
    # shellcheck disable=SC2086 # names of tests, several of them
    run_engine properties "$1" ${MUTANTS_TESTS:-}
}

remaining() {
    grep "^${MUTANTS_UNDER:-src}/" "$work/sample.txt" | grep -vxFf <(done_in unit) || true
}

# unseen EARLIER STAGE: what an earlier stage missed and this one has not seen.
unseen() {
    outcome "$1" missed | grep "^${MUTANTS_UNDER:-src}/" | grep -vxFf <(done_in "$2") || true
}

try_units() {
    while wait_while_held && remaining | head -n "$batch_size" >"$work/batch.txt" && [[ -s "$work/batch.txt" ]]; do
        run_unit "$work/batch.txt"
    done
}

try_scenarios() {
    while wait_while_held && unseen unit scenarios | head -n "$batch_size" >"$work/batch.txt" && [[ -s "$work/batch.txt" ]]; do
        run_scenarios "$work/batch.txt"
    done
}

try_properties() {
    while wait_while_held && unseen scenarios properties | head -n "$batch_size" >"$work/batch.txt" && [[ -s "$work/batch.txt" ]]; do
        run_properties "$work/batch.txt"
    done
}

begin() {
    wait_while_held
    [[ -e "$home/unmutated" ]] || { make_crate && cp -r "$crate" "$home/unmutated"; }
    # A run that was interrupted leaves a mutant in the copy.
    cp -r "$home/unmutated/." "$crate/"
    [[ -s "$work/sample.txt" ]] || draw_sample
    # shellcheck disable=SC2086 # options, several of them: where they are not taken, no mutant would be missed
    (cd "$crate" && cargo test --lib -- $fail_fast --skip "$slow_test") >"$home/baseline.log" 2>&1 ||
        { echo "tests fail without a mutant: $home/baseline.log" >&2 && exit 1; }
}

# What nothing has caught yet, whether tests/engine has seen it or not.
survivors() {
    outcome unit missed | grep -vxFf <(for kind in caught timeout unviable; do outcome scenarios "$kind" && outcome properties "$kind"; done) || true
}

report() {
    local unviable
    unviable="$(outcome unit unviable | wc -l)"
    echo "of $(wc -l <"$work/all.txt") mutants $(done_in unit | wc -l) were tried, $unviable of them do not compile"
    for stage in unit scenarios properties; do
        echo "$stage: $(outcome "$stage" caught | wc -l) caught, $(outcome "$stage" timeout | wc -l) timed out, $(outcome "$stage" missed | wc -l) missed"
    done
    echo "not caught, $(survivors | grep -cvxFf <(done_in properties)) of them not yet seen by all of tests/engine:"
    survivors
}

# Where lines were added, mutants have other places: they are found by what they replace, with their like in the same function.
run_again() {
    survivors >"$home/survivors.txt"
    work="$home/again"
    rm -rf "$work"
    mkdir -p "$work"
    make_crate
    list_mutants >"$work/all.txt"
    python3 - "$home/survivors.txt" "$work/all.txt" >"$work/sample.txt" <<'PYTHON'
import re, sys

place = re.compile(r":\d+:\d+:")
survivors, mutants = (open(path, encoding="utf-8").read().splitlines() for path in sys.argv[1:3])
wanted = {place.sub(":", name, count=1) for name in survivors}
print(*(name for name in mutants if place.sub(":", name, count=1) in wanted), sep="\n")
PYTHON
    try_units
    try_scenarios
    try_properties
    report
}

case "${1:-sample}" in
sample) begin && try_units && try_scenarios && try_properties && report ;;
unit) begin && try_units && report ;;
scenarios) begin && try_scenarios && report ;;
properties) begin && try_properties && report ;;
again) run_again ;;
report) report ;;
*) echo "usage: scripts/mutants.sh [unit|scenarios|properties|again|report]" >&2 && exit 2 ;;
esac
