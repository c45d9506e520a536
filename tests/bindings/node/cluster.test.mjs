// connect, on a real primary and standby.

import assert from 'node:assert/strict';
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { setPriority } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import pg from 'pg';
import { AFTER_COLUMN, connect, PolicySet } from 'read-policy';
import { ask, caughtUp, clusterOf, counted, known, newRow, optionsOf, pauseReplay, pidOf, resumeReplay, signallerOf, until } from './pair.mjs';

const INDEX = '[snapshots_since]\npolicy = read_index\nmax_wait_ms = 5000\n';
const RETRY = '[snapshots_since]\npolicy = replica_then_primary\nreplica_retry_min_ms = 10\nreplica_retry_max_ms = 20\n';

/** How often the primary's table was looked at: backends tell when they end. */
async function primaryScans(pools) {
  await Promise.all(pools.map((pool) => until(() => pool.idleCount === pool.totalCount, 'idle clients')));
  await ask('primary', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`);
  await until(async () => (await ask('primary', `SELECT count(*)::int AS n FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`))[0].n <= 2, 'backends to end');
  return (await ask('primary', "SELECT (seq_scan + idx_scan)::int AS n FROM pg_stat_user_tables WHERE relname = 'known'"))[0].n;
}

test('a hit is the replica\'s, by one statement', async () => {
  const { cluster, set, pools, close } = await clusterOf(INDEX);
  const id = await newRow();
  await caughtUp();
  const seen = [];
  pools[1].on('acquire', (client) => {
    const query = client.query;
    client.query = (...all) => { seen.push(all[0]); return query.apply(client, all); };
    client.once('release', () => { client.query = query; });
  });
  const end = await cluster.read('snapshots_since', known(id));
  assert.deepEqual([end.verdict, end.rows, end.servedBy, end.counted, end.logLevel], ['found', [{ id }], 'replica', null, 'none']);
  assert.deepEqual(seen, ['SELECT id FROM known WHERE id = $1']);
  assert.deepEqual(counted(set), {});
  assert.deepEqual(cluster.servers().map(({ name, role }) => [name, role]), [['primary', 'primary'], ['replica', 'replica']]);
  await close();
});

test('the question is asked before the read, the position after it, in one transaction', async () => {
  const { cluster, pools, close } = await clusterOf(INDEX);
  const seen = [];
  pools[1].on('acquire', (client) => {
    const { query } = client;
    client.query = (...all) => { seen.push([client.processID, all[0].text ?? all[0]]); return query.apply(client, all); };
    client.once('error', () => {});
  });
  pools[1].on('release', (_error, client) => { delete client.query; });
  const end = await cluster.read('snapshots_since', known('nowhere'), { wantPosition: true });
  assert.equal(end.counted, 'proven_absent');
  await until(() => pools[1].idleCount === pools[1].totalCount, 'the client');
  const kinds = seen.map(([, text]) => (text.includes('FROM known') ? 'read' : text.replace(/ISOLATION.*/s, '').replace(/SELECT .*?(; COMMIT)?$/s, 'ask$1').trim()));
  assert.deepEqual(kinds, ['BEGIN', 'read', 'ask; COMMIT', 'BEGIN', 'read', 'ask; COMMIT']);
  const [first, second] = [seen[0][1], seen[3][1]];
  assert.equal(first, 'BEGIN ISOLATION LEVEL READ COMMITTED');
  assert.match(second, /^BEGIN ISOLATION LEVEL READ COMMITTED; SELECT .*(pg_last_wal_replay_lsn|last_replayed_end_lsn)/s);
  assert.equal(new Set(seen.map(([pid]) => pid)).size, 1);
  await close();
});

test('a row that the replica lacks is awaited there; one that is nowhere is proven absent', async () => {
  const { cluster, set, close } = await clusterOf(INDEX);
  await pauseReplay();
  try {
    const id = await newRow();
    const late = cluster.read('snapshots_since', known(id));
    await until(() => cluster.metrics().some(({ name, value }) => name === 'cluster.watches' && value > 0), 'its position to be awaited');
    await resumeReplay();
    const end = await late;
    assert.deepEqual([end.verdict, end.servedBy, end.counted], ['found', 'replica_retry', 'replica_retry']);
    const absent = await cluster.read('snapshots_since', known('nowhere'));
    assert.deepEqual([absent.verdict, absent.servedBy, absent.counted], ['not_found', 'replica_retry', 'proven_absent']);
    assert.deepEqual(counted(set), { 'replica_miss:replica_retry': 1, proven_absent: 1 });
  } finally {
    await resumeReplay();
  }
  await close();
});

test('a server that is slower to connect to than its first question may be', async () => {
  process.kill(pidOf('standby'), 'SIGSTOP');
  let opened;
  try {
    opened = await clusterOf(INDEX, { pollMs: 5000, heard: false });
    await until(() => opened.cluster.info().settled, 'the question to be given up');
    assert.equal(opened.cluster.info().replicas, 0);
  } finally {
    process.kill(pidOf('standby'), 'SIGCONT');
  }
  const continued = performance.now();
  await until(() => opened.cluster.info().replicas === 1, 'the replica to be heard');
  assert.ok(performance.now() - continued < 3000, `${performance.now() - continued} ms`);
  await opened.close();
});

test('a rehearsal: first hits count as misses', async () => {
  const { cluster, close } = await clusterOf(INDEX, { firstMisses: true });
  const id = await newRow();
  await caughtUp();
  assert.equal((await cluster.read('snapshots_since', known(id))).servedBy, 'replica_retry');
  await close();
});

test('a replica that never gets the row: the primary serves, or is spared by its budget', async () => {
  const { cluster, set, close } = await clusterOf(`${RETRY}primary_budget_per_s = 1\nprimary_budget_burst = 1\n`);
  await pauseReplay();
  try {
    const id = await newRow();
    const served = await cluster.read('snapshots_since', known(id));
    assert.deepEqual([served.verdict, served.servedBy, served.counted, served.logLevel], ['found', 'primary', 'primary', 'warn']);
    const shed = await cluster.read('snapshots_since', known(id));
    assert.deepEqual([shed.verdict, shed.failedDuring, shed.counted], ['shed', 'primary_budget', 'primary_shed']);
    assert.deepEqual(counted(set), { 'replica_miss:primary': 1, primary_shed: 1 });
  } finally {
    await resumeReplay();
  }
  await close();
});

test('absent on both is said by the primary with a proof', async () => {
  const { cluster, set, close } = await clusterOf(RETRY);
  const end = await cluster.read('snapshots_since', known('nowhere'));
  assert.deepEqual([end.verdict, end.servedBy, end.failedDuring, end.logLevel], ['not_found', 'primary', 'primary_fallback', 'error']);
  assert.deepEqual(counted(set), {});
  await close();
});

test('no client comes back in an open transaction', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  for (const wantPosition of [false, true]) {
    assert.equal((await cluster.read('snapshots_since', known('nowhere'), { wantPosition })).servedBy, 'primary');
    await until(() => pools.every((pool) => pool.idleCount === pool.totalCount), 'the clients');
    for (const name of ['primary', 'standby']) {
      const [{ open }] = await ask(name, "SELECT count(*)::int AS open FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'");
      assert.equal(open, 0, name);
    }
  }
  await close();
});

test('partial is treated as a miss on the replica', async () => {
  const { cluster, close } = await clusterOf(RETRY);
  const id = await newRow();
  await caughtUp();
  let asked = 0;
  const end = await cluster.read('snapshots_since', known(id, { outcome: () => (++asked < 3 ? 'partial' : 'found') }));
  assert.deepEqual([end.verdict, end.servedBy, asked], ['found', 'primary', 3]);
  await close();
});

test('a position that comes out goes in again', async () => {
  const { cluster, pools, close } = await clusterOf(INDEX);
  const id = await newRow();
  await caughtUp();
  const one = await cluster.read('snapshots_since', known(id), { wantPosition: true });
  assert.ok(cluster.isPosition(one.position), one.position);
  assert.equal(cluster.isPosition(`${one.position}\0`), false);
  const two = await cluster.read('snapshots_since', known(id), { position: one.position, wantPosition: true });
  assert.equal(two.verdict, 'found');
  const [{ kept }] = await ask('primary', 'SELECT $1::pg_lsn >= $2::pg_lsn AS kept', [two.position, one.position]);
  assert.equal(kept, true);
  await assert.rejects(cluster.read('snapshots_since', known(id), { position: 'x' }), TypeError);
  assert.equal((await cluster.read('snapshots_since', known(id))).position, null, 'not asked for, not paid for');
  await until(() => pools.every((pool) => pool.idleCount === pool.totalCount), 'all clients to be given back');
  await close();
});

test('a position that was handed on is a floor', async () => {
  const { cluster, close } = await clusterOf(`${INDEX}${RETRY.replace('snapshots_since', 'retry')}`);
  await caughtUp();
  await pauseReplay();
  try {
    const id = await newRow();
    const { position } = await cluster.read('retry', known(id), { wantPosition: true });
    // The replica has that row; what it shows besides is too old for who has seen that position.
    assert.equal((await cluster.read('retry', known('old'))).servedBy, 'replica');
    const end = await cluster.read('retry', known('old'), { position });
    assert.deepEqual([end.verdict, end.servedBy, end.counted], ['found', 'primary', null]);
    const waits = cluster.read('snapshots_since', known('old'), { position, wantPosition: true });
    await until(() => cluster.metrics().some(({ name, value }) => name === 'cluster.watches' && value > 0), 'the position to be awaited');
    await resumeReplay();
    const awaited = await waits;
    assert.notEqual(awaited.servedBy, 'primary');
    assert.equal((await ask('primary', 'SELECT $1::pg_lsn >= $2::pg_lsn AS kept', [awaited.position, position]))[0].kept, true);
  } finally {
    await resumeReplay();
  }
  await close();
});

test('the position may be a column of the host\'s own statement', async () => {
  const { cluster, close } = await clusterOf(INDEX);
  const id = await newRow();
  await caughtUp();
  const end = await cluster.read('snapshots_since', {
    sql: `SELECT id, ${AFTER_COLUMN} AS at FROM known WHERE id = $1`, values: [id], position: (rows) => rows[0]?.at,
  }, { wantPosition: true });
  assert.equal(end.position, end.rows[0].at.replace(/\/0+(?=.)/, '/')); // from 19 on servers write 0/03000060
  await close();
});

test('statements are prepared by name, rows and types are as the host wants them', async () => {
  const { cluster, close } = await clusterOf(INDEX);
  const id = await newRow();
  await caughtUp();
  const end = await cluster.read('snapshots_since', {
    sql: 'SELECT id, 1 + 1 AS n FROM known WHERE id = $1', values: [id], name: 'known', rowMode: 'array',
    types: { getTypeParser: () => (text) => `<${text}>` },
  });
  assert.deepEqual(end.rows, [[`<${id}>`, '<2>']]);
  await close();
});

test('an error of the host\'s statement is told, with what threw it', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  const end = await cluster.read('snapshots_since', { sql: 'SELECT nothing FROM known' });
  assert.deepEqual([end.verdict, end.error.code, end.failedDuring], ['failed', '42703', null]);
  const mistake = new Error('in outcome');
  await assert.rejects(cluster.read('snapshots_since', known('x', { outcome: () => { throw mistake; } })), mistake);
  for (const outcome of ['perhaps', 'constructor', '__proto__']) {
    await assert.rejects(cluster.read('snapshots_since', known('x', { outcome: () => outcome })), /^TypeError: outcome: expected/);
  }
  for (const position of [5, '0/1\0']) {
    await assert.rejects(cluster.read('snapshots_since', known('old', { position: () => position })), /^TypeError: position: expected/);
  }
  await assert.rejects(cluster.read('snapshots_since', { values: ['x'] }), TypeError);
  // None of them says that there is no such row.
  for (const sql of ['', 'COMMIT', 'COPY known TO STDOUT', 'SELECT 1; SELECT 2']) {
    await assert.rejects(cluster.read('snapshots_since', { sql }), /^TypeError: read: sql/, sql);
  }
  assert.equal((await cluster.read('snapshots_since', { sql: 'SELECT FROM known WHERE false' })).verdict, 'not_found');
  await assert.rejects(cluster.read('snapshots_since', known('x'), { client: {} }), /^TypeError: read: client/);
  assert.equal(cluster.info().reads, 0);
  const odd = await cluster.read('snapshots_since', known('x', { values: [{ toPostgres() { throw mistake; } }] }));
  assert.deepEqual([odd.verdict, odd.error], ['failed', mistake]);
  await assert.rejects(cluster.read('other', known('x')), /no section \[other\]/);
  await until(() => pools.every((pool) => pool.idleCount === pool.totalCount), 'all clients to be given back');
  await close();
});

test('a client whose session a statement has changed does not come back', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  for (const sql of ['BEGIN', 'SET search_path = pg_catalog']) {
    await assert.rejects(cluster.read('snapshots_since', { sql }), /^TypeError: read: sql returns no rows/);
    assert.equal((await cluster.read('snapshots_since', known('old'))).servedBy, 'replica');
    await until(() => pools.every((pool) => pool.idleCount === pool.totalCount), 'all clients to be given back');
  }
  await close();
});

test('a wrong number of values is the caller\'s mistake, and costs no connection', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  const pid = async () => (await cluster.read('snapshots_since', { sql: 'SELECT pg_backend_pid() AS pid' })).rows[0].pid;
  const first = await pid();
  for (const values of [['x', 'y'], ['x', 'y', 'z']]) {
    const end = await cluster.read('snapshots_since', known('old', { values }));
    assert.deepEqual([end.verdict, end.error.code, end.reason], ['failed', '08P01', null]);
  }
  assert.equal(await pid(), first);
  assert.equal(pools[1].totalCount, 1);
  await close();
});

/** How a read ends that is cancelled by a recovery conflict. */
async function cancelled(cluster, id) {
  await ask('primary', "INSERT INTO known VALUES ('slow')");
  await caughtUp();
  // As long as it sees that row, the statement takes its time; vacuum then takes the row away from it. CASE: AND
  // promises no order, and a statement that sleeps at every row does so when it is asked again, too.
  const read = cluster.read('snapshots_since', {
    sql: `SELECT id FROM known WHERE id = $1 AND NOT EXISTS
      (SELECT FROM known WHERE CASE id WHEN 'slow' THEN pg_sleep(4) IS NOT NULL END)`, values: [id],
  });
  const [{ pid }] = await until(async () => {
    const sleeping = await ask('standby', "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    return sleeping.length === 1 && sleeping;
  }, 'the sleep');
  // It is signalled every 5 ms until its transaction has ended; one signal that comes later cancels the next.
  if (process.getuid() === 0) setPriority(pid, -20);
  await ask('primary', "DELETE FROM known WHERE id = 'slow'");
  await ask('primary', 'VACUUM known');
  return read;
}

test('a read that a recovery conflict cancels is asked again', async () => {
  const { cluster, set, pools, close } = await clusterOf(RETRY, { timeoutMs: 30000 });
  const id = await newRow();
  await ask('standby', 'ALTER SYSTEM SET max_standby_streaming_delay = 0');
  await ask('standby', 'SELECT pg_reload_conf()');
  const end = await cancelled(cluster, id);
  assert.equal(cluster.metrics().find(({ name }) => name.endsWith('conflicts')).value, 1);
  assert.deepEqual([end.verdict, end.servedBy, end.error], ['found', 'replica', undefined]);
  assert.deepEqual(counted(set), {});
  assert.equal(pools[1].totalCount, 1);
  await ask('standby', 'ALTER SYSTEM RESET max_standby_streaming_delay');
  await ask('standby', 'SELECT pg_reload_conf()');
  await close();
});

test('an abort rejects at once, and the client comes back', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  const id = await newRow();
  await caughtUp();
  const abort = new AbortController();
  const reason = new Error('the client left');
  const read = cluster.read('snapshots_since', { sql: 'SELECT pg_sleep(0.4)' }, { signal: abort.signal });
  let aborted;
  let removed = false;
  pools[1].on('remove', () => (removed = true));
  pools[1].once('acquire', (client) => (aborted = client));
  await until(() => aborted, 'the statement to be sent');
  const begun = performance.now();
  abort.abort(reason);
  await assert.rejects(read, reason);
  assert.ok(performance.now() - begun < 200);
  // What the first one's server still says is not taken for the answer of the next.
  const next = await cluster.read('snapshots_since', { sql: 'SELECT id FROM known, pg_sleep(0.6) WHERE id = $1', values: [id] });
  assert.deepEqual(next.rows, [{ id }]);
  await until(() => pools[1].idleCount === pools[1].totalCount, 'the clients');
  assert.equal(removed, false, 'unharmed');
  assert.equal(cluster.info().reads, 0);
  await close();
});

test('nor does an abort harm the client of a read whose deadline is far away', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  const abort = new AbortController();
  const read = cluster.read('snapshots_since', { sql: 'SELECT pg_sleep(0.2)' }, {
    signal: abort.signal, deadline: Date.now() + 40 * 24 * 3600 * 1000,
  });
  let taken = false;
  pools[1].once('acquire', () => (taken = true));
  await until(() => taken, 'the statement to be sent');
  abort.abort();
  await assert.rejects(read, { name: 'AbortError' });
  await until(() => pools[1].idleCount === pools[1].totalCount, 'the client');
  assert.equal(pools[1].totalCount, 1);
  await close();
});

test('a server that hangs costs no read more than its deadline, nor its clients', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  await cluster.read('snapshots_since', known('nowhere'));
  const signal = await signallerOf('standby');
  signal('SIGSTOP');
  try {
    const begun = performance.now();
    const end = await cluster.read('snapshots_since', known('nowhere'), { deadline: Date.now() + 300 });
    assert.equal(end.verdict, 'failed');
    assert.ok(performance.now() - begun < 1000, 'within its deadline');
    await until(() => pools[1].totalCount === pools[1].idleCount + pools[1].waitingCount, 'no client to be kept by it');
  } finally {
    signal('SIGCONT');
  }
  await until(async () => (await cluster.read('snapshots_since', known('nowhere'))).verdict === 'not_found', 'the standby again');
  await close();
});

test('thousands of reads that waited in vain for a client of the pool are no depth of the stack', async () => {
  const { cluster, pools, close } = await clusterOf(RETRY);
  const id = await newRow();
  await caughtUp();
  const held = await Promise.all(Array.from({ length: 8 }, () => pools[1].connect()));
  const ends = await Promise.all(Array.from({ length: 3000 }, () => cluster.read('snapshots_since', known(id), { deadline: Date.now() + 300 })));
  assert.ok(ends.every(({ verdict }) => verdict === 'failed'));
  // A busy machine may be so late with some that they end before they come to the pool.
  assert.ok(pools[1].waitingCount > 1000, `${pools[1].waitingCount}`);
  for (const client of held) client.release();
  await until(() => pools[1].waitingCount === 0, 'all who waited to be served');
  // After so many failures in a row the server may be left alone for a moment.
  await until(async () => (await cluster.read('snapshots_since', known(id))).verdict === 'found', 'the replica to be read');
  await close();
});

test('a pool that has no client for long is not left with ever more reads', async () => {
  const { cluster, pools, close } = await clusterOf('[snapshots_since]\npolicy = primary_only\n', { maxReads: 16 });
  const id = await newRow();
  const held = await Promise.all(Array.from({ length: 8 }, () => pools[0].connect()));
  const ends = [];
  for (let turn = 0; turn < 5; turn++) {
    ends.push(...await Promise.all(Array.from({ length: 16 }, () => cluster.read('snapshots_since', known(id), { deadline: Date.now() + 100 }))));
  }
  const waiting = pools[0].waitingCount;
  for (const client of held) client.release();
  await until(() => pools[0].waitingCount === 0, 'all who waited to be served');
  const last = await cluster.read('snapshots_since', known(id));
  await close();
  assert.ok(ends.every(({ verdict }) => verdict === 'failed'));
  assert.match(ends.at(-1).error.message, /has had no client for the last 16 reads/);
  assert.ok(waiting < 32, `${waiting}`);
  assert.equal(last.verdict, 'found');
});

test('thousands of reads at once that find a pool without clients are no depth of the stack', async () => {
  const count = 4000;
  const { cluster, pools, close } = await clusterOf(`[replica]\npolicy = replica_only\n${INDEX}when = always\non_replica_failure = primary\n`, { maxReads: count });
  await caughtUp();
  const held = await Promise.all(Array.from({ length: 8 }, () => pools[1].connect()));
  const read = (section, deadline) => cluster.read(section, known('nowhere'), { deadline: Date.now() + deadline });
  // A busy machine may be so late with some that they end before they come to the pool, and after so many failures in a
  // row the server may be left alone for a moment: then its line is not full yet.
  await until(async () => {
    const dropped = await Promise.all(Array.from({ length: count }, () => read('replica', 300)));
    assert.ok(dropped.every(({ verdict }) => verdict === 'failed'));
    return dropped.some(({ error }) => error?.message.includes('has had no client'));
  }, 'the line to be full');
  // A current read's question is all the others' too, so they all come to the replica at once.
  const ends = [];
  for (let number = 0; number < count; number++) read('snapshots_since', 15000).then((end) => ends.push(end));
  await until(() => ends.length === count, 'all reads to end');
  for (const client of held) client.release();
  await close();
  assert.ok(ends.some(({ verdict, servedBy }) => verdict === 'not_found' && servedBy === 'primary'));
});

test('connections that are cut cost no read, and no crash', async () => {
  const { cluster, pools, close } = await clusterOf(`${RETRY}on_replica_failure = primary\n`);
  const id = await newRow();
  await caughtUp();
  await Promise.all(Array.from({ length: 20 }, () => cluster.read('snapshots_since', known(id))));
  const slow = cluster.read('snapshots_since', { sql: 'SELECT id FROM known, pg_sleep(0.3) WHERE id = $1', values: [id] });
  await sleep(50);
  await ask('standby', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`);
  assert.equal((await slow).verdict, 'found');
  // Without a word from the server, too.
  pools[1].once('acquire', (client) => setTimeout(() => client.connection.stream.destroy(), 50));
  const cut = await cluster.read('snapshots_since', { sql: 'SELECT id FROM known, pg_sleep(0.3) WHERE id = $1', values: [id] });
  assert.equal(cut.verdict, 'found');
  await until(async () => (await cluster.read('snapshots_since', known(id))).servedBy === 'replica', 'the replica again');
  await until(() => pools.every((pool) => pool.idleCount === pool.totalCount), 'all clients to be given back');
  await close();
});

