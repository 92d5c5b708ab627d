# shellcheck shell=bash
# Sourced by run, deb, image and boot: the tools, a work directory that goes away, and the lines of the report.

readonly tools=$PWD/target/tools
PATH=$tools/venv/bin:$tools/bin:$PATH
# A script that writes whole file systems has its work directory in memory, where there is room: disks take long to flush them.
if [[ ${whole_file_systems:-} ]] && (($(df --output=avail /dev/shm 2>/dev/null | tail -n 1) > 3000000)); then
  work=$(mktemp --directory --tmpdir=/dev/shm)
else
  work=$(mktemp --directory)
fi
readonly work
failures=0

# Runs a command in a shell of its own and prints `ok` or `FAIL` and the check's name: after a success the first line of
# its output, below a failure all of it. Not as a condition: bash would let errors inside of the command pass.
check() {
  local name=$1 note status
  shift
  set +e
  (
    set -e
    "$@"
  ) >"$work/output" 2>&1
  status=$?
  set -e
  if ((status == 0)); then
    note=$(grep -m 1 . "$work/output" || true)
    printf 'ok    %s%s\n' "$name" "${note:+ ($note)}"
  else
    printf 'FAIL  %s\n' "$name"
    sed 's/^/      /' "$work/output"
    failures=$((failures + 1))
  fi
}

# Succeeds if the command fails and says what is expected: a check that cannot fail checks nothing.
refuses() {
  local message=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "was accepted: $*"
    return 1
  fi
  grep -qF -- "$message" <<<"$output" || {
    printf 'refused for another reason: %s\n' "$output"
    return 1
  }
}

# Shows a command's output only if it fails.
quiet() {
  "$@" >"$work/quiet" 2>&1 || {
    cat "$work/quiet"
    return 1
  }
}

# Without its lines about the chart's links to the rules and dashboards.
helm() { command helm "$@" 2> >(grep -v 'found symbolic link' >&2); }

verdict() {
  ((failures == 0)) && return
  echo "$failures checks of $1 failed" >&2
  return 1
}
