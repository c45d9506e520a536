'use strict';

// The read of an engine as it is written by hand: replica, wait, replica again, primary.
// `engine` has its database clients, logger, counter and settings; `tx` is an open transaction's client.

const { setTimeout: sleep } = require('node:timers/promises');

class SnapshotNotFound extends Error {}

async function readSince(client, { runId, snapshotId }) {
  const since = await client.findSnapshot({ id: snapshotId, runId });
  if (!since) throw new SnapshotNotFound(`no snapshot ${snapshotId} of run ${runId}`);
  return client.findSnapshotsAfter(since);
}

async function getSnapshotsSince(engine, ids, tx) {
  const { primary, replica, logger, replicaMiss, settings } = engine;
  const hasReplica = replica !== undefined && replica !== primary;

  if (tx || !hasReplica) {
    try {
      return await readSince(tx ?? primary, ids);
    } catch (error) {
      logger.error('getSnapshotsSince failed', { ...ids, error });
      throw error;
    }
  }

  try {
    return await readSince(replica, ids);
  } catch (error) {
    if (!(error instanceof SnapshotNotFound)) {
      logger.error('getSnapshotsSince failed', { ...ids, error });
      throw error;
    }
  }

  const maxMs = settings.retryMaxMs;
  const minMs = Math.min(settings.retryMinMs, maxMs);
  if (maxMs > 0) {
    await sleep(minMs + Math.random() * (maxMs - minMs));
    try {
      const snapshots = await readSince(replica, ids);
      replicaMiss.add(1, { outcome: 'replica_retry' });
      return snapshots;
    } catch (error) {
      if (!(error instanceof SnapshotNotFound)) {
        logger.error('getSnapshotsSince failed', { ...ids, failedDuring: 'replica_retry', error });
        throw error;
      }
    }
  }

  let snapshots;
  try {
    snapshots = await readSince(primary, ids);
  } catch (error) {
    logger.error('getSnapshotsSince failed', { ...ids, failedDuring: 'primary_fallback', error });
    throw error;
  }
  replicaMiss.add(1, { outcome: 'primary' });
  logger.warn('getSnapshotsSince missed on the replica, served by the primary', { ...ids });
  return snapshots;
}

module.exports = { getSnapshotsSince, readSince, SnapshotNotFound };