test('the host\'s own transaction sees its own writes', async () => {
  const { cluster, pools, close } = await clusterOf(INDEX);
  const client = await pools[0].connect();
  await client.query('BEGIN');
  await client.query("INSERT INTO known (id) VALUES ('mine')");
  const end = await cluster.read('snapshots_since', known('mine'), { client });
  assert.deepEqual([end.verdict, end.servedBy], ['found', 'primary']);
  assert.equal((await cluster.read('snapshots_since', known('nowhere'), { client })).verdict, 'not_found');
  await client.query('ROLLBACK');
  client.release();
  assert.equal((await cluster.read('snapshots_since', known('mine'))).verdict, 'not_found');
  await close();
});

test('10 000 reads at once: every one its own row, and too many are shed', async () => {
  const { cluster, set, close } = await clusterOf(INDEX, { maxReads: 10000, timeoutMs: 240000 });
  await ask('primary', "INSERT INTO known SELECT 'many-' || i FROM generate_series(0, 9999) i ON CONFLICT DO NOTHING");
  await caughtUp();
  const reads = Array.from({ length: 10001 }, (_, i) => cluster.read('snapshots_since', known(`many-${i}`)));
  const over = (await reads.pop());
  assert.deepEqual([over.verdict, over.failedDuring], ['shed', 'max_reads']);
  (await Promise.all(reads)).forEach((end, i) => {
    assert.deepEqual(end.rows, [{ id: `many-${i}` }]);
    assert.equal(end.servedBy, 'replica');
  });
  assert.deepEqual(counted(set), {});
  await close();
});

