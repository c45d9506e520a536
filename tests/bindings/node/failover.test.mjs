// The standby is promoted: last of all, for the pair is none after it.

import assert from 'node:assert/strict';
import { AsyncResource } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { connect, PolicySet } from 'read-policy';
import { ask, caughtUp, known, newRow, optionsOf, pidOf, until } from './pair.mjs';

const INI = '[snapshots_since]\npolicy = read_index\non_replica_failure = primary\n';

test('a failover is followed: no wrong answer, and reads go on', async () => {
  const set = PolicySet.fromText(INI);
  const pools = ['primary', 'standby'].map((name) => new pg.Pool(optionsOf(name, { max: 4 })));
  const cluster = await connect({ set, servers: [{ name: 'a', pool: pools[0] }, { name: 'b', pool: pools[1] }], onNotice() {}, pollMs: 200, timeoutMs: 2000 });
  const id = await newRow();
  await caughtUp();
  let isOver = false;
  const ends = [];
  const readers = Array.from({ length: 8 }, async (_, i) => {
    while (!isOver) ends.push([i % 2 ? 'bogus' : 'known', await cluster.read('snapshots_since', known(i % 2 ? 'nowhere' : id))]);
  });
  await until(() => ends.length > 200, 'reads');
  process.kill(pidOf('primary'), 'SIGQUIT');
  await ask('standby', 'SELECT pg_promote(true, 60)');
  const fresh = await newRow('standby');
  await until(() => cluster.info().primary === 'b', 'the new primary to be seen');
  const promoted = ends.length;
  await until(async () => (await cluster.read('snapshots_since', known(fresh))).verdict === 'found', 'a read there');
  await until(() => ends.length > promoted + 200, 'reads of it');
  isOver = true;
  await Promise.all(readers);
  const wrong = ends.filter(([kind, { verdict }]) => verdict === (kind === 'known' ? 'not_found' : 'found'));
  assert.deepEqual(wrong, []);
  assert.deepEqual([...new Set(ends.slice(-50).map(([kind, { verdict }]) => `${kind} ${verdict}`))].sort(), ['bogus not_found', 'known found']);
  assert.equal(cluster.servers().find(({ name }) => name === 'b').role, 'primary');
  await cluster.close();
  await set.close();
  await Promise.all(pools.map((pool) => pool.end()));
});

test('a miss on a server that is no replica any more is not taken for a replica\'s', async () => {
  const require = createRequire(import.meta.url);
  const lib = join(dirname(require.resolve('read-policy')), 'lib');
  const { PgServer } = require(join(lib, 'pg_server.js'));
  const { OUTCOME } = require(join(lib, 'native.js'));
  const pool = new pg.Pool(optionsOf('standby')); // which has been promoted
  const server = new PgServer(pool, pg.Pool, 8, () => {});
  const read = (id, isReplica, question, wantsPosition) => new Promise((resolve) => server.read(known(id), undefined,
    question, isReplica, wantsPosition, (_of, outcome, error, before, after) => resolve({ outcome, error, before, after }), new AsyncResource('test')).connect());
  for (const question of [null, 'SELECT 1']) {
    for (const wantsPosition of [false, true]) {
      const what = JSON.stringify({ question, wantsPosition });
      const missed = await read('nowhere', true, question, wantsPosition);
      assert.equal(missed.outcome, OUTCOME.ROLE_CHANGED, what);
      assert.equal(missed.before, question === null ? null : '1', what);
      const primary = await read('nowhere', false, question, wantsPosition);
      assert.equal(primary.outcome, OUTCOME.MISSING, what);
      assert.equal(primary.after !== null, wantsPosition, what);
      assert.equal((await read('old', false, question, wantsPosition)).outcome, OUTCOME.FOUND, what);
    }
  }
  await until(() => pool.totalCount === pool.idleCount, 'every client to be given back');
  const [{ open }] = await ask('standby', "SELECT count(*)::int AS open FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
  assert.equal(open, 0);
  await server.close();
  await pool.end();
});
