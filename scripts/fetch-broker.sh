#!/usr/bin/env bash
# Fetches the Kafka broker of the integration tests into target/kafka/libs (CARGO_TARGET_DIR is respected).
# Does nothing when it is there already. Needs Java 17 or newer and Maven; no container, no root.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target="${CARGO_TARGET_DIR:-$here/../target}"
libs="$target/kafka/libs"
marker="$libs/.complete"

fail() {
    echo "fetch-broker: $1" >&2
    exit 1
}

command -v java >/dev/null 2>&1 || fail "java is not installed; on Debian or Ubuntu: apt-get install openjdk-17-jre-headless"
java_major="$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)"
[[ "${java_major:-0}" -ge 17 ]] ||
    fail "java ${java_major:-?} is too old, the broker needs 17; on Debian or Ubuntu: apt-get install openjdk-17-jre-headless"

if [[ -e "$marker" && ! "$here/broker/pom.xml" -nt "$marker" ]]; then
    echo "fetch-broker: $libs is complete" >&2
    exit 0
fi

command -v mvn >/dev/null 2>&1 || fail "mvn is not installed; on Debian or Ubuntu: apt-get install maven"

# Maven writes beside the jars only when it is done, so that an interrupted fetch is repeated and not half used.
mkdir -p "$target/kafka"
staging="$(mktemp -d "$target/kafka/libs.XXXXXX")"
trap 'rm -rf "$staging"' EXIT
mvn -B -q -f "$here/broker/pom.xml" dependency:copy-dependencies -DoutputDirectory="$staging" -DincludeScope=runtime ||
    fail "maven could not copy the jars (its own message is above); it needs a repository that has org.apache.kafka 4.1.0"
touch "$staging/.complete"
rm -rf "$libs"
mv "$staging" "$libs"
trap - EXIT
echo "fetch-broker: $(find "$libs" -name '*.jar' | wc -l) jars in $libs" >&2