test('bogus ids never reach the primary\'s table', async () => {
  const { cluster, pools, close } = await clusterOf(INDEX, { timeoutMs: 60000 });
  await caughtUp();
  await until(async () => (await cluster.read('snapshots_since', known('nowhere'))).counted === 'proven_absent', 'a proof again');
  // Where a busy machine does not tell in time where a server stands, nothing is proven.
  const scans = await until(async () => {
    const first = await primaryScans([pools[0]]);
    const ends = await Promise.all(Array.from({ length: 500 }, (_, i) => cluster.read('snapshots_since', known(`bogus-${i}`))));
    return ends.every(({ counted: which }) => which === 'proven_absent') && { first, last: await primaryScans([pools[0]]) };
  }, 'all to be proven absent');
  assert.equal(scans.last, scans.first);
  await close();
});

test('what a read does is done in its caller\'s async context, whoever has it done', async () => {
  const caller = new AsyncLocalStorage();
  const { cluster, pools, close } = await clusterOf(`${RETRY}[index]\npolicy = read_index\n`);
  const seen = new Set();
  const strangers = [];
  for (const pool of pools) {
    const connect = pool.connect.bind(pool);
    pool.connect = (told) => {
      if (caller.getStore() === undefined) strangers.push(pool);
      return connect(told);
    };
  }
  const readAs = async (number, section) => {
    const { verdict } = await cluster.read(section, known(`nobody-${number}`, {
      outcome: (rows) => {
        seen.add(`${number} ${caller.getStore()}`);
        return rows.length > 0 ? 'found' : 'missing';
      },
    }));
    return verdict;
  };
  const numbers = Array.from({ length: 20 }, (_, number) => number);
  for (const section of ['snapshots_since', 'index']) {
    const verdicts = await Promise.all(numbers.map((number) => caller.run(number, readAs, number, section)));
    assert.deepEqual([...new Set(verdicts)], ['not_found']);
  }
  assert.deepEqual([...seen].sort(), numbers.map((number) => `${number} ${number}`).sort());
  assert.equal(strangers.length, 0);
  await close();
});

