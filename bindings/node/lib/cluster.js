'use strict';

const { AsyncResource } = require('node:async_hooks');
const {
  native, AT, viewOf, WAIT_MS, LIMIT_MS, ACTION, TARGET, OUTCOME, REQUEST, CLUSTER, STATUS,
  VERDICTS, SERVED_BY, COUNTED, LOG_LEVELS, EXPECTS, STATES, ROLES,
} = require('./native.js');
const { PolicySet } = require('./policy_set.js');
const { PgServer } = require('./pg_server.js');
const { Hearing, saidBy } = require('./hearing.js');
const { msLeft } = require('./deadline.js');
const { refuseStrangers } = require('./options.js');
const { observe } = require('./observe.js');

const MAX_SERVERS = 64;
const MAX_READS = 16384;

/** Timers beyond this wake earlier and look again. */
const LONGEST_TIMER_MS = 60000;

const NO_NOTICES = [];

const CONNECT_OPTIONS = new Set(['set', 'primary', 'replicas', 'servers', 'pg', 'pollMs', 'timeoutMs', 'maxReads',
  'maxServers', 'strict', 'firstMisses', 'wantPosition', 'onNotice']);
const SERVER_OPTIONS = new Set(['pool', 'expect', 'state']);
const READ_OPTIONS = new Set(['position', 'wantPosition', 'deadline', 'signal', 'client']);

/** A read under way; its place in the list of reads is its tag. What it does is done in the async context of
 * its caller, though what comes next may be begun by another's answer. */
class Read extends AsyncResource {
  constructor(tag, what, client, wantsPosition, resolve, reject) {
    super('ReadPolicyRead');
    this.tag = tag;
    this.what = what;
    this.client = client;
    this.wantsPosition = wantsPosition;
    this.resolve = resolve;
    this.reject = reject;
    this.work = null;
    this.result = null;
    this.error = undefined;
    this.onAbort = null;
  }
}

/**
 * Reads over a cluster of PostgreSQL servers: who is the primary, where each server stands, what an
 * answer proves, is the plugin's; this sends what it asks for and tells it the answers. Made by connect.
 */
