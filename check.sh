#!/usr/bin/env bash
# Makes all checks that must pass before a commit: ./check.sh
# Runs only the given steps: ./check.sh lint tests
set -euo pipefail
cd "$(dirname "$0")"

steps=(tidy format build vet fix lint deadcode cross tests)

# say shows a command and runs it. silent also fails if the command prints anything.
say() {
  printf '$ %s\n' "$*"
  "$@"
}
silent() {
  local out
  printf '$ %s\n' "$*"
  out=$("$@" 2>&1) || { printf '%s\n' "$out"; return 1; }
  [[ -z $out ]] || { printf '%s\n' "$out"; return 1; }
}

check_tidy() { say go mod tidy -diff && say go -C tools mod tidy -diff; }

check_format() { silent find . -name '*.go' -not -path '*/node_modules/*' -exec gofmt -l {} +; }

# The product needs no C compiler; only the race detector below does.
check_build() { say env CGO_ENABLED=0 go build ./...; }

check_vet() { say go vet ./...; }

check_fix() { silent go fix -diff ./...; }

check_lint() { say go tool -modfile=tools/go.mod golangci-lint run; }

check_deadcode() { silent go tool -modfile=tools/go.mod deadcode -test ./...; }

# Vets the code and its tests for each system and each architecture.
check_cross() {
  local target
  for target in windows/amd64 darwin/arm64 linux/arm64; do
    say env CGO_ENABLED=0 GOOS="${target%/*}" GOARCH="${target#*/}" go vet -trimpath ./... || return
  done
}

# Long tests with a single goroutine, in which there are no races to find. "go test ./..." runs them.
alone='^Test(DevicesAreBounded|EveryByteCounts|ManyCopiesAreLinearWork|ManyCopiesOfOneMessage|SameContentIsLinearWork|CompareEqual|World|PlotsAreFound|PhonesAndServerMeet|ReportsMeet|LargeMessages|HugeLine|BombsApart|Oracle|Mutants|Statistics)$'

check_tests() { say go test -race -shuffle=on -timeout 30m -skip "$alone" ./...; }

for step in "${@:-${steps[@]}}"; do
  declare -F "check_$step" >/dev/null || { echo "check.sh: there is no step $step; there are: ${steps[*]}" >&2; exit 2; }
  printf '== %s\n' "$step"
  from=$SECONDS
  if ! "check_$step"; then
    printf '== %s FAILED after %d s; repeat it with: ./check.sh %s\n' "$step" $((SECONDS - from)) "$step" >&2
    exit 1
  fi
  printf '== %s: %d s\n' "$step" $((SECONDS - from))
done
printf '== all checked in %d s\n' "$SECONDS"
