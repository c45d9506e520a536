// CPU time of this process for each hit: a pool's own query, and the same read through read-policy.
//
// node node_hit.mjs PRIMARY_PORT STANDBY_PORT ROUNDS MILLISECONDS: lines "subject,reads/s,us", in turn.

import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_MODULES}/`);
const pg = require('pg');
const { connect, PolicySet } = require('read-policy');

const [primaryPort, standbyPort, rounds, milliseconds] = process.argv.slice(2).map(Number);
const AT_ONCE = 8;
const SQL = 'SELECT id FROM known WHERE id = $1';

const poolOf = (port) => new pg.Pool({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres', max: AT_ONCE });
const [primary, standby] = [primaryPort, standbyPort].map(poolOf);
const set = PolicySet.fromText('[known]\npolicy = read_index\n');
const cluster = await connect({ set, primary, replicas: [standby] });
const retry = PolicySet.fromText('[known]\npolicy = replica_then_primary\n').policy('known');
const values = ['one'];

const SUBJECTS = {
  'pool.query': async () => (await standby.query(SQL, values)).rows.length,
  'cluster.read': async () => (await cluster.read('known', { sql: SQL, values })).rows.length,
  'policy.read': async () => (await retry.read({
    readReplica: async () => (await standby.query(SQL, values)).rows,
    readPrimary: async () => (await primary.query(SQL, values)).rows,
  })).value.length,
};

async function slice(read) {
  const end = performance.now() + milliseconds;
  const begun = performance.now();
  const cpu = process.cpuUsage();
  let reads = 0;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (performance.now() < end) {
      if ((await read()) !== 1) throw new Error('not a hit');
      reads++;
    }
  }));
  const { user, system } = process.cpuUsage(cpu);
  return [reads / (performance.now() - begun) * 1000, (user + system) / reads];
}

for (let round = 0; round < rounds + 2; round++) {
  for (const [name, read] of Object.entries(SUBJECTS)) {
    const [rate, us] = await slice(read);
    if (round >= 2) console.log(`${name},${rate.toFixed(1)},${us.toFixed(3)}`); // the first ones warm up
  }
}
await cluster.close();
await Promise.all([primary.end(), standby.end()]);
