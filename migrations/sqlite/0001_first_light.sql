-- Moments are whole milliseconds since the Unix epoch (UTC); log stamps are nanoseconds.
-- The views at the end show them as text. Read the views; the tables may change between releases.

-- Which installation this is. Stamped on every pod as a label, so that no other installation's
-- pods are ever touched.
CREATE TABLE installation (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    id         TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- The processes that work on this database.
CREATE TABLE engines (
    owner       TEXT    PRIMARY KEY,              -- boot id, pid namespace, pid and start time
    kind        TEXT    NOT NULL CHECK (kind IN ('serve', 'run')),
    started_at  INTEGER NOT NULL,
    alive_until INTEGER NOT NULL                  -- renewed by a heartbeat
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    dag_id       TEXT    NOT NULL,
    task_id      TEXT    NOT NULL,
    run_id       TEXT    NOT NULL,
    map_index    INTEGER NOT NULL,                -- -1: not mapped
    operator     TEXT    NOT NULL,
    definition   TEXT    NOT NULL,                -- the task file, as JSON with a version
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'deferred', 'up_for_retry',
                                                   'success', 'failed', 'skipped', 'cancelled')),
    entry        TEXT    CHECK (entry IN ('execute', 'reentry', 'kill')),  -- queued, running
    claim_rank   INTEGER,                         -- queued: kills first, then resumes, then starts
    not_before   INTEGER,                         -- queued, up_for_retry: when it may go on
    owner        TEXT,                            -- running: which engine
    lease_until  INTEGER,                         -- running: when the claim ends
    cancelling   INTEGER NOT NULL DEFAULT 0,      -- running: somebody asked for an end
    fence        INTEGER NOT NULL DEFAULT 0,
    try_number   INTEGER NOT NULL DEFAULT 1,
    max_tries    INTEGER NOT NULL,
    retry_policy TEXT    NOT NULL,                -- JSON
    execution_timeout_ms INTEGER,
    deadline     INTEGER,                         -- of this attempt
    event        TEXT,                            -- JSON of the event that trigger_reentry will get
    postponed    INTEGER NOT NULL DEFAULT 0,      -- how often in a row the step was put off
    resumes      INTEGER NOT NULL DEFAULT 0,
    failure_kind TEXT    CHECK (failure_kind IN ('failed', 'could_not_start', 'timed_out')),
    reason       TEXT,
    advice       TEXT,                            -- what a person can do about it
    exit_code    INTEGER,
    submitted_at INTEGER NOT NULL,
    started_at   INTEGER,
    finished_at  INTEGER,
    changed_at   INTEGER NOT NULL,
    log_lines    INTEGER NOT NULL DEFAULT 0,      -- how many its containers wrote
    log_seq      INTEGER NOT NULL DEFAULT 0,      -- the seq of the last row, remarks included
    last_log_at  INTEGER,
    UNIQUE (dag_id, task_id, run_id, map_index)
) STRICT;

CREATE INDEX tasks_claimable ON tasks (claim_rank, not_before, id) WHERE state = 'queued';
CREATE INDEX tasks_running   ON tasks (lease_until) WHERE state = 'running';
CREATE INDEX tasks_retryable ON tasks (not_before) WHERE state = 'up_for_retry';
CREATE INDEX tasks_by_state  ON tasks (state, id);

