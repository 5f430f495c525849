#!/usr/bin/env bash
# Checks deploy/: rules, dashboard, manifests, image, compose file and unit, some of them in a real Prometheus that scrapes a real service. About a minute and a half.
# Needs the Kafka broker of scripts/fetch-broker.sh, Python 3.11, Node.js, Prometheus, Alertmanager, systemd-analyze, and kubectl or kustomize, which it builds with Go
# when neither is there. What it checks with goes to target/tools/deploy. `--refresh` writes what is made of other files, and checks nothing.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
target="${CARGO_TARGET_DIR:-target}"
tools="$target/tools/deploy"
mkdir -p "$tools"

missing=0
need() {
    command -v "$1" >/dev/null 2>&1 && return
    echo "missing: $1 (on Debian or Ubuntu: $2)" >&2
    missing=1
}
need python3 "apt-get install python3 python3-venv"
need node "apt-get install nodejs npm"
need npm "apt-get install npm"
need prometheus "apt-get install prometheus"
need promtool "apt-get install prometheus"
need amtool "apt-get install prometheus-alertmanager"
need systemd-analyze "apt-get install systemd"
# Debian's kubectl of this release is too old to know components.
if ! { command -v kubectl && kubectl version --client | grep -q 'Kustomize Version: v5'; } >/dev/null 2>&1 &&
    ! command -v kustomize >/dev/null 2>&1 && [[ ! -x "$tools/bin/kustomize" ]]; then
    need go "kubectl or kustomize 5 from their makers, or apt-get install golang to build kustomize"
    if command -v go >/dev/null 2>&1; then
        echo "test-deploy: building kustomize" >&2
        GOBIN="$PWD/$tools/bin" go install sigs.k8s.io/kustomize/kustomize/v5@v5.6.0
    fi
fi
[[ "$missing" == 0 ]] || exit 1

if [[ "${1:-}" == --refresh ]]; then
    exec python3 tests/deploy/refresh.py
fi

# Both are made again when what they are made of has changed.
if [[ ! -e "$tools/venv/.complete" || tests/deploy/requirements.txt -nt "$tools/venv/.complete" ]]; then
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/deploy/requirements.txt
    touch "$tools/venv/.complete"
fi
if [[ ! -e "$tools/node_modules/.complete" || tests/deploy/package-lock.json -nt "$tools/node_modules/.complete" ]]; then
    cp tests/deploy/package.json tests/deploy/package-lock.json "$tools/"
    npm ci --silent --no-audit --no-fund --prefix "$tools"
    touch "$tools/node_modules/.complete"
fi
# STICKINESS_BINARY is one that is built already.
[[ -n "${STICKINESS_BINARY:-}" ]] || cargo build --locked --bin stickiness
PYTHONDONTWRITEBYTECODE=1 "$tools/venv/bin/python" tests/deploy/run.py
