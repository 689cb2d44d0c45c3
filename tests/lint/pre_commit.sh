#!/bin/bash
# What each commit has to pass, in seconds: layers, sizes, format, names in the docs. CI runs the same.
# To run it before every commit: ln -s ../../tests/lint/pre_commit.sh .git/hooks/pre-commit
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
status=0
for check in check_layers check_size check_packages check_docs; do
  python3 "tests/lint/$check.py" . || status=1
done
mapfile -t changed < <(git diff --cached --name-only --diff-filter=d -- '*.h' '*.c' '*.cpp' '*.cu')
[ ${#changed[@]} = 0 ] || python3 tests/lint/check_format.py . "${changed[@]}" || [ $? = 77 ] || status=1
exit $status
