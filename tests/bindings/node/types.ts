// Never run: tsc --noEmit must take it as it stands, and refuse what is marked.
import { metrics } from '@opentelemetry/api';
import { Pool } from 'pg';
import { AFTER_COLUMN, connect, missing, partial, PolicySet, type Cluster, type End } from 'read-policy';

interface Snapshot {
  id: string;
  at: Date;
}

async function overAnyClient(set: PolicySet, signal: AbortSignal): Promise<Snapshot | undefined> {
  const end = await set.policy('snapshots_since').read<Snapshot>(
    {
      readReplica: async (replica) => (replica === 0 ? { id: 'a', at: new Date() } : null),
      readPrimary: () => (signal.aborted ? missing(new Error('gone')) : partial({ id: 'a', at: new Date() })),
    },
    { replicas: 2, deadline: Date.now() + 500, signal, isMissing: (error) => error.code === 'P2025' },
  );
  const left: number | undefined = set.policy('snapshots_since').budget()?.left;
  // @ts-expect-error there may be no limit
  console.log(left, set.policy('snapshots_since').budget().perSecond);
  const told: End = end;
  // @ts-expect-error no such verdict
  if (told.verdict === 'perhaps') return undefined;
  return end.value;
}

async function overPools(): Promise<Cluster> {
  const cluster = await connect({
    set: 'read-policy.ini',
    primary: new Pool({ host: 'a' }),
    replicas: [new Pool({ host: 'b' }), { host: 'c', max: 4 }, 'postgres://d/db'],
    onNotice: ({ level, text }) => console.log(level, text),
  });
  const end = await cluster.read<Snapshot & { position: string }>('snapshots_since', {
    sql: `SELECT id, at, ${AFTER_COLUMN} AS position FROM snapshot WHERE id = $1`,
    values: ['a'],
    outcome: (rows) => (rows.length > 0 ? 'found' : 'missing'),
    position: (rows) => rows[0]?.position,
  }, { position: '16/B374D848' });
  const at: Date | undefined = end.rows[0]?.at;
  // @ts-expect-error rows have no such column
  console.log(at, end.rows[0]?.nothing);
  // @ts-expect-error a server is on, drains, or is off
  await cluster.setServer('replica0', { state: 'asleep' });
  const stop: () => void = cluster.observe(metrics.getMeter('engine'));
  stop();
  return cluster;
}

export { overAnyClient, overPools };
