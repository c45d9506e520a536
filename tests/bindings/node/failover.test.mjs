// The standby is promoted: last of all, for the pair is none after it.

import assert from 'node:assert/strict';
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
