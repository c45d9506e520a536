// policy.read does what the hand-written function does, in the same order: for every sequence of
// answers, in and out of transactions, with and without a replica, with and without the retry.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { PolicySet } from 'read-policy';

const require = createRequire(import.meta.url);
const before = require('read-policy/examples/snapshots-before.js');
const after = require('read-policy/examples/snapshots-after.js');

const IDS = { runId: 'run', snapshotId: 'since' };
const ANSWERS = ['found', 'missing', 'failed'];
const BOUNDS = [[0, 0], [0, 1], [1, 1], [1, 2], [5, 0]];

/** Every sequence of three answers: more than three reads there never are. */
function* sequences() {
  for (const a of ANSWERS) for (const b of ANSWERS) for (const c of ANSWERS) yield [a, b, c];
}

/** An engine whose clients answer in turn as the sequence says, and what was done in which order. */
function engineOf(sequence, withReplica, [retryMinMs, retryMaxMs]) {
  const trace = [];
  const answers = [...sequence];
  const client = (name) => ({
    async findSnapshot() {
      const answer = answers.shift();
      trace.push(['read', name, answer]);
      if (answer === 'failed') throw new Error(`${name} failed`);
      return answer === 'found' ? { name } : undefined;
    },
    async findSnapshotsAfter(since) {
      return [since.name];
    },
  });
  const logger = Object.fromEntries(['warn', 'error'].map((level) => [level, (_message, labels) => {
    trace.push(['log', level, labels.runId, labels.snapshotId, labels.failedDuring ?? null, labels.error?.message ?? null]);
  }]));
  const replicaMiss = { add: (by, { outcome }) => trace.push(['count', outcome, by]) };
  return {
    trace, logger, replicaMiss, primary: client('primary'), tx: client('tx'),
    replica: withReplica ? client('replica') : undefined, settings: { retryMinMs, retryMaxMs },
  };
}

async function outcome(run) {
  try {
    return ['returned', await run()];
  } catch (error) {
    return ['threw', error.constructor.name, error.message];
  }
}

const countsOf = (set) => Object.fromEntries(set.metrics()
  .filter(({ name }) => name === 'run_engine.snapshots_since.replica_miss')
  .map(({ attributeValue, value }) => [attributeValue, value]));

for (const bounds of BOUNDS) {
  test(`as the original does with bounds ${bounds.join(' to ')} ms`, async () => {
    const [min, max] = bounds;
    const set = PolicySet.fromText(`[snapshots_since]
policy = replica_then_primary
replica_retry_min_ms = ${min}
replica_retry_max_ms = ${max}
`, { positions: false });
    for (const withReplica of [true, false]) {
      for (const inTransaction of [false, true]) {
        for (const sequence of sequences()) {
          const one = engineOf(sequence, withReplica, bounds);
          const other = engineOf(sequence, withReplica, bounds);
          other.policy = set.policy('snapshots_since');
          const counted = countsOf(set);
          const expected = await outcome(() => before.getSnapshotsSince(one, IDS, inTransaction ? one.tx : undefined));
          const seen = await outcome(() => after.getSnapshotsSince(other, IDS, inTransaction ? other.tx : undefined));
          const what = JSON.stringify({ sequence, withReplica, inTransaction });
          assert.deepEqual(seen, expected, what);
          // The set counts, a moment before the log line where the original counts a moment before it too.
          const grown = Object.entries(countsOf(set)).filter(([name, value]) => value !== counted[name]);
          assert.deepEqual(grown.map(([name, value]) => ['count', name, value - counted[name]]),
            one.trace.filter(([kind]) => kind === 'count'), what);
          assert.deepEqual(other.trace, one.trace.filter(([kind]) => kind !== 'count'), what);
        }
      }
    }
    await set.close();
  });
}

test('bounds that cross are an error here', () => {
  assert.throws(() => PolicySet.fromText(`[a]
policy = replica_then_primary
replica_retry_min_ms = 300
replica_retry_max_ms = 200
`), { code: 'RP_E_CONFIG', message: /replica_retry_min_ms/ });
});