class Cluster {
  #set;
  #ownsSet;
  #handle;
  #view;
  #servers = new Array(MAX_SERVERS).fill(null);
  #maxServers;
  #maxReads;
  #Pool;
  #options;
  #policies = new Map();
  #reads = [];
  #freeTags = [];
  #open = 0;
  /** By the action's slot: {slot, server, work}. */
  #asks = [];
  /** Notices of our own. */
  #untold = [];
  #timer = null;
  #timerAt = Infinity;
  #onTimer = () => {
    this.#timer = null;
    this.#timerAt = Infinity;
    this.#drive();
  };
  #settled = null;
  #closing = null;
  #isClosed = false;
  #left = null;
  /** Of its questions, notices and timer, which are no request's. */
  #context = new AsyncResource('ReadPolicyCluster');

  /** @private Use connect. */
  constructor(set, ownsSet, options) {
    this.#set = set;
    this.#ownsSet = ownsSet;
    this.#options = options;
    this.#maxServers = options.maxServers ?? Math.max(options.servers.length, 8);
    this.#maxReads = options.maxReads ?? MAX_READS;
    const flags = (options.strict ? CLUSTER.STRICT : 0) | (options.firstMisses ? CLUSTER.FIRST_MISSES : 0);
    const { handle, record } = native.clusterOpen(set.handle, flags, this.#maxServers,
      this.#maxReads, options.pollMs ?? 0, options.timeoutMs ?? 0);
    set.enter();
    this.#handle = handle;
    this.#view = viewOf(record);
  }

  /**
   * One read of a section.
   *
   * @param section its name
   * @param what {sql, values, name, rowMode, types} as for pg; outcome(rows, result) says 'found',
   *   'partial' or 'missing' (default: found if there are rows); position(rows) gives the answer's
   *   position where the statement has one (AFTER_COLUMN)
   * @param options position: a floor; wantPosition; deadline; signal; client: the host's own, in its own
   *   transaction on the primary
   */
  read(section, what, options = {}) {
    return new Promise((resolve, reject) => {
      refuseStrangers('read', options, READ_OPTIONS);
      const { signal, client, wantPosition = this.#options.wantPosition === true } = options;
      signal?.throwIfAborted();
      if (this.#closing) throw new Error('the cluster is closed');
      if (typeof what.sql !== 'string') throw new TypeError('read: sql is missing');
      if (client && typeof client.query !== 'function') throw new TypeError("read: client is none of pg's");
      const policy = this.#policy(section);
      const tag = this.#freeTags.length > 0 ? this.#freeTags.pop() : this.#reads.length;
      this.#reads[tag] = null;
      let status;
      try {
        status = native.start(this.#handle, policy.number, tag, client ? REQUEST.IN_TRANSACTION : 0,
          msLeft(options.deadline), options.position ?? null);
      } catch (error) {
        this.#freeTags.push(tag);
        throw error;
      }
      if (status !== STATUS.OK) {
        this.#freeTags.push(tag);
        if (status !== STATUS.BUSY) throw new Error(`the read could not be begun (${status})`);
        resolve(busy());
        return;
      }
      const read = new Read(tag, what, client, wantPosition && !what.position, resolve, reject);
      this.#reads[tag] = read;
      if (signal) this.#watch(read, signal);
      if (++this.#open === 1) this.#timer?.ref();
      this.#drive();
    });
  }

  /** What is known of each server. */
  servers() {
    return this.#named().map(({ name, index, hearing }) => {
      const info = native.server(this.#handle, index);
      return {
        ...info, name, role: ROLES[info.role], expect: EXPECTS[info.expect], state: STATES[info.state], error: hearing.error,
      };
    });
  }

  /** The cluster as a whole; `primary` is a server's name, or null. */
  info() {
    const info = native.clusterInfo(this.#handle);
    return { ...info, primary: this.#servers[info.primary]?.name ?? null };
  }

  /**
   * Adds a server, or changes its state or what is expected of it. Another address is another server:
   * take the old one out first (state 'off').
   */
  async setServer(name, options = {}) {
    refuseStrangers(`server ${name}`, options, SERVER_OPTIONS);
    const { pool, expect = 'any', state = 'on' } = options;
    const known = this.#named().find((server) => server.name === name);
    const numbers = [EXPECTS.indexOf(expect), STATES.indexOf(state)];
    if (numbers.includes(-1)) {
      throw new TypeError(`server ${name}: expect is one of ${EXPECTS.join(', ')}, state one of ${STATES.join(', ')}`);
    }
    if (known && pool) throw new TypeError(`server ${name} is there; take it out (state: 'off') first`);
    if (!known && !pool) throw new TypeError(`server ${name}: pool is missing`);
    const index = known?.index ?? this.#servers.indexOf(null);
    if (index < 0 || index >= this.#maxServers) throw new RangeError(`at most ${this.#maxServers} servers (maxServers)`);
    const server = known ?? { name, index, pg: this.#makeServer(pool, index), hearing: new Hearing(name) };
    try {
      native.serverSet(this.#handle, index, name, ...numbers);
    } catch (error) {
      if (!known) await server.pg.close();
      throw error;
    }
    this.#servers[index] = server;
    if (state === 'off') this.#servers[index] = null;
    this.#drive();
    if (state === 'off') await server.pg.close();
  }

  /** Forgets the system and timeline that are remembered, once every server was asked anew: what notices call to
   * reload the host. */
  forgetHistory() {
    native.forgetHistory(this.#handle);
    this.#drive();
  }

  /** Whether it is a WAL position as PostgreSQL prints it. */
  isPosition(text) {
    return !text.includes('\0') && native.isPosition(this.#handle, text);
  }

  /** The set's counters and the cluster's own. */
  metrics() {
    return [...this.#set.metrics(), ...native.clusterMetrics(this.#handle)];
  }

  /** As PolicySet.observe, with the cluster's own counters. */
  observe(meter) {
    return observe(meter, () => (this.#isClosed ? [] : this.metrics()));
  }

  /** The set that the cluster runs on. */
  get policies() {
    return this.#set;
  }

  /** Ends when the reads under way have ended, which their time limits see to. Pools that were given
   * stay open. */
  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** @private When every server has answered, or failed, once. */
  settle() {
    return new Promise((resolve) => {
      this.#settled = resolve;
      this.#timer?.ref();
      this.#drive();
    });
  }

  // ---- the loop ----

  /** Does all that there is to do now, and sets the timer for what comes next. */
  #drive() {
    if (this.#isClosed) return;
    let kind;
    while ((kind = native.clusterNext(this.#handle)) !== ACTION.NONE) {
      if (kind === ACTION.READ) this.#send();
      else if (kind === ACTION.DONE) this.#done();
      else if (kind === ACTION.ASK) this.#ask();
      else if (kind === ACTION.DROP) this.#drop();
      else if (kind === ACTION.REDIAL) this.#servers[this.#view.ints[AT.server]]?.pg.redial();
      if (this.#isClosed) return;
    }
    this.#setTimer(this.#view.times[WAIT_MS]);
    const notices = this.#notices();
    if (this.#settled && native.clusterInfo(this.#handle).settled) {
      this.#settled();
      this.#settled = null;
      if (this.#open === 0) this.#timer?.unref();
    }
    // Last, for whoever is told may call the cluster, or close it.
    for (const notice of notices) this.#tell(notice);
    if (this.#untold.length > 0) for (const notice of this.#untold.splice(0)) this.#tell(notice);
  }

  #notices() {
    if (this.#view.ints[AT.hasNotice] === 0) return NO_NOTICES;
    const notices = [];
    while (this.#view.ints[AT.hasNotice] !== 0) notices.push(native.notice(this.#handle));
    return notices;
  }

  /** A timer that comes too early only looks again, so it is kept. */
  #setTimer(ms) {
    if (ms < 0) return;
    const wait = Math.min(Math.max(Math.ceil(ms), 1), LONGEST_TIMER_MS);
    const at = performance.now() + wait;
    if (at >= this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timer = this.#context.runInAsyncScope(setTimeout, undefined, this.#onTimer, wait);
    this.#timerAt = at;
    if (this.#open === 0 && !this.#settled) this.#timer.unref();
  }

  #ask() {
    const { ints } = this.#view;
    const slot = ints[AT.tag];
    if (ints[AT.isCurrent] === 0) return;
    const server = this.#servers[ints[AT.server]];
    const asked = { slot, server, work: null };
    asked.work = this.#limited(server.pg.ask(this.#set.text(ints[AT.text]), this.#asked, asked));
    this.#asks[slot] = asked;
    this.#context.runInAsyncScope(asked.work.connect, asked.work);
  }

  #asked = ({ slot, server }, outcome, error, answer) => {
    this.#asks[slot] = null;
    if (this.#isClosed) return;
    this.#note(server, outcome === OUTCOME.ANSWERED ? null : saidBy(error));
    native.answerAsk(this.#handle, slot, outcome, answer);
    this.#drive();
  };

  /** Of a question: null, or why it was not answered. */
  #note({ index, hearing }, error) {
    const notice = hearing.note(error);
    if (notice !== null) this.#untold.push({ ...notice, server: index, dropped: 0 });
  }

  #send() {
    const { ints } = this.#view;
    const read = this.#reads[ints[AT.tag]];
    const { pg } = this.#servers[ints[AT.server]];
    read.work?.drop(); // of an action that is not wanted any more: its drop may come later
    // Known as the read's before it begins: a pool may refuse at once, and the next action comes then.
    read.work = this.#limited(pg.read(read.what, read.client, this.#set.text(ints[AT.text]),
      ints[AT.target] === TARGET.REPLICA, read.wantsPosition, this.#answered, read));
    read.work.connect();
  }

  #answered = (read, outcome, error, before, after, result) => {
    if (outcome === null) {
      this.#forget(read, error);
      return;
    }
    read.work = null;
    read.result = result;
    read.error = error;
    if (this.#isClosed) return;
    native.answer(this.#handle, read.tag, outcome, before, after);
    this.#drive();
  };

  /** The work, which is to begin, and until when its answer counts. */
  #limited(work) {
    work.limit = performance.now() + this.#view.times[LIMIT_MS];
    return work;
  }

  #drop() {
    const { ints } = this.#view;
    if (ints[AT.isCurrent] === 0) return; // another action has taken its place
    const tag = ints[AT.tag];
    if (ints[AT.isRead] !== 0) {
      this.#reads[tag]?.work?.drop();
      if (this.#reads[tag]) this.#reads[tag].work = null;
    } else if (this.#asks[tag]) {
      const { server, work } = this.#asks[tag];
      work.drop();
      this.#asks[tag] = null;
      if (performance.now() >= work.limit) this.#note(server, 'no answer in time');
    }
  }

  #done() {
    const { ints } = this.#view;
    const tag = ints[AT.tag];
    const read = this.#leave(tag);
    const verdict = VERDICTS[ints[AT.verdict]] ?? 'failed';
    const isFound = verdict === 'found';
    read.resolve({
      verdict,
      rows: isFound ? read.result.rows : [],
      result: isFound ? read.result : null,
      error: read.error,
      servedBy: SERVED_BY[ints[AT.servedBy]],
      failedDuring: this.#set.text(ints[AT.failedDuring]),
      counted: COUNTED[ints[AT.counted]] ?? null,
      logLevel: LOG_LEVELS[ints[AT.logLevel]],
      message: this.#set.text(ints[AT.message]),
      reason: this.#set.text(ints[AT.reason]),
      position: ints[AT.hasPosition] !== 0 ? native.position(this.#handle) : null,
    });
  }

  /** The read of that tag has ended. */
  #leave(tag) {
    const read = this.#reads[tag];
    this.#reads[tag] = null;
    this.#freeTags.push(tag);
    read.onAbort?.();
    if (--this.#open === 0) {
      if (!this.#settled) this.#timer?.unref();
      this.#left?.();
    }
    return read;
  }

  #watch(read, signal) {
    const stop = () => this.#forget(read, signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    read.onAbort = () => signal.removeEventListener('abort', stop);
  }

  /** The read ends with a rejection, whatever the servers say. */
  #forget(read, reason) {
    read.work?.drop();
    native.forget(this.#handle, read.tag);
    this.#leave(read.tag);
    read.reject(reason);
    this.#drive();
  }

  #tell(notice) {
    const { onNotice = logNotice } = this.#options;
    try {
      const server = this.#servers[notice.server]?.name ?? null;
      this.#context.runInAsyncScope(onNotice, undefined, { ...notice, level: LOG_LEVELS[notice.level], server });
    } catch (error) {
      // The host's mistake surfaces, but not in the middle of another's read.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  // ---- parts ----

  #policy(section) {
    let policy = this.#policies.get(section);
    if (!policy) this.#policies.set(section, (policy = this.#set.policy(section)));
    return policy;
  }

  #named() {
    return this.#servers.filter((server) => server !== null);
  }

  #makeServer(target, index) {
    this.#Pool ??= this.#options.pg?.Pool;
    if (!this.#Pool && typeof target.connect !== 'function') this.#Pool = require('pg').Pool;
    return new PgServer(target, this.#Pool, this.#maxReads, () => {
      if (this.#isClosed) return;
      native.prompt(this.#handle, index);
      this.#drive();
    });
  }

  async #close() {
    if (this.#open > 0) {
      await new Promise((resolve) => {
        this.#left = resolve;
      });
    }
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const asked of this.#asks) asked?.work.drop();
    native.clusterClose(this.#handle);
    await Promise.all(this.#named().map(({ pg }) => pg.close()));
    this.#set.leave();
    if (this.#ownsSet) await this.#set.close();
  }
}

/** maxReads are under way: for the host the same as a budget that is empty. */
function busy() {
  return {
    verdict: 'shed', rows: [], result: null, error: undefined, servedBy: null, failedDuring: 'max_reads',
    counted: null, logLevel: 'none', message: 'too many reads are under way', reason: null, position: null,
  };
}

function logNotice({ level, server, text }) {
  const line = `read-policy: ${server === null || text.startsWith(server) ? '' : `${server}: `}${text}`;
  if (level === 'error') console.error(line);
  else if (level === 'warn') console.warn(line);
}

/** {name, pool, expect, state} of every server that the options name. */
function serversOf({ primary, replicas = [], servers = [] }) {
  if (!Array.isArray(replicas) || !Array.isArray(servers)) throw new TypeError('connect: replicas and servers are lists');
  const all = servers.map((server, i) => ({ name: `server${i}`, ...server }));
  if (primary) all.push({ name: 'primary', pool: primary, expect: 'primary' });
  const several = replicas.length > 1;
  replicas.forEach((pool, i) => all.push({ name: several ? `replica${i}` : 'replica', pool, expect: 'replica' }));
  if (all.length === 0) throw new TypeError('connect: no servers; give primary and replicas, or servers');
  return all;
}

/**
 * A cluster over pg's pools. Ends when every server has answered, or failed, once; reads may begin
 * before, of what comes back.
 *
 * @param options set (a PolicySet, or the path of an INI file); primary and replicas, or servers:
 *   pools, or the options of a pool; see README.md for the rest
 */
async function connect(options = {}) {
  refuseStrangers('connect', options, CONNECT_OPTIONS);
  if (options.set === undefined) throw new TypeError('connect: set is missing; give a PolicySet, or the path of an INI file');
  const servers = serversOf(options);
  const ownsSet = !(options.set instanceof PolicySet);
  const set = ownsSet ? PolicySet.fromFile(options.set) : options.set;
  let cluster;
  try {
    cluster = new Cluster(set, ownsSet, { ...options, servers });
  } catch (error) {
    if (ownsSet) await set.close();
    throw error;
  }
  try {
    for (const { name, ...server } of servers) await cluster.setServer(name, server);
    await cluster.settle();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

module.exports = { Cluster, connect };
