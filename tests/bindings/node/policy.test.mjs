// Sets, and reads that only decide: no server is needed.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { missing, partial, PolicySet, version } from 'read-policy';

const INI = `[plain]
policy = replica_then_primary
replica_retry_min_ms = 1
replica_retry_max_ms = 2
`;
const LIMITED = `${INI}primary_budget_per_s = 1
primary_budget_burst = 1
`;
const MODULE = String(pathToFileURL(createRequire(import.meta.url).resolve('read-policy')));

const valueOf = (set, name, value) => set.metrics()
  .find((metric) => metric.name === `run_engine.plain.${name}` && metric.attributeValue === value).value;

test('CommonJS and ESM are one module', () => {
  const api = createRequire(import.meta.url)('read-policy');
  assert.equal(api.PolicySet, PolicySet);
  assert.match(version, /^\d+\.\d+\.\d+$/);
});

test('all errors of a text at once, by place and name', () => {
  assert.throws(() => PolicySet.fromText('[a]\npolicy = nothing\nkey = 1\n', { name: 'my.ini' }), (error) => {
    assert.equal(error.code, 'RP_E_CONFIG');
    assert.deepEqual(error.message.match(/^my\.ini:\d/gm), ['my.ini:2', 'my.ini:3']);
    return true;
  });
  assert.throws(() => PolicySet.fromFile('/nowhere/read-policy.ini'), { code: 'RP_E_CONFIG' });
  assert.throws(() => PolicySet.fromText(INI).policy('other'), /no section \[other\]; there are: plain/);
});

test('a policy that needs positions is refused for policy.read alone', () => {
  const ini = '[a]\npolicy = read_index\n';
  assert.throws(() => PolicySet.fromText(ini, { positions: false }), { code: 'RP_E_CAPABILITY', message: /read_index/ });
  PolicySet.fromText(ini);
});

test('an option that there is not is refused, not ignored', async () => {
  assert.throws(() => PolicySet.fromText(INI, { postions: false }), /no option postions; expected positions, name/);
  const set = PolicySet.fromText(INI);
  await assert.rejects(set.policy('plain').read({ readReplica: () => 1, readPrimary: () => 1 }, { replica: 2 }),
    { name: 'TypeError', message: /read: there is no option replica; expected replicas, / });
  await set.close();
});

test('what a library has put into every object is no option', async () => {
  Object.prototype.ofALibrary = 1;
  try {
    const set = PolicySet.fromText(INI);
    assert.equal((await set.policy('plain').read({ readReplica: () => 1, readPrimary: () => 1 })).verdict, 'found');
    await set.close();
  } finally {
    delete Object.prototype.ofALibrary;
  }
});

test('a reload is whole or not at all', async () => {
  const set = PolicySet.fromText(INI);
  const policy = set.policy('plain');
  set.reload(INI.replace('= 2', '= 9'));
  assert.match(policy.describe(), /1 to 9 ms/);
  assert.throws(() => set.reload('[plain]\npolicy = replica_then_primary\nreplica_retry_max_ms = x\n'));
  assert.match(policy.describe(), /1 to 9 ms/);
  assert.equal(set.policy('plain'), policy);
  await set.close();
});

test('errors of misses come back, and the counter that moved', async () => {
  const set = PolicySet.fromText(INI);
  const policy = set.policy('plain');
  const gone = new Error('not here');
  const never = await policy.read({ readReplica: () => missing(gone), readPrimary: () => { throw gone; } },
    { isMissing: (error) => error === gone });
  assert.deepEqual([never.verdict, never.error, never.failedDuring, never.counted, never.logLevel],
    ['not_found', gone, 'primary_fallback', null, 'error']);
  const answers = [partial('half'), 'whole'];
  const retried = await policy.read({ readReplica: () => answers.shift(), readPrimary: () => assert.fail() });
  assert.deepEqual([retried.verdict, retried.value, retried.servedBy, retried.counted, retried.logLevel],
    ['found', 'whole', 'replica_retry', 'replica_retry', 'none']);
  const whole = await policy.read({ readReplica: () => null, readPrimary: () => partial('half') });
  assert.deepEqual([whole.verdict, whole.value, whole.counted, whole.logLevel], ['found', 'half', 'primary', 'warn']);
  assert.deepEqual([valueOf(set, 'replica_miss', 'replica_retry'), valueOf(set, 'replica_miss', 'primary')], [1, 1]);
  await set.close();
});

