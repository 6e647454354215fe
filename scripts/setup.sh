#!/usr/bin/env bash
# Makes .venv in the repository's root and installs the project with its tools into it.
# Called by `make setup` with the stamp to touch at the end; PYTHON=... chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=${1:-.venv/.installed}
wanted='import sys; sys.exit(sys.version_info < (3, 11))'

say() { printf 'setup: %s\n' "$*" >&2; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c "$wanted" 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo python3
}

python=$(find_python)
if ! command -v "$python" >/dev/null; then
    say "there is no program '$python'. Tidegate needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python."
    exit 1
fi
if ! "$python" -c "$wanted"; then
    say "$("$python" --version 2>&1) is too old. Tidegate needs Python 3.11 or newer: install it, or name it with PYTHON=/path/to/python."
    exit 1
fi

# A .venv whose interpreter was removed, or that an older one made, is made anew.
if ! .venv/bin/python -c "$wanted" 2>/dev/null || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv with $("$python" --version 2>&1)"
    if ! "$python" -m venv --clear .venv; then
        say "'$python -m venv' failed. On Debian and Ubuntu it needs a package: apt-get install python3-venv"
        exit 1
    fi
fi

say "installing the project and its tools"
# The kernel is compiled by make itself, whenever its source changes.
TIDEGATE_PURE=1 .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,cloud]'
touch "$stamp"
