-- The plain one-statement read: raw columns of the four tables joined, under one MVCC snapshot.
-- $1 the snapshot's id, $2 the run's.
SELECT s.id, n.id, n."executionStatus", n.description, n."runId", n."runStatus", n."batchId",
       n."attemptNumber", n."completedWaitpointOrder", n."createdAt",
       c.id, c."friendlyId", c.type, c.location, c."imageRef", c.reason,
       l."B", w.id, w."friendlyId", w.type, w."completedAt", w."idempotencyKey",
       w."userProvidedIdempotencyKey", w."inactiveIdempotencyKey", w."completedByTaskRunId",
       w."completedAfter", w."completedByBatchId", w.output, w."outputType", w."outputIsError"
FROM "TaskRunExecutionSnapshot" s
LEFT JOIN LATERAL (
    SELECT m.*, row_number() OVER (ORDER BY m."createdAt" DESC, m.id DESC) AS place
    FROM "TaskRunExecutionSnapshot" m
    WHERE m."runId" = s."runId" AND m."isValid" AND m."createdAt" > s."createdAt"
    ORDER BY m."createdAt" DESC, m.id DESC
    LIMIT 50
) n ON true
LEFT JOIN "TaskRunCheckpoint" c ON c.id = n."checkpointId"
LEFT JOIN "_completedWaitpoints" l ON l."A" = n.id AND n.place = 1
LEFT JOIN "Waitpoint" w ON w.id = l."B"
WHERE s.id = $1 AND s."runId" = $2
ORDER BY n."createdAt", n.id
