#!/bin/sh
# Fuzzes the targets one after the other, SECONDS each, and prints one line for each.
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# Needs a nightly compiler and cargo-fuzz. Logs go to $FUZZ_LOGS (default fuzz/artifacts/logs),
# new corpus entries to $FUZZ_WORK (default fuzz/artifacts/corpus), crashes to fuzz/artifacts/TARGET/:
# a crash becomes a file in fuzz/corpus/TARGET/ together with its fix.
# Exit code: 1 if a target found something.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?usage: fuzz/run.sh SECONDS [TARGET...]}
shift
logs=${FUZZ_LOGS:-fuzz/artifacts/logs}
work=${FUZZ_WORK:-fuzz/artifacts/corpus}
mkdir -p "$logs"
# `target("name", function, max_len),` lines of the harness are the one list of targets.
list=$(sed -n 's/^    target("\([a-z0-9_]*\)", [a-z0-9_:]*, \([0-9]*\)),$/\1 \2/p' fuzz/harness/src/lib.rs)
[ $# -gt 0 ] || set -- $(echo "$list" | cut -d' ' -f1)
failed=0
for name in "$@"; do
    max_len=$(echo "$list" | sed -n "s/^$name //p")
    if [ -z "$max_len" ]; then
        echo "$name: no such target" >&2
        exit 2
    fi
    mkdir -p "$work/$name"
    if cargo +nightly fuzz run "$name" "$work/$name" "fuzz/corpus/$name" -- \
        -max_total_time="$seconds" -max_len="$max_len" -rss_limit_mb=2048 -timeout=10 \
        -print_final_stats=1 >"$logs/$name.log" 2>&1; then
        verdict=ok
    else
        verdict=FINDING
        failed=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$name.log")
    took=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$logs/$name.log")
    cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$logs/$name.log" | tail -1)
    echo "$name: $verdict runs=${runs:-?} seconds=${took:-?} cov=${cover:-?}" | tee -a "$logs/summary.txt"
done
exit $failed
