#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Draws the state machine anew, from its table of arcs, in the README.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
exec cargo run --quiet --manifest-path "$here/Cargo.toml" --bin arcs -- update "$here/../../README.md"
