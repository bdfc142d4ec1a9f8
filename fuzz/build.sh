#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds every fuzz target and its seeds for a fuzzing cluster, as OSS-Fuzz and ClusterFuzzLite call it. The environment
# says with what, where to and from where:
#   CC, CFLAGS           a clang, with the engine's and the sanitizers' flags (default: clang, libFuzzer, ASan and UBSan)
#   LIB_FUZZING_ENGINE   what links the engine's main (default: -fsanitize=fuzzer)
#   OUT                  receives NAME and NAME_seed_corpus.zip for each target
#   SRC                  folder in which the sources lie, in a folder named hipt (default: where this script lies)
# Needs zlib's headers and python3 (for the archives). Exit status: 0, or that of the step that failed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
if [ -n "${SRC:-}" ] && [ -d "$SRC/hipt/fuzz" ]; then
    root=$SRC/hipt
fi
: "${OUT:?names the folder that receives the targets}"
CC=${CC:-clang}
CFLAGS=${CFLAGS:--O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all}
LIB_FUZZING_ENGINE=${LIB_FUZZING_ENGINE:--fsanitize=fuzzer}
mkdir -p "$OUT"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# $CFLAGS and $LIB_FUZZING_ENGINE are lists of words.
# shellcheck disable=SC2086
compile() {
    folder=$1
    shift
    mkdir -p "$work/$folder"
    flags=
    while [ "$1" != -- ]; do
        flags="$flags $1"
        shift
    done
    shift
    for source; do
        object=$(printf '%s' "${source#"$root/"}" | tr / _)
        "$CC" -std=c11 $CFLAGS -DHIPT_CHECK=3 $flags -I"$root/include" -I"$root/lib" -I"$root/tests" \
            -I"$root/tools/hipt" -c "$source" -o "$work/$folder/$object.o"
    done
}

# shellcheck disable=SC2086
link() {
    name=$1
    shift
    "$CC" $CFLAGS $LIB_FUZZING_ENGINE "$@" -o "$OUT/$name"
    python3 - "$root/fuzz/corpus/$name" "$OUT/${name}_seed_corpus.zip" <<'PYTHON'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[2], 'w', zipfile.ZIP_DEFLATED) as archive:
    for name in sorted(os.listdir(sys.argv[1])):
        archive.write(os.path.join(sys.argv[1], name), name)
PYTHON
}

core=$(find "$root/lib" -name '*.c' ! -path '*/port/user/*' ! -path '*/sim/*')
sim=$(find "$root/lib/sim" -name '*.c' ! -name 'weak*')
explore=$(find "$root/tests/explore" -name '*.c' ! -name main.c ! -name stop.c)
tool="$root/tools/hipt"
stepped='-DHIPT_STEPS=1 -DHIPT_PORT_HEADER="explore/port.h" -DHIPT_ATOMIC_HEADER="sim/plain.h"'
# shellcheck disable=SC2086
{
    compile core -- $core "$root/tests/model/model.c" "$root/tests/model/host.c"
    # Where a scheduler decides, the feedback of the core is what counts: tests/explore/CMakeLists.txt.
    compile explore $stepped -O2 -fno-sanitize-coverage=trace-cmp -- $core
    compile explore $stepped -O2 -fno-sanitize=fuzzer-no-link -- $sim $explore
    compile explore $stepped -- "$root/fuzz/insert_delete_interleavings.c"
    compile places -- "$root/lib/port/user/places.c" "$root/lib/port/user/parse.c"
    compile tool -- "$tool/mappings.c" "$tool/trace.c" "$tool/compressed.c"
}
for name in operations_against_model configuration mappings_parse trace_parse topology_parse; do
    compile targets -- "$root/fuzz/$name.c"
done

for name in operations_against_model configuration; do
    link $name "$work/targets/fuzz_$name.c.o" "$work"/core/*.o
done
for name in mappings_parse trace_parse; do
    link $name "$work/targets/fuzz_$name.c.o" "$work"/tool/*.o -lz
done
link topology_parse "$work/targets/fuzz_topology_parse.c.o" "$work"/places/*.o "$work"/core/*.o
link insert_delete_interleavings "$work"/explore/*.o
ls -l "$OUT"
