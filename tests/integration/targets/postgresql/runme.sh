#!/usr/bin/env bash
# Copyright (c) The certops.fleet developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Two controllers discover and rotate at once, with one inventory in PostgreSQL.
set -euo pipefail
python=$(command -v python)
tool=$PWD/../../../tools/postgresql.py
if [ -z "${CERTOPS_TEST_POSTGRESQL:-}" ]; then
    status=0
    "$python" "$tool" "$0" || status=$?
    [ "$status" = 77 ] || exit "$status"
    echo "postgresql: skipped, see above"
    exit 0
fi
export CERTOPS_STATE=$OUTPUT_DIR/state
play() { # the playbook, the controller, the rest
    local playbook=$1 controller=$2
    shift 2
    ansible-playbook "$playbook" -i inventory.yml -e "folder=$OUTPUT_DIR" -e "python=$python" --limit "$controller" "$@"
}
both() {
    local log=$OUTPUT_DIR/$1
    play "$1" one >"$log.one.log" 2>&1 &
    local first=$!
    play "$1" two >"$log.two.log" 2>&1 || { cat "$log.two.log"; exit 1; }
    wait "$first" || { cat "$log.one.log"; exit 1; }
}
play prepare.yml one
both certops.fleet.rotate
both certops.fleet.discover
play verify.yml one -vvv >"$OUTPUT_DIR/verify.log" 2>&1 || { cat "$OUTPUT_DIR/verify.log"; exit 1; }
if grep --files-with-matches 'not-to-be-seen' "$OUTPUT_DIR"/*.log; then
    echo "the password is in these logs"
    exit 1
fi
sed -n '/PLAY RECAP/,$p' "$OUTPUT_DIR/verify.log"