test('a wait is not shorter than its bounds, and ends by the deadline', async () => {
  const set = PolicySet.fromText(INI.replace('= 1', '= 40').replace('= 2', '= 41'));
  const times = [];
  const read = (options) => set.policy('plain').read(
    { readReplica: () => { times.push(performance.now()); return null; }, readPrimary: () => 1 }, options);
  for (let i = 0; i < 5; i++) {
    times.length = 0;
    await read();
    assert.equal(times.length, 2);
    assert.ok(times[1] - times[0] >= 40, `waited ${times[1] - times[0]} ms`);
  }
  times.length = 0;
  const hurried = await read({ deadline: Date.now() + 20 });
  assert.equal(times.length, 1, 'a wait beyond the deadline is not begun');
  assert.equal(hurried.servedBy, 'primary');
  await set.close();
});

test('an abort ends a read at once, in a wait and in a read', async () => {
  const set = PolicySet.fromText(INI.replace('= 1', '= 30000').replace('= 2', '= 30000'));
  const reason = new Error('the client left');
  for (const readReplica of [() => null, () => new Promise(() => {})]) {
    const abort = new AbortController();
    const read = set.policy('plain').read({ readReplica, readPrimary: () => 1 }, { signal: abort.signal });
    await sleep(5);
    abort.abort(reason);
    await assert.rejects(read, reason);
  }
  await assert.rejects(set.policy('plain').read({ readReplica: () => 1, readPrimary: () => 1 },
    { signal: AbortSignal.abort(reason) }), reason);
  await set.close(); // no read is left open
});

test('close waits for the reads that are open, and lets none begin', async () => {
  const set = PolicySet.fromText(INI);
  let answer;
  const read = set.policy('plain').read({ readReplica: () => new Promise((resolve) => (answer = resolve)), readPrimary: () => 1 });
  let isClosed = false;
  const closed = set.close().then(() => (isClosed = true));
  await assert.rejects(set.policy('plain').read({ readReplica: () => 1, readPrimary: () => 1 }), /closed/);
  await sleep(5);
  assert.equal(isClosed, false);
  answer('row');
  assert.equal((await read).value, 'row');
  await closed;
  assert.throws(() => set.metrics(), /closed/);
  await set.close();
});

test('10 000 reads at once keep apart', async () => {
  const set = PolicySet.fromText(INI);
  const ends = await Promise.all(Array.from({ length: 10000 }, (_, i) => {
    const answers = [[i], [null, i], [null, null]][i % 3];
    return set.policy('plain').read({ readReplica: async () => answers.shift(), readPrimary: async () => i });
  }));
  ends.forEach(({ value, servedBy }, i) => {
    assert.equal(value, i);
    assert.equal(servedBy, ['replica', 'replica_retry', 'primary'][i % 3]);
  });
  await set.close();
});

test('what is left of the budget', async () => {
  const set = PolicySet.fromText(LIMITED.replace('burst = 1', 'burst = 3'));
  const policy = set.policy('plain');
  assert.deepEqual(policy.budget(), { perSecond: 1, burst: 3, left: 3 });
  assert.equal(policy.budget().left, 3);
  const begun = performance.now();
  const end = await policy.read({ readReplica: () => null, readPrimary: () => 1 });
  assert.equal(end.servedBy, 'primary');
  const { left } = policy.budget();
  assert.ok(left === 2 || performance.now() - begun >= 1000, `${left} left`);
  set.reload(INI);
  assert.equal(policy.budget(), null);
  await set.close();
  assert.throws(() => policy.budget(), /closed/);
});

