-- A log is stored in blocks of many lines, and read as before: a row a line, in the view log_lines.
-- A row for each line cost several times what its bytes do.

DROP VIEW task_log;
ALTER TABLE log_lines RENAME TO log_rows;

CREATE TABLE log_blocks (
    id         INTEGER PRIMARY KEY,
    task       INTEGER NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    first_seq  INTEGER NOT NULL,                  -- lines are counted 1, 2, 3 ... in each task
    last_seq   INTEGER NOT NULL,
    try_number INTEGER NOT NULL,
    container  TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('output', 'gap', 'event')),
    -- A JSON array of texts: 19 digits as the kubelet stamped the line, in nanoseconds, and the line.
    lines      TEXT    NOT NULL,
    -- The bytes of a line that is no text, which then has the block to itself.
    raw        BLOB
) STRICT;

CREATE UNIQUE INDEX log_blocks_in_order ON log_blocks (task, last_seq);

INSERT INTO log_blocks (task, first_seq, last_seq, try_number, container, kind, lines, raw)
SELECT task, seq, seq, try_number, container, kind, json_array(printf('%019d', stamp_ns)), line
FROM log_rows
ORDER BY task, seq;

DROP TABLE log_rows;

-- The log, a row a line, as the containers wrote it.
CREATE VIEW log_lines AS
SELECT log_blocks.task,
       log_blocks.first_seq + one.key                                       AS seq,
       log_blocks.try_number,
       log_blocks.container,
       CAST(substr(one.value, 1, 19) AS INTEGER)                            AS stamp_ns,
       log_blocks.kind,
       coalesce(log_blocks.raw, CAST(substr(one.value, 20) AS BLOB))        AS line
FROM log_blocks, json_each(log_blocks.lines) AS one;

-- The same for people; bytes that are not UTF-8 are shown as SQLite shows them.
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
