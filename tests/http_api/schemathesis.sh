#!/usr/bin/env bash
# Holds the HTTP API to its own OpenAPI document with a checker that knows nothing of it.
#
#   tests/http_api/schemathesis.sh PROGRAM [EXAMPLES]
#
# Installs schemathesis in an environment of its own unless SCHEMATHESIS names the program.
set -euo pipefail
program=$(realpath "$1")
examples=${2:-20}

work=$(mktemp -d)
daemon=
cleanup() {
    if [ -n "$daemon" ]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT

checker=${SCHEMATHESIS:-}
if [ -z "$checker" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet "schemathesis==4.32.5"
    checker=$work/venv/bin/schemathesis
fi

export HOME=$work XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config
unset KUBECONFIG KUBERNETES_SERVICE_HOST
token=$("$program" token create checker 2>/dev/null)
ADJOURN_HTTP_REQUESTS_PER_SECOND=0 "$program" serve --listen 127.0.0.1:0 2>"$work/said" &
daemon=$!
for _ in $(seq 300); do
    grep -q 'adjourn serve: ready' "$work/said" && break
    kill -0 "$daemon" || { cat "$work/said" >&2; exit 1; }
    sleep 0.1
done
url=$(grep -o 'http://[0-9.:]*' "$work/said" | tail -n 1)

post() {
    curl --fail --silent --show-error --output /dev/null --header "authorization: Bearer $token" \
        --header "content-type: $1" --data-binary "$2" "$url/api/v1/$3"
}

# Something to be found: a task that waits, one that was cancelled.
for run in waits ends; do
    post application/yaml "{task_id: checked, run_id: $run, image: busybox}" tasks
done
post application/json '{}' tasks/2/cancel

cd "$work"
# What has no end, of what a task is that waits for ever, is left to tests that know when to stop
# reading: server-sent events, and a log's text that is followed.
cat >schemathesis.toml <<'END'
[phases.stateful]
max-steps = 10
[[operations]]
include-operation-id = "get_log_text"
parameters = { "query.follow" = "false" }
END
# Of a body that the schema allows, much is no task that can run: the document cannot say all that
# a task file must be, so that such a body may be refused.
"$checker" run "$url/openapi.json" \
    --header "Authorization: Bearer $token" --checks all --exclude-checks positive_data_acceptance \
    --exclude-path-regex '/events$' \
    --phases examples,coverage,fuzzing,stateful \
    --max-examples "$examples" --seed 1 --request-timeout 30 --workers 1 \
    --generation-database none
