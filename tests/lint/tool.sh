#!/bin/sh
# Runs a lint tool over the checkout: tool.sh clang-format|clang-tidy|luacheck ROOT BUILD
# BUILD is the build folder, for its compile_commands.json. Exit status 77, which ctest shows as skipped, if the tool is not installed.
set -eu
lint=$1
build=$3
cd "$2"

need() {
  if ! command -v "$1" >/dev/null; then
    echo "$1 is not installed (scripts/setup lint): skipped"
    exit 77
  fi
}

case $lint in
  clang-format)
    need clang-format
    find src tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror || {
      echo "Format the files above: clang-format -i FILE"
      exit 1
    }
    ;;
  luacheck)
    need luacheck
    folders=
    for folder in lua examples tests; do
      # luacheck takes a folder without Lua files for an error.
      if [ -n "$(find "$folder" -name '*.lua' 2>/dev/null | head -n 1)" ]; then
        folders="$folders $folder"
      fi
    done
    # shellcheck disable=SC2086 # a list
    luacheck --quiet --no-color $folders
    ;;
  clang-tidy)
    need clang-tidy
    if [ ! -f "$build/compile_commands.json" ]; then
      echo "no $build/compile_commands.json (cmake --preset dev makes it): skipped"
      exit 77
    fi
    find src -name '*.c' -print0 | sort -z |
      xargs -0 -n 2 -P "$(getconf _NPROCESSORS_ONLN)" clang-tidy --quiet -p "$build" \
        --extra-arg-before=-include --extra-arg-before="$PWD/tests/lint/noreturn.h" 2>"$build/clang-tidy.err" || {
      grep -v 'warnings\? generated\|warnings\? treated as error\|^Suppressed\|^Use -header-filter' "$build/clang-tidy.err" || true
      echo "Fix what is said above; a false alarm is silenced where it is: // NOLINT(name-of-check): why"
      exit 1
    }
    ;;
  *)
    echo "tool.sh: no lint '$lint'"
    exit 2
    ;;
esac