const require = createRequire(import.meta.url);
const { PgServer } = require(join(dirname(require.resolve('read-policy')), 'lib', 'pg_server.js'));

/** Of a server to its client. */
const message = (type, body) => Buffer.concat([Buffer.from(type), Buffer.from([0, 0, 0, body.length + 4]), Buffer.from(body)]);

test('a server that ends a connection as it comes up, too late for its read, is no crash', async () => {
  const isUp = [message('R', [0, 0, 0, 0]), message('Z', 'I')];
  const isEnded = message('E', 'SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0');
  const sockets = [];
  const silent = createServer((socket) => socket.once('data', () => sockets.push(socket)));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const pool = new pg.Pool({ host: '127.0.0.1', port: silent.address().port, user: 'postgres', password: '' });
  const server = new PgServer(pool, pg.Pool, 8, () => {});
  const work = server.read(known('nowhere'), undefined, null, false, false, () => {}, new AsyncResource('test'));
  work.connect();
  await until(() => sockets.length === 1, 'the connection');
  work.drop();
  sockets[0].end(Buffer.concat([...isUp, isEnded]));
  await until(() => pool.totalCount === 0, 'its client to be gone');
  await server.close();
  await pool.end();
  silent.close();
});

test('a pooler that has lost its server is a server that is gone', async (t) => {
  const words = 'SFATAL\0VFATAL\0C08P01\0Mserver login has been failing, try again later\0\0';
  const pooler = createServer((socket) => socket.once('data', () => {
    socket.write(Buffer.concat([message('R', [0, 0, 0, 0]), message('Z', 'I')]));
    socket.once('data', () => socket.end(message('E', words)));
  }));
  await once(pooler.listen(0, '127.0.0.1'), 'listening');
  const notices = [];
  const cluster = await connect({ set: PolicySet.fromText(RETRY), strict: true, onNotice: ({ text }) => notices.push(text),
    servers: [{ name: 'pooled', pool: { host: '127.0.0.1', port: pooler.address().port, user: 'postgres' } }] });
  t.after(() => cluster.close().then(() => pooler.close()));
  const [{ answers, backingOffMs }] = cluster.servers();
  assert.deepEqual([answers, backingOffMs > 0], [false, true]);
  assert.deepEqual(notices.filter((text) => text.startsWith('strict: ') && !text.includes('wake_ns')), []);
});

