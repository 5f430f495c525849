#!/usr/bin/env bash
# Makes the archive of a release in target/dist: the binary, its manual pages and completions, examples of settings, deploy/, docs/, and the notices of what is linked in.
#
#   scripts/release.sh                 builds with all that the image has, and packs
#   scripts/release.sh --with BINARY   packs a binary that is built already
#
# The same commit and the same binary give the same bytes. What was packed is unpacked and tried before it is called done.
# Needs: what the build needs, binutils, git, Python 3.11, GNU tar and gzip. Refuses a tree that is not committed, unless STICKINESS_RELEASE_UNCOMMITTED is set, which is for
# tests, and a version without a section in CHANGELOG.md.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"

fail() {
    echo "release: $1" >&2
    exit 1
}

binary=""
case "${1:-}" in
"") [[ $# == 0 ]] || fail "usage: scripts/release.sh [--with BINARY]" ;;
--with) [[ $# == 2 && -x "$2" ]] && binary="$2" || fail "usage: scripts/release.sh [--with BINARY], an executable" ;;
*) fail "usage: scripts/release.sh [--with BINARY]" ;;
esac

version="$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)"
grep -q "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no section \"## $version\""
[[ -n "${STICKINESS_RELEASE_UNCOMMITTED:-}" || -z "$(git status --porcelain)" ]] || fail "the tree has changes that are not committed: git status"

if [[ -z "$binary" ]]; then
    cargo build --release --locked --features opentelemetry --bin stickiness
    binary="$target/release/stickiness"
fi
told="$("$binary" --version)"
[[ "$told" == "stickiness $version" ]] || fail "the binary says \"$told\", Cargo.toml $version"

host="$(rustc -vV | sed -n 's/^host: //p')"
name="stickiness-$version-$host"
stage="$target/dist/$name"
rm -rf "$stage"
mkdir -p "$stage/bin" "$stage/share/completions" "$stage/share/man"

install -m 755 "$binary" "$stage/bin/stickiness"
strip --strip-all "$stage/bin/stickiness"
for shell in bash elvish fish powershell zsh; do
    "$binary" completions "$shell" >"$stage/share/completions/stickiness.$shell"
done
"$binary" man --directory "$stage/share/man"
cp LICENSE README.md CHANGELOG.md "$stage/"
# What git knows, so that nothing of a run gets in.
git ls-files -z config deploy docs | tar --create --null --files-from - | tar --extract --directory "$stage"
scripts/third-party.py "$host" >"$stage/THIRD-PARTY.txt"

# Equal bytes for an equal commit: no times but its own, no names of users, no order of a file system.
moment="$(git log -1 --format=%ct)"
archive="$target/dist/$name.tar.gz"
tar --create --sort=name --mtime="@$moment" --owner=0 --group=0 --numeric-owner --mode='u+rw,go+r,go-w' --directory "$target/dist" "$name" |
    gzip --no-name --best >"$archive"
(cd "$target/dist" && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")

tried="$(mktemp -d)"
trap 'rm -rf "$tried"' EXIT
(cd "$target/dist" && sha256sum --check --quiet "$name.tar.gz.sha256")
tar --extract --gzip --file "$archive" --directory "$tried"
# One after the other by `&&`: in a condition, bash goes on after what failed.
(
    cd "$tried/$name" &&
        bin/stickiness check --offline --config config/examples/cdnow.toml >/dev/null &&
        bin/stickiness generate --events 1000 --users 50 --days 40 --output "$tried/events.ndjson" &&
        bin/stickiness replay --output "$tried/out" "$tried/events.ndjson" >"$tried/told" 2>&1 &&
        [[ -s "$tried/out/metrics.ndjson" ]]
) || fail "what was packed does not run"
echo "$archive: $(stat --format=%s "$archive") bytes, sha256 $(cut -d ' ' -f 1 "$archive.sha256")"
