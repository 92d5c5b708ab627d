# shellcheck shell=bash
# Sourced by the scripts of this folder: what each of them needs to know of a release. Each of these variables may be set by
# the caller, and is then taken as it is: CARGO_TARGET_DIR, CXONE_EXPORTER_REVISION, SOURCE_DATE_EPOCH.

top=$(realpath -- "${BASH_SOURCE[0]%/*}/../..")
readonly top
cd "$top" || exit
export PATH=$top/target/tools/bin:$PATH
# Files of packages must not depend on who builds them.
umask 022
export LC_ALL=C TZ=UTC

mkdir -p "${CARGO_TARGET_DIR:-target}"
CARGO_TARGET_DIR=$(realpath -- "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR
# shellcheck disable=SC2034 # The scripts use it.
readonly dist=$CARGO_TARGET_DIR/dist

# A copy of the sources without its repository can be built and tested, but not published.
git rev-parse --verify --quiet HEAD >/dev/null 2>&1 || {
  echo "there is no repository here: CXONE_EXPORTER_REVISION is ${CXONE_EXPORTER_REVISION:=unknown}" >&2
  : "${SOURCE_DATE_EPOCH:=$(date -r Cargo.toml +%s)}"
}

# A commit that is not what is built must not be named as if it were.
revision() {
  local head
  head=$(git rev-parse HEAD)
  [[ -z $(git status --porcelain --untracked-files=no) ]] || head+=-modified
  echo "$head"
}

CXONE_EXPORTER_REVISION=${CXONE_EXPORTER_REVISION:-$(revision)}
# The date of everything that has one: that of the commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export CXONE_EXPORTER_REVISION SOURCE_DATE_EPOCH

host=$(rustc -vV | sed -n 's/^host: //p')
readonly host

# The machine of a target, as Debian and Go name it.
architecture() {
  case $1 in
    x86_64-*) echo amd64 ;;
    aarch64-*) echo arm64 ;;
    *) echo "there is no release for $1; write x86_64-unknown-linux-gnu or aarch64-unknown-linux-gnu" >&2; return 2 ;;
  esac
}

# Where Cargo puts the binary of a target.
built() { if [[ $1 == "$host" ]]; then echo "$CARGO_TARGET_DIR/release"; else echo "$CARGO_TARGET_DIR/$1/release"; fi; }

# Runs the binary of a target: a foreign one by qemu, with the C library of Debian's cross compiler.
run_built() {
  local target=$1
  shift
  if [[ $target == "$host" ]]; then
    "$(built "$target")/cxone-exporter" "$@"
  else
    "qemu-${target%%-*}" -L "/usr/${target/-unknown-/-}" "$(built "$target")/cxone-exporter" "$@"
  fi
}

# The Debian package of a target, as deploy/debian/build names it.
deb_of() {
  local version
  version=$(deploy/release/version)
  echo "$CARGO_TARGET_DIR/debian/cxone-exporter_${version/-/\~}-1_$(architecture "$1").deb"
}

# A line of Cargo.toml.
manifest_value() { sed -nE "/^$1 = /{s/^$1 = \"(.*)\"/\\1/p;q}" Cargo.toml; }

# Packs a folder of a directory as .tar.gz to standard output: the same bytes, whoever packs it when.
pack() {
  tar --create --directory "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --format=gnu "$2" | gzip -9n
}
