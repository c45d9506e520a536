'use strict';

// The same function with read-policy: what happens when is in the INI file, the counter in the set.
// `engine.policy` is set.policy('snapshots_since').

const { readSince, SnapshotNotFound } = require('./snapshots-before.js');

async function getSnapshotsSince(engine, ids, tx) {
  const { primary, replica, logger, policy } = engine;
  const end = await policy.read({
    readReplica: () => readSince(replica, ids),
    readPrimary: () => readSince(tx ?? primary, ids),
  }, {
    inTransaction: tx !== undefined,
    replicas: replica !== undefined && replica !== primary ? 1 : 0,
    isMissing: (error) => error instanceof SnapshotNotFound,
  });
  const { failedDuring } = end;
  if (end.logLevel !== 'none') logger[end.logLevel](end.message, { ...ids, ...(failedDuring && { failedDuring }), error: end.error });
  if (end.verdict !== 'found') throw end.error ?? new Error(end.message);
  return end.value;
}

module.exports = { getSnapshotsSince };