test('a connection of before a redial makes way in the context of the read that met it', async () => {
  const caller = new AsyncLocalStorage();
  const pool = new pg.Pool(optionsOf('primary', { max: 1 }));
  const server = new PgServer(pool, pg.Pool, 8, () => {});
  const seen = [];
  const connect = pool.connect.bind(pool);
  pool.connect = (told) => {
    seen.push(caller.getStore());
    return connect(told);
  };
  const outcome = () => {
    server.redial(); // the second waits for this one's client
    return 'missing';
  };
  const read = (number, more) => caller.run(number, () => new Promise((resolve) => server.read(known('nowhere', more), undefined,
    null, false, false, resolve, new AsyncResource('test')).connect()));
  await Promise.all([read(1, { outcome }), read(2)]);
  assert.deepEqual(seen, [1, 2, 2]);
  await server.close();
  await pool.end();
});

test('a notice is in the context of the cluster, not of the read that brought it', async () => {
  const caller = new AsyncLocalStorage();
  const stores = [];
  const { cluster, close } = await clusterOf(RETRY, { onNotice: ({ text }) => stores.push([text, caller.getStore()]) });
  stores.length = 0;
  await caller.run(1, () => cluster.read('snapshots_since', known('nowhere', { position: () => 'nonsense' })));
  assert.ok(stores.some(([text]) => text.includes('nonsense')));
  assert.deepEqual(stores.filter(([, store]) => store !== undefined), []);
  await close();
});

