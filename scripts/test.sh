#!/usr/bin/env bash
# Builds everything, fetches the Kafka broker that the tests start, and runs all tests, formatting and lints included.
# Needs: Rust, a C compiler, make and perl to build; Java 17 and Maven for the broker; Alertmanager, Prometheus, systemd-analyze and Chromium, which root gets by
# apt-get; Python 3.11 for the tests of deploy/; Node 20 and npm for those and for the page. Says what is missing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

missing=0
need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "missing: $1 (on Debian or Ubuntu: $2)" >&2
    missing=1
}
need cargo "apt-get install rustup && rustup default stable"
need cc "apt-get install gcc"
need c++ "apt-get install g++"
need make "apt-get install make"
need perl "apt-get install perl"
need java "apt-get install openjdk-17-jre-headless"
need mvn "apt-get install maven"
# Debian's packages start services of their own where they can; the tests start the programs themselves, on free ports.
lacking=()
for program in prometheus-alertmanager prometheus systemd-analyze; do
    command -v "$program" >/dev/null 2>&1 || lacking+=("${program/systemd-analyze/systemd}")
done
if [[ ${#lacking[@]} -gt 0 && "$(id -u)" == 0 ]] && command -v apt-get >/dev/null 2>&1; then
    echo "installing ${lacking[*]} for the tests of alerts and of deploy/" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacking[@]}"; } >&2 || true
fi
if ! command -v chromium >/dev/null 2>&1 && [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null 2>&1; then
    echo "installing chromium for the tests of the page" >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } >&2 || true
fi
need chromium "apt-get install chromium, as root; the tests of the page look at it in there"
need node "apt-get install nodejs, version 20 or later"
need npm "apt-get install npm"
need prometheus-alertmanager "apt-get install prometheus-alertmanager, as root; the tests of alerts start it"
need prometheus "apt-get install prometheus, as root; the tests of deploy/ start it"
need systemd-analyze "apt-get install systemd; it reads the unit of deploy/"
need python3 "apt-get install python3 python3-venv; it runs the tests of deploy/"
need npm "apt-get install nodejs npm; schemas of deploy/kubernetes come from there"
[[ "$missing" == 0 ]] || exit 1
for component in fmt clippy; do
    cargo "$component" --version >/dev/null 2>&1 || {
        echo "missing: cargo $component (rustup component add rustfmt clippy)" >&2
        exit 1
    }
done

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS" >&2; }

step "format"
cargo fmt --check
step "broker for the tests"
scripts/fetch-broker.sh
# All that the image has. One build for all tests; without it, only what differs is looked at.
export STICKINESS_FEATURES=opentelemetry
step "lints"
cargo clippy --locked --features "$STICKINESS_FEATURES" --all-targets -- -D warnings
# A test among the targets, so that dependencies have the features that tests give them, and are not checked again.
cargo clippy --locked --lib --bin stickiness --test tidy -- -D warnings
step "licences and sources of dependencies"
if ! cargo deny --version >/dev/null 2>&1; then
    # Kept beside the build, so that it is built once; without optimisation, and without what asks the network, in a third of the time.
    tools="${CARGO_TARGET_DIR:-target}/tools"
    [[ -x "$tools/bin/cargo-deny" ]] ||
        cargo install --quiet --debug --no-default-features --locked --root "$tools" cargo-deny --version 0.18.9
    PATH="$(cd "$tools/bin" && pwd):$PATH"
fi
cargo deny --locked check --hide-inclusion-graph licenses bans sources
step "tests"
STICKINESS_REQUIRE_ALERTMANAGER=1 cargo test --locked --features "$STICKINESS_FEATURES"
step "the page in a browser"
tests/browser/run
step "deployment"
# With the binary of the tests: a build by itself is another one, because what tests depend on changes features of dependencies.
STICKINESS_BINARY="${CARGO_TARGET_DIR:-target}/debug/stickiness" scripts/test-deploy.sh
step "done"