-- The pods of each attempt: the row is written before the pod is created.
CREATE TABLE pods (
    task        INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    try_number  INTEGER NOT NULL,
    connection  TEXT    NOT NULL,                 -- its name in the configuration
    overrides   TEXT    NOT NULL,                 -- what the task itself says about it, JSON
    server      TEXT    NOT NULL,                 -- the API server's address then
    namespace   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    nonce       TEXT    NOT NULL,
    body_hash   TEXT    NOT NULL,
    uid         TEXT,                             -- known once the API server has answered
    intended_at INTEGER NOT NULL,
    created_at  INTEGER,
    observed    TEXT,                             -- what the last look at it showed, JSON
    disposal    TEXT    CHECK (disposal IN ('delete', 'stop', 'keep')),  -- wished for at its end
    PRIMARY KEY (task, try_number, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE triggers (
    task        INTEGER PRIMARY KEY REFERENCES tasks (id) ON DELETE CASCADE,
    fence       INTEGER NOT NULL,                 -- the task's fence when it deferred
    kind        TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    kwargs      TEXT    NOT NULL,                 -- JSON
    owner       TEXT    NOT NULL,                 -- the engine that watches
    deferred_at INTEGER NOT NULL,
    next_log_at INTEGER,
    deadline    INTEGER
) STRICT;

CREATE INDEX triggers_by_owner ON triggers (owner);

CREATE TABLE log_lines (
    task       INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    seq        INTEGER NOT NULL,                  -- 1, 2, 3 ... in each task
    try_number INTEGER NOT NULL,
    container  TEXT    NOT NULL,
    stamp_ns   INTEGER NOT NULL,                  -- as the kubelet stamped the line
    kind       TEXT    NOT NULL CHECK (kind IN ('output', 'gap', 'event')),
    line       BLOB    NOT NULL,                  -- as the container wrote it, without its newline
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE log_cursors (
    task          INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    pod_uid       TEXT    NOT NULL,
    container     TEXT    NOT NULL,
    container_id  TEXT    NOT NULL,
    stamp_ns      INTEGER NOT NULL,
    seen_at_stamp INTEGER NOT NULL,
    complete      INTEGER NOT NULL,
    PRIMARY KEY (task, pod_uid, container)
) STRICT, WITHOUT ROWID;

-- Wishes about pods that their tasks no longer need, carried out until they hold.
CREATE TABLE disposals (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task       INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    connection TEXT    NOT NULL,
    overrides  TEXT    NOT NULL,
    server     TEXT    NOT NULL,
    namespace  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    uid        TEXT,
    nonce      TEXT    NOT NULL,
    action     TEXT    NOT NULL CHECK (action IN ('delete', 'stop', 'keep')),
    due_at     INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    wanted_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX disposals_due     ON disposals (due_at);
CREATE INDEX disposals_by_task ON disposals (task);

CREATE TABLE xcom (
    task  INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    key   TEXT    NOT NULL,
    value TEXT    NOT NULL,                       -- JSON
    PRIMARY KEY (task, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE history (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    task       INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    at         INTEGER NOT NULL,
    event      TEXT    NOT NULL,
    from_state TEXT,
    to_state   TEXT    NOT NULL,
    try_number INTEGER NOT NULL,
    fence      INTEGER NOT NULL,
    owner      TEXT,
    reason     TEXT
) STRICT;

CREATE INDEX history_by_task ON history (task, id);

-- One row a task that waits for its trigger.
CREATE VIEW deferred_tasks AS
SELECT tasks.id,
       tasks.dag_id,
       tasks.task_id,
       tasks.run_id,
       tasks.map_index,
       tasks.try_number,
       pods.namespace                                                        AS pod_namespace,
       pods.name                                                             AS pod_name,
       pods.uid                                                              AS pod_uid,
       triggers.kind                                                         AS trigger_kind,
       strftime('%Y-%m-%dT%H:%M:%fZ', triggers.deferred_at / 1000.0, 'unixepoch') AS deferred_since,
       strftime('%Y-%m-%dT%H:%M:%fZ', triggers.next_log_at / 1000.0, 'unixepoch') AS next_log_time,
       strftime('%Y-%m-%dT%H:%M:%fZ', triggers.deadline / 1000.0, 'unixepoch')    AS deadline,
       tasks.resumes,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.last_log_at / 1000.0, 'unixepoch')    AS last_log_time,
       tasks.log_lines,
       triggers.owner                                                        AS watched_by
FROM tasks
JOIN triggers ON triggers.task = tasks.id
LEFT JOIN pods ON pods.task = tasks.id
              AND pods.try_number = tasks.try_number
              AND pods.intended_at = (SELECT max(intended_at) FROM pods AS newest
                                      WHERE newest.task = tasks.id
                                        AND newest.try_number = tasks.try_number)
WHERE tasks.state = 'deferred';

-- Each change of each task's state, oldest first.
CREATE VIEW task_history AS
SELECT history.task                                                   AS id,
       tasks.dag_id,
       tasks.task_id,
       tasks.run_id,
       tasks.map_index,
       strftime('%Y-%m-%dT%H:%M:%fZ', history.at / 1000.0, 'unixepoch') AS at,
       history.event,
       history.from_state,
       history.to_state,
       history.try_number,
       history.reason,
       history.fence,
       history.owner
FROM history
JOIN tasks ON tasks.id = history.task
ORDER BY history.id;

-- Every task with its newest pod.
CREATE VIEW task_list AS
SELECT tasks.id,
       tasks.dag_id,
       tasks.task_id,
       tasks.run_id,
       tasks.map_index,
       tasks.state,
       tasks.try_number,
       tasks.max_tries,
       tasks.resumes,
       tasks.failure_kind,
       tasks.reason,
       tasks.exit_code,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.submitted_at / 1000.0, 'unixepoch') AS submitted_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.started_at / 1000.0, 'unixepoch')   AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.finished_at / 1000.0, 'unixepoch')  AS finished_at,
       tasks.log_lines,
       strftime('%Y-%m-%dT%H:%M:%fZ', tasks.last_log_at / 1000.0, 'unixepoch')  AS last_log_time,
       tasks.owner
FROM tasks;

-- The log, a row a line; bytes that are not UTF-8 are shown as SQLite shows them.
CREATE VIEW task_log AS
SELECT log_lines.task AS id,
       log_lines.seq,
       log_lines.try_number,
       log_lines.container,
       strftime('%Y-%m-%dT%H:%M:%S', log_lines.stamp_ns / 1000000000, 'unixepoch')
           || printf('.%09dZ', log_lines.stamp_ns % 1000000000) AS stamp,
       log_lines.kind,
       CAST(log_lines.line AS TEXT)                            AS line
FROM log_lines
ORDER BY log_lines.task, log_lines.seq;
