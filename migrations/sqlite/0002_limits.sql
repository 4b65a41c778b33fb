-- What limits need to know, and indexes with which no question costs more for the tasks that have
-- ended long ago.

-- How many bytes of a task's log are kept, each line's newline included.
ALTER TABLE tasks ADD COLUMN log_bytes INTEGER NOT NULL DEFAULT 0;
-- The bound at which the log was cut; 0: it was not.
ALTER TABLE tasks ADD COLUMN log_cut INTEGER NOT NULL DEFAULT 0;
-- 1 from when a pod of the current attempt is on record until the attempt has ended.
ALTER TABLE tasks ADD COLUMN pod_live INTEGER NOT NULL DEFAULT 0;

UPDATE tasks
SET log_bytes = (SELECT coalesce(sum(length(line) + 1), 0) FROM log_lines
                 WHERE log_lines.task = tasks.id AND kind = 'output')
WHERE tasks.log_lines > 0;

UPDATE tasks
SET pod_live = 1
WHERE state IN ('queued', 'running', 'deferred')
  AND EXISTS (SELECT 1 FROM pods WHERE pods.task = tasks.id AND pods.try_number = tasks.try_number);

-- What an engine holds starts back for; 0: nothing.
ALTER TABLE engines ADD COLUMN max_active_pods INTEGER NOT NULL DEFAULT 0;
ALTER TABLE engines ADD COLUMN pods_per_second INTEGER NOT NULL DEFAULT 0;

CREATE INDEX tasks_with_pod     ON tasks (id) WHERE pod_live = 1;
-- Starts that no limit on pods holds back.
CREATE INDEX tasks_other_starts ON tasks (not_before, id)
    WHERE state = 'queued' AND claim_rank = 2 AND operator <> 'pod';
CREATE INDEX tasks_finished     ON tasks (finished_at) WHERE finished_at IS NOT NULL;
-- Lists, newest first.
CREATE INDEX tasks_by_dag       ON tasks (dag_id, id);
CREATE INDEX tasks_by_run       ON tasks (run_id, id);
CREATE INDEX tasks_by_name      ON tasks (task_id, id);

-- Which triggers an engine watches is asked often, and answered from the index alone.
DROP INDEX triggers_by_owner;
CREATE INDEX triggers_watched ON triggers (owner, fence);
