#!/bin/sh
# Write the lock files from pyproject.toml. Needs uv; only a maintainer runs it (make lock).
set -eu
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate "$@"
}
tidy() { # every line carries the same two platform conditions: leave out what the whole file says already
  sed -i -E "s/ ; platform_python_implementation == 'CPython' and sys_platform == 'linux' \\\\/ \\\\/; \
    s/ and platform_python_implementation == 'CPython' and sys_platform == 'linux'//" "$1"
}
compile --output-file .lock/run.txt
compile --extra local --constraint .lock/run.txt --output-file .lock/local.txt
for group in build dev; do
  uv pip compile --quiet --group $group --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate --constraint .lock/local.txt --output-file .lock/$group.txt
done
peer() {
  name=$1
  shift
  uv pip compile --quiet ".lock/peer-$name.in" --universal --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-header --no-annotate --output-file ".lock/peer-$name.txt" "$@"
}
peer agents --constraint tests/contract/agents/requirements.txt # the versions of the contract tests
peer pipecat --no-emit-package docopt                          # source only, and nothing here calls it
peer open
peer micro
(cd .lock/peer-stock && uv pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate --output-file ../peer-stock.txt) # its settings are in its folder
for file in .lock/*.txt; do tidy "$file"; done