test('worker threads that are ended in the middle of reads take nobody with them', async () => {
  const code = `
    import { parentPort } from 'node:worker_threads';
    const { clusterOf, known } = await import(${JSON.stringify(new URL('./pair.mjs', import.meta.url).href)});
    const { cluster } = await clusterOf(${JSON.stringify(INDEX)});
    const read = async () => { for (;;) await cluster.read('snapshots_since', known('nowhere')); };
    for (let i = 0; i < 4; i++) read();
    setTimeout(() => parentPort.postMessage('reading'), 20);`;
  await Promise.all(Array.from({ length: 3 }, async () => {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`));
    await new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    await worker.terminate();
  }));
  const { cluster, close } = await clusterOf(INDEX);
  assert.equal((await cluster.read('snapshots_since', known('old'))).verdict, 'found');
  await close();
});

test('servers come and go', async () => {
  const { cluster, close } = await clusterOf(INDEX);
  const id = await newRow();
  await caughtUp();
  await cluster.setServer('replica', { expect: 'replica', state: 'off' });
  assert.equal((await cluster.read('snapshots_since', known(id))).servedBy, 'primary');
  await cluster.setServer('again', { pool: optionsOf('standby'), expect: 'replica' });
  await until(async () => (await cluster.read('snapshots_since', known(id))).servedBy === 'replica', 'the new replica');
  await assert.rejects(cluster.setServer('again', { pool: optionsOf('standby') }), /take it out/);
  await assert.rejects(cluster.setServer('more', {}), /pool is missing/);
  await close();
});

test('close waits for the reads under way, and lets none begin', async () => {
  const { cluster, close } = await clusterOf(RETRY);
  const read = cluster.read('snapshots_since', { sql: 'SELECT pg_sleep(0.1)' });
  const closed = close();
  await assert.rejects(cluster.read('snapshots_since', known('x')), /closed/);
  assert.equal((await read).verdict, 'found');
  await closed;
});

test('a program that closes nothing ends all the same, and a pool of its own is opened by connect', () => {
  const code = `
    import { connect } from 'read-policy';
    const { optionsOf, known } = await import('./pair.mjs');
    const cluster = await connect({ set: process.argv[1], primary: optionsOf('primary', { allowExitOnIdle: true }),
      replicas: [optionsOf('standby', { allowExitOnIdle: true })] });
    console.log((await cluster.read('snapshots_since', known('nowhere'))).verdict);`;
  const path = new URL('./index.ini', import.meta.url).pathname;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', code, path], { timeout: 15000, encoding: 'utf8' });
  assert.equal(said, 'not_found\n');
});

test('a late answer is not that of the next read, though a pool refused at once', async () => {
  const set = PolicySet.fromText(`${RETRY}on_replica_failure = primary\n`);
  const pools = ['primary', 'standby'].map((name) => new pg.Pool(optionsOf(name)));
  let held = null; // what is sent to the primary
  const holding = new WeakSet();
  const connectTo = pools[0].connect.bind(pools[0]);
  pools[0].connect = (callback) => connectTo((error, client, release) => {
    if (client && !holding.has(client)) {
      holding.add(client);
      const query = client.query.bind(client);
      client.query = (...words) => (held ? held.push(() => query(...words)) : query(...words));
    }
    callback(error, client, release);
  });
  const cluster = await connect({ set, primary: pools[0], replicas: [pools[1]], onNotice: () => {} });
  const id = await newRow();
  await until(() => cluster.servers().every(({ role }) => role !== 'unknown'), 'both servers to be heard');
  await pools[1].end(); // the caller's mistake: it calls back with an error before connect returns
  held = [];
  const late = await cluster.read('snapshots_since', known('nowhere'), { deadline: Date.now() + 300 });
  assert.equal(late.verdict, 'failed');
  const read = cluster.read('snapshots_since', known(id));
  await until(() => held.length === 2, 'both to be sent');
  const [first, second] = held;
  held = null;
  first();
  await until(() => pools[0].idleCount > 0 || pools[0].totalCount === 1, 'the late answer');
  second();
  const end = await read;
  assert.deepEqual([end.verdict, end.rows, end.servedBy], ['found', [{ id }], 'primary']);
  await cluster.close();
  await set.close();
  await pools[0].end();
});

test('a pool that throws is a server that cannot be reached', async () => {
  const set = PolicySet.fromText(`${RETRY}on_replica_failure = primary\n`);
  const pools = ['primary', 'standby'].map((name) => new pg.Pool(optionsOf(name)));
  const cluster = await connect({ set, primary: pools[0], replicas: [pools[1]], onNotice: () => {} });
  const id = await newRow();
  await until(() => cluster.servers().every(({ role }) => role !== 'unknown'), 'both servers to be heard');
  pools[1].connect = () => {
    throw new Error('no such option');
  };
  for (let i = 0; i < 2; i++) assert.equal((await cluster.read('snapshots_since', known(id))).servedBy, 'primary');
  assert.equal(cluster.info().reads, 0);
  await cluster.close();
  await set.close();
  await Promise.all(pools.map((pool) => pool.end()));
});

test('options that pg throws on are a server that cannot be reached, and the cluster closes', async () => {
  const set = PolicySet.fromText(`${RETRY}on_replica_failure = primary\n`);
  const cluster = await connect({
    set, primary: optionsOf('primary'), replicas: [optionsOf('standby', { port: 'x' })], onNotice: () => {},
  });
  const end = await cluster.read('snapshots_since', known(await newRow()));
  assert.equal(end.servedBy, 'primary');
  assert.equal(await Promise.race([cluster.close(), sleep(10000, 'hangs')]), undefined);
  await set.close();
});

test('why a server does not answer is told, once, and when it answers again', async () => {
  const { cluster, notices, close } = await clusterOf(RETRY);
  const replica = () => cluster.servers().find(({ name }) => name === 'replica');
  const told = (text) => notices.filter((notice) => notice.server === 'replica' && notice.text.startsWith(`replica ${text}`));
  assert.equal(replica().error, null);
  const signal = await signallerOf('standby');
  signal('SIGSTOP');
  try {
    await until(() => told('does not answer').length > 0, 'the notice');
    assert.deepEqual(told('does not answer').map(({ level, text }) => [level, text]),
      [['warn', 'replica does not answer: no answer in time']]);
    assert.equal(replica().error, 'no answer in time');
  } finally {
    signal('SIGCONT');
  }
  await until(() => told('answers again').length > 0, 'the notice of its end');
  assert.equal(replica().error, null);
  await cluster.setServer('nobody', { pool: optionsOf('standby', { user: 'nobody' }) });
  await until(() => notices.some(({ server }) => server === 'nobody'), 'the reason');
  const polls = () => cluster.metrics().find(({ name }) => name === 'cluster.polls').value;
  const before = polls();
  await until(() => polls() > before + 5, 'it to be asked again and again');
  assert.deepEqual(notices.filter(({ server }) => server === 'nobody').map(({ text }) => text),
    ['nobody does not answer: role "nobody" does not exist']);
  await close();
});

test('who is told that a server does not answer may close the cluster', async () => {
  const set = PolicySet.fromText(RETRY);
  let closed = null;
  const onNotice = ({ server }) => {
    if (server === 'away') closed ??= cluster.close();
  };
  const cluster = await connect({ set, primary: optionsOf('primary'), replicas: [optionsOf('standby')], onNotice });
  await cluster.setServer('away', { pool: optionsOf('standby', { port: 1 }) });
  await until(() => closed !== null, 'the notice');
  await closed;
  await set.close();
});

test('who is told of something may read, and close', async () => {
  const set = PolicySet.fromText(RETRY);
  const id = await newRow();
  await caughtUp();
  const reads = [];
  let cluster = null;
  let closed = null;
  const onNotice = () => {
    if (!cluster) return;
    reads.push(cluster.read('snapshots_since', known(id)).catch((error) => error.message));
    cluster.servers();
    closed ??= cluster.close();
    reads.push(cluster.read('snapshots_since', known(id)).catch((error) => error.message));
  };
  const pools = ['primary', 'standby'].map((name) => new pg.Pool(optionsOf(name)));
  cluster = await connect({ set, primary: pools[0], replicas: [pools[1]], onNotice });
  await until(() => cluster.servers().every(({ role }) => role !== 'unknown'), 'both servers to be heard');
  await cluster.setServer('again', { pool: pools[0] }); // the primary under another name, which is told
  await until(() => closed !== null, 'a notice');
  await closed;
  const [first, second] = await Promise.all(reads);
  assert.deepEqual([first.verdict, second], ['found', 'the cluster is closed']);
  await set.close();
  await Promise.all(pools.map((pool) => pool.end()));
});

test('a server that is refused is not there', async () => {
  const { cluster, close } = await clusterOf(RETRY);
  const before = cluster.servers().length;
  await assert.rejects(cluster.setServer('x'.repeat(64), { pool: optionsOf('standby') }), /63 bytes/);
  await assert.rejects(cluster.setServer('null', { pool: null }), TypeError);
  await assert.rejects(cluster.setServer('number', { pool: 5, expect: 'king' }), TypeError);
  assert.equal(cluster.servers().length, before);
  await sleep(1200); // it is not asked either
  assert.equal((await cluster.read('snapshots_since', known('nowhere'))).verdict, 'not_found');
  await close();
});

test('numbers that are none are refused, not made to fit', async () => {
  const set = PolicySet.fromText(INDEX);
  for (const wrong of [{ timeoutMs: NaN }, { timeoutMs: Infinity }, { timeoutMs: 2 ** 32 + 1000 }, { timeoutMs: -1 }, { pollMs: NaN },
    { maxReads: 1.5 }, { maxReads: 'x' }, { maxServers: 2 ** 33 }]) {
    await assert.rejects(connect({ set, primary: optionsOf('primary'), ...wrong }), { code: 'RP_E_ARGUMENT' }, JSON.stringify(wrong));
  }
  await set.close();
});

test('an option that there is not is refused, not ignored', async () => {
  const refused = (name) => ({ name: 'TypeError', message: new RegExp(`there is no option ${name}; expected `) });
  const set = PolicySet.fromText(RETRY);
  const server = { name: 'a', pool: optionsOf('primary') };
  await assert.rejects(connect({ set, primary: optionsOf('primary'), replica: [optionsOf('standby')] }), refused('replica'));
  await assert.rejects(connect({ set, servers: [{ ...server, expects: 'primary' }] }), refused('expects'));
  await set.close();
  const { cluster, close } = await clusterOf(RETRY);
  await assert.rejects(cluster.read('snapshots_since', known('nowhere'), { postion: 'FF/FF' }), refused('postion'));
  await assert.rejects(cluster.setServer('replica', { stat: 'drain' }), refused('stat'));
  assert.equal(cluster.info().reads, 0);
  await close();
});

test('what is wrong is said before anything is opened', async () => {
  await assert.rejects(connect({ set: '/nowhere.ini', primary: {} }), { code: 'RP_E_CONFIG' });
  await assert.rejects(connect({ set: PolicySet.fromText(INDEX) }), /no servers/);
  await assert.rejects(connect({ primary: {} }), /set is missing/);
  await assert.rejects(connect(), /set is missing/);
  await assert.rejects(connect({ set: PolicySet.fromText(INDEX), primary: {}, replicas: {} }), /are lists/);
  await assert.rejects(connect({ set: PolicySet.fromText(INDEX), primary: new pg.Pool(optionsOf('primary')), pollMs: 5 }), /poll_ms|poll/);
});

test('clusters that are opened and closed leave nothing behind', async () => {
  const one = async () => {
    const { cluster, close } = await clusterOf(INDEX);
    await Promise.all(Array.from({ length: 50 }, () => cluster.read('snapshots_since', known('nowhere'))));
    await close();
  };
  const grow = async () => {
    for (let i = 0; i < 8; i++) await one();
    for (let i = 0; i < 4; i++) {
      await sleep(0);
      globalThis.gc();
    }
    return process.memoryUsage();
  };
  await grow();
  const first = await grow();
  const last = await grow();
  assert.ok(last.heapUsed - first.heapUsed < 2e6, `heap: ${first.heapUsed} to ${last.heapUsed}`);
  const outside = (memory) => memory.rss - memory.heapTotal;
  assert.ok(outside(last) - outside(first) < 16e6, `resident: ${outside(first)} to ${outside(last)}`);
  assert.ok(!process.getActiveResourcesInfo().includes('TCPSocketWrap') ||
    await until(() => !process.getActiveResourcesInfo().includes('TCPSocketWrap'), 'sockets to close'));
});
