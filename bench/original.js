// original.js - the read as the engine does it today: four statements one after the other, and the
// JSON made by node; over node's own http server and the pg driver.
//
// node original.js PORT CONNINFO_JSON TOKEN
//
// Statements are prepared, rows come as the driver gives them, and nothing is asked that the answer
// does not need: no newer snapshot, no third statement; no waitpoint, no fourth.
"use strict";

const http = require("node:http");
const { Pool, types } = require("pg");

const LINKS = 8;

// timestamp(3) without time zone holds UTC; enums and arrays of text come as the driver has them.
types.setTypeParser(types.builtins.TIMESTAMP, (text) => new Date(text.replace(" ", "T") + "Z"));

const STATEMENTS = {
  since: `SELECT "createdAt" FROM "TaskRunExecutionSnapshot" WHERE id = $1 AND "runId" = $2`,
  newer: `SELECT n.id, n."executionStatus", n.description, n."runId", n."runStatus", n."batchId",
      n."attemptNumber", n."completedWaitpointOrder", n."createdAt", c.id AS "checkpointId",
      c."friendlyId", c.type, c.location, c."imageRef", c.reason
    FROM "TaskRunExecutionSnapshot" n LEFT JOIN "TaskRunCheckpoint" c ON c.id = n."checkpointId"
    WHERE n."runId" = $1 AND n."isValid" AND n."createdAt" > $2
    ORDER BY n."createdAt" DESC LIMIT 50`,
  links: `SELECT s.id, l."B" FROM "TaskRunExecutionSnapshot" s
    LEFT JOIN "_completedWaitpoints" l ON l."A" = s.id WHERE s.id = $1`,
  waitpoints: `SELECT id, "friendlyId", type, "completedAt", "idempotencyKey",
      "userProvidedIdempotencyKey", "inactiveIdempotencyKey", "completedByTaskRunId",
      "completedAfter", "completedByBatchId", output, "outputType", "outputIsError"
    FROM "Waitpoint" WHERE id = ANY($1)`,
};

async function snapshotsSince(pool, run, snapshot) {
  const ask = async (name, ...values) =>
    (await pool.query({ name, text: STATEMENTS[name], values })).rows;
  const since = await ask("since", snapshot, run);
  if (since.length === 0) return null;
  // The driver sends a Date in local time; the column holds UTC.
  const after = since[0].createdAt.toISOString().replace("Z", "");
  const newer = await ask("newer", run, after);
  if (newer.length === 0) return [];
  const latest = newer[0];
  const links = (await ask("links", latest.id)).map((row) => row.B).filter((id) => id !== null);
  const waitpoints = links.length === 0 ? [] : await ask("waitpoints", links);
  return newer.reverse().map((row) => answerOf(row, row === latest ? waitpoints : []));
}

function batchOf(id) {
  return id ? { id, friendlyId: `batch_${id}` } : undefined;
}

function answerOf(row, waitpoints) {
  return {
    version: "1",
    snapshot: {
      id: row.id,
      friendlyId: `snapshot_${row.id}`,
      executionStatus: row.executionStatus,
      description: row.description,
      createdAt: row.createdAt,
    },
    run: {
      id: row.runId,
      friendlyId: `run_${row.runId}`,
      status: row.runStatus,
      attemptNumber: row.attemptNumber ?? undefined,
    },
    batch: batchOf(row.batchId),
    checkpoint: row.checkpointId
      ? {
          id: row.checkpointId,
          friendlyId: row.friendlyId,
          type: row.type,
          location: row.location,
          imageRef: row.imageRef,
          reason: row.reason ?? undefined,
        }
      : undefined,
    completedWaitpoints: waitpoints.flatMap((waitpoint) => completed(row, waitpoint)),
  };
}

function completed(row, w) {
  const indexes = (row.completedWaitpointOrder ?? []).flatMap((id, i) => (id === w.id ? [i] : []));
  return (indexes.length === 0 ? [undefined] : indexes).map((index) => ({
    id: w.id,
    index,
    friendlyId: w.friendlyId,
    type: w.type,
    completedAt: w.completedAt ?? new Date(),
    idempotencyKey:
      w.userProvidedIdempotencyKey && !w.inactiveIdempotencyKey ? w.idempotencyKey : undefined,
    completedByTaskRun: w.completedByTaskRunId
      ? {
          id: w.completedByTaskRunId,
          friendlyId: `run_${w.completedByTaskRunId}`,
          batch: batchOf(row.batchId),
        }
      : undefined,
    completedAfter: w.completedAfter ?? undefined,
    completedByBatch: batchOf(w.completedByBatchId),
    output: w.output ?? undefined,
    outputType: w.outputType,
    outputIsError: w.outputIsError,
  }));
}

const ROUTE = /^\/engine\/v1\/worker-actions\/runs\/[^_/]+_([^_/]+)\/snapshots\/since\/[^_/]+_([^_/]+)$/;

function main([port, conninfo, token]) {
  const pool = new Pool({ ...JSON.parse(conninfo), max: LINKS });
  const reply = (response, status, body) => {
    const bytes = Buffer.from(JSON.stringify(body));
    response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length });
    response.end(bytes);
  };
  const server = http.createServer(async (request, response) => {
    const match = ROUTE.exec(request.url);
    if (match === null) return reply(response, 404, { error: "Not found" });
    if (request.headers.authorization !== `Bearer ${token}`) {
      return reply(response, 401, { error: "Invalid or missing worker token" });
    }
    try {
      const snapshots = await snapshotsSince(pool, match[1], match[2]);
      if (snapshots === null) return reply(response, 404, { error: "Snapshot not found" });
      return reply(response, 200, { snapshots });
    } catch (error) {
      return reply(response, 503, { error: error.message });
    }
  });
  server.keepAliveTimeout = 20000;
  server.listen(Number(port), "127.0.0.1");
}

main(process.argv.slice(2));
