#!/usr/bin/env bash
# The long forms of the tests that try to break a promise, in parts whose figures are summed (docs/reliability.md).
#
#   ./reliability.sh kills 500     500 kills more
#   ./reliability.sh all           a part of each, as large as in the table below
#   ./reliability.sh sum           what all parts together found
#
# A part adds a line to reliability.tsv (or $ARGUS_RELIABILITY): time, commit, name, tried, failed.
set -euo pipefail
cd "$(dirname "$0")"

results=${ARGUS_RELIABILITY:-reliability.tsv}
names=(kills power-cuts disk-full flips tamperings differential orders leaks hostile)
declare -A usual=([kills]=500 [power-cuts]=75 [disk-full]=50 [flips]=40 [tamperings]=1 [differential]=400 [orders]=100 [leaks]=300 [hostile]=250)

# part runs one test, as often as said, and notes what it says of itself.
part() {
  local name=$1 count=${2:-${usual[$1]}} package test variable out line status=0
  case $name in
    kills) package=./cmd/argus test='^TestCrash$' variable=ARGUS_CRASH_KILLS ;;
    power-cuts) package=./cmd/argus test='^TestPowerCutOfADisk$' variable=ARGUS_POWER_CUTS ;;
    disk-full) package=./cmd/argus test='^TestDiskFullDuringIngest$' variable=ARGUS_DISK_FULL ;;
    flips) package=./internal/node test='^TestFlipAnyByteOfAStore$' variable=ARGUS_FLIPS ;;
    tamperings) package=./internal/node test='^Test(DamagedStores|Tampering)$' variable=ARGUS_TAMPERINGS ;;
    differential) package=./internal/node test='^TestWhatLiesOutsideChangesNothing$' variable=ARGUS_DIFFERENTIAL ;;
    orders) package=./internal/node test='^TestOrdersOfThreeDeliveries$' variable=ARGUS_ORDERS ;;
    leaks) package=./internal/node test='^TestNoAnswerTellsOfTheProtected$' variable=ARGUS_LEAKS ;;
    hostile) package=./cmd/argus test='^TestHostileFiles$' variable=ARGUS_HOSTILE ;;
  esac
  printf '== %s %s\n' "$name" "$count"
  out=$(env "$variable=$count" go test "$package" -run "$test" -count=1 -v -timeout 10h 2>&1) || status=$?
  line=$(grep -oE 'reliability: .* tried [0-9]+ failed [0-9]+' <<<"$out" | awk '{ for (i = 1; i < NF; i++) { if ($i == "tried") tried += $(i + 1); if ($i == "failed") failed += $(i + 1) } } END { if (NR) print "tried", tried, "failed", failed + 0 }') || line=''
  if [[ $status != 0 || -z $line ]]; then
    printf '%s\n' "$out" | tail -n 40
    [[ -n $line ]] || line="tried $count failed 1"
  fi
  printf '%s\t%s\t%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%MZ)" "$(git rev-parse --short HEAD)" "$name" \
    "$(cut -d' ' -f2 <<<"$line")" "$(cut -d' ' -f4 <<<"$line")" | tee -a "$results"
  return "$status"
}

sum() {
  awk -F'\t' '{ tried[$3] += $4; failed[$3] += $5; parts[$3]++ }
    END { for (n in tried) { printf "%-14s %7d tried  %d failed  (%d parts)\n", n, tried[n], failed[n], parts[n]; bad += failed[n] }; exit bad > 0 }' "$results" | sort
}

case ${1:-} in
  sum) sum ;;
  all) for name in "${names[@]}"; do part "$name"; done; sum ;;
  *)
    if [[ " ${names[*]} " != *" ${1:-none} "* || ! ${2:-1} =~ ^[0-9]+$ ]]; then
      printf 'usage: %s all | sum | NAME [COUNT], NAME one of: %s\n' "$0" "${names[*]}" >&2
      exit 2
    fi
    part "$@"
    ;;
esac
