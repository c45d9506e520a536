// A primary and its standby, started by test_node.py, and what the tests do with them.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { connect, PolicySet } from 'read-policy';

const SERVERS = JSON.parse(process.env.PAIR);

export const optionsOf = (name, more) => ({ host: '127.0.0.1', port: SERVERS[name].port, user: 'postgres', database: 'postgres', ...more });

/** Until the condition holds, or 20 s have passed. */
export async function until(condition, what) {
  const end = performance.now() + 20000;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`gave up waiting for ${what}`);
    await sleep(2);
  }
}

/** One statement on a connection of its own; rows of the last one. */
export async function ask(name, sql, values) {
  const client = new pg.Client(optionsOf(name));
  await client.connect();
  try {
    return (await client.query(sql, values)).rows;
  } finally {
    await client.end();
  }
}

let rows = 0;
/** A new row on the primary, by its id. */
export async function newRow(name = 'primary') {
  const id = `row-${process.pid}-${++rows}`;
  await ask(name, 'INSERT INTO known (id) VALUES ($1)', [id]);
  return id;
}

export async function pauseReplay() {
  await ask('standby', 'SELECT pg_wal_replay_pause()');
  // Until 13 no server tells that it has come to the pause; it may be at a last record.
  if (SERVERS.major < 14) return;
  await until(async () => (await ask('standby', 'SELECT pg_get_wal_replay_pause_state() AS s'))[0].s === 'paused', 'a pause');
}

export async function resumeReplay() {
  await ask('standby', 'SELECT pg_wal_replay_resume()');
  // Until 13 the replaying process looks once a second whether it may go on; a signal wakes it.
  if (SERVERS.major < 14) await ask('standby', 'SELECT pg_reload_conf()');
}

export async function caughtUp() {
  const [{ position }] = await ask('primary', `SELECT pg_logical_emit_message(true, '', ''), pg_current_wal_insert_lsn()::text AS position`);
  await until(async () => (await ask('standby', 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there', [position]))[0].there, 'the standby');
}

/** The main process of a server, to be stopped or continued. */
export const pidOf = (name) => Number(readFileSync(`${SERVERS[name].data}/postmaster.pid`, 'utf8').split('\n')[0]);

/** What sends a signal to a server and to the backends that clients have there now. */
export async function signallerOf(name) {
  const backends = await ask(name, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'");
  const pids = [pidOf(name), ...backends.map(({ pid }) => pid)];
  return (signal) => pids.forEach((pid) => {
    try {
      process.kill(pid, signal);
    } catch {} // the one that was asked has ended
  });
}

/** A cluster over the pair, and what closes it and all that it stands on. Both servers have been heard: a busy
 * machine may answer their first questions too late. */
export async function clusterOf(ini, { heard = true, ...options } = {}) {
  const set = PolicySet.fromText(ini);
  const notices = [];
  const pools = ['primary', 'standby'].map((name) => new pg.Pool(optionsOf(name, { max: 8 })));
  const cluster = await connect({
    set, primary: pools[0], replicas: [pools[1]], onNotice: (notice) => notices.push(notice), strict: true, ...options,
  });
  const isHeard = () => cluster.servers().every(({ role, state }) => role !== 'unknown' || state === 'off');
  if (heard) await until(isHeard, 'both servers to be heard');
  const close = async () => {
    await cluster.close();
    // The package's own mistakes. A busy machine is late too.
    const mistakes = notices.map(({ text }) => text).filter((text) => text.startsWith('strict: ') && !text.includes('wake_ns'));
    if (mistakes.length > 0) throw new Error(mistakes.join('; '));
    await set.close();
    await Promise.all(pools.map((pool) => pool.end()));
  };
  return { cluster, set, notices, pools, close };
}

export const known = (id, more) => ({ sql: 'SELECT id FROM known WHERE id = $1', values: [id], ...more });

/** The counters that are not 0, by name and attribute. */
export const counted = (set) => Object.fromEntries(set.metrics().filter(({ value }) => value > 0)
  .map(({ name, attributeValue, value }) => [[name.split('.').pop(), attributeValue].filter(Boolean).join(':'), value]));