test('worker threads share counters and the budget', async () => {
  const set = PolicySet.fromText(LIMITED);
  const memory = set.sharedMemory();
  set.share(memory);
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { PolicySet } = (await import(workerData.module)).default;
    const set = PolicySet.fromText(workerData.ini);
    set.share(workerData.memory);
    parentPort.postMessage('ready');
    Atomics.wait(workerData.gate, 0, 0);
    const end = await set.policy('plain').read({ readReplica: () => null, readPrimary: () => 1 });
    await set.close();
    parentPort.postMessage(end.verdict);`;
  const gate = new Int32Array(new SharedArrayBuffer(4));
  let starting = 4;
  let begun;
  const verdicts = await Promise.all(Array.from({ length: starting }, () => new Promise((resolve, reject) => {
    new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
      workerData: { memory, gate, ini: LIMITED, module: MODULE },
    }).on('message', (said) => {
      if (said !== 'ready') {
        resolve(said);
      } else if (--starting === 0) { // all at once, so that little comes into the budget meanwhile
        begun = performance.now();
        Atomics.store(gate, 0, 1);
        Atomics.notify(gate, 0);
      }
    }).on('error', reject);
  })));
  const granted = verdicts.filter((verdict) => verdict === 'found').length;
  assert.ok(granted >= 1 && granted <= 1 + Math.ceil((performance.now() - begun) / 1000), verdicts.join());
  assert.equal(verdicts.filter((verdict) => verdict === 'shed').length, 4 - granted);
  assert.equal(valueOf(set, 'primary_shed', null), 4 - granted);
  assert.equal(valueOf(set, 'replica_miss', 'primary'), granted);
  await set.close();
});

test('OpenTelemetry gets every counter, zeros too, by the names that the plugin has', async () => {
  class Reader extends MetricReader {
    async onForceFlush() {}
    async onShutdown() {}
  }
  const set = PolicySet.fromText(INI);
  const reader = new Reader();
  const provider = new MeterProvider({ readers: [reader] });
  const stop = set.observe(provider.getMeter('test'));
  await set.policy('plain').read({ readReplica: () => null, readPrimary: () => 1 });
  const collect = async () => {
    const { resourceMetrics } = await reader.collect();
    return resourceMetrics.scopeMetrics.flatMap(({ metrics }) => metrics).flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => [descriptor.name, attributes.outcome ?? null, attributes.section, value]));
  };
  const expected = set.metrics().map((metric) => [metric.name, metric.attributeValue, metric.section, metric.value]);
  assert.deepEqual((await collect()).sort(), expected.sort());
  assert.ok(expected.some(([, outcome, , value]) => outcome === 'primary' && value === 1));
  await set.close();
  await collect(); // a closed set says nothing more, and throws nothing
  stop();
  await provider.shutdown();
});

test('a read that has ended leaves its place to the next, however it ended', async (t) => {
  const { native } = createRequire(MODULE)('./lib/native.js');
  const begun = t.mock.method(native, 'begin');
  const set = PolicySet.fromText(INI);
  const read = (readReplica, signal) => set.policy('plain').read({ readReplica, readPrimary: () => 1 }, { signal });
  for (let i = 0; i < 100; i++) {
    await read(() => 1);
    await read(() => { throw new Error('failed'); });
    const abort = new AbortController();
    await assert.rejects(read(() => abort.abort(), abort.signal));
  }
  assert.equal(begun.mock.callCount(), 300);
  assert.deepEqual([...new Set(begun.mock.calls.map((call) => call.arguments[2]))], [0]);
  await set.close();
});

test('sets that are forgotten are freed', async () => {
  // Whether they are closed or collected; node runs with --expose-gc.
  const one = async (isClosed) => {
    const set = PolicySet.fromText(INI);
    await set.policy('plain').read({ readReplica: () => 1, readPrimary: () => 1 });
    if (isClosed) await set.close();
  };
  const grow = async () => {
    for (let i = 0; i < 400; i++) await one(i % 2 === 0);
    for (let i = 0; i < 4; i++) {
      await sleep(0);
      globalThis.gc();
    }
    const { rss, heapTotal } = process.memoryUsage();
    return rss - heapTotal;
  };
  await grow();
  const first = await grow();
  await grow();
  const last = await grow();
  // A set's reads alone take 48 kB: 800 of them that were kept would be 38 MB.
  assert.ok(last - first < 16e6, `${first} to ${last} bytes`);
});
