// bindings/node as a host of the kit, over pg: node node_binding.mjs INI SECTION REPLICA_PORT PRIMARY_PORT TABLE
// It stands where node finds the package: the kit's tests copy it to build/npm/.

import { createInterface } from 'node:readline';
import pg from 'pg';
import { connect } from 'read-policy';

const [set, section, replica, primary, table] = process.argv.slice(2);
const options = (port) => ({ host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres', max: 16,
  connectionTimeoutMillis: 2000 });
const cluster = await connect({
  set, servers: [{ name: 'replica', pool: options(replica) }, { name: 'primary', pool: options(primary) }], wantPosition: true,
});

async function find(row, position) {
  const end = await cluster.read(section, { sql: `SELECT value FROM ${table} WHERE id = $1`, values: [row] }, { position });
  const words = [row, end.verdict === 'not_found' ? 'missing' : end.verdict];
  if (end.position) words.push(`position=${end.position}`);
  if (end.verdict === 'found') words.push(`value=${end.rows[0].value}`);
  console.log(words.join(' '));
}

const under = new Set();
for await (const line of createInterface({ input: process.stdin })) {
  const [row, position] = line.split(' ');
  const read = find(row, position || undefined).catch((error) => console.error(error)).finally(() => under.delete(read));
  under.add(read);
}
await Promise.all(under);
await cluster.close();
