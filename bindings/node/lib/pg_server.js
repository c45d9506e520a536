'use strict';

const { native, OUTCOME } = require('./native.js');
const { judge } = require('./pg_errors.js');

const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED';
const STAND = `SELECT pg_catalog.pg_is_in_recovery(), (${native.afterColumn})::pg_catalog.text`;
const AS_TEXT = { getTypeParser: () => (text) => text };

/** Questions have connections of their own: they must be answered while all others wait for reads. */
const ASK_CONNECTIONS = 2;
const CONNECT_MS = 5000;

/** What setTimeout can take; what is longer it takes for 1 ms. */
const SET_TIMEOUT_MAX_MS = 2 ** 31 - 1;

/** A pool's options again, those that do not enumerate too. */
function optionsOf(pool) {
  const { password, ssl } = pool.options;
  return { ...pool.options, password, ssl };
}

const ignore = () => {};
const OUTCOMES = { __proto__: null, found: OUTCOME.FOUND, partial: OUTCOME.PARTIAL, missing: OUTCOME.MISSING };

/** A pool, with those that wait there for a client and are dropped already. Nothing takes them out: where it has no
 * time limit and its server is silent, they would grow as long as there are reads. */
class Line {
  dropped = 0;

  constructor(pool, most) {
    this.pool = pool;
    this.most = most;
  }
}

/**
 * One piece of work under way on a client of a pool. It ends once, and then tells `told`; what comes after
 * is ignored, and its connection closed when its time is over.
 *
 * Hits are made of these, so nothing is allocated that is not needed.
 */
class Work {
  #server;
  #line;
  #told;
  #of;
  #client = null;
  #release = null;
  #isWaiting = false;
  #isGone = false;
  #isOver = false;
  #isDropped = false;
  #timer = null;
  /** Whether the client is in a transaction that was begun here. */
  inTransaction = false;
  /** Whether its statement is prepared by name. */
  isNamed = false;
  /** When its answer ceases to count. */
  limit = 0;

  /** @param told called as told(of, outcome, error, before, after, result) */
  constructor(server, line, told, of) {
    this.#server = server;
    this.#line = line;
    this.#told = told;
    this.#of = of;
  }

  /** Calls this.begin() with a client at hand, unless there is none. */
  connect() {
    const { pool, dropped, most } = this.#line;
    if (dropped >= most) {
      this.#endSoon(new Error(`the pool has had no client for the last ${most} reads`));
      return;
    }
    let isHeard = false;
    this.#isWaiting = true;
    try {
      pool.connect((error, client, release) => {
        isHeard = true;
        this.#isWaiting = false;
        if (this.#isDropped) this.#line.dropped--;
        this.#connected(error, client, release);
      });
    } catch (error) {
      if (isHeard) throw error;
      this.#isWaiting = false;
      this.#server.hasThrown(pool);
      this.#endSoon(error); // its options are none that it can use
    }
  }

  /** Not within the call that began it: for each of many that are begun at once it would come one level deeper. */
  #endSoon(error) {
    setImmediate(() => this.end(OUTCOME.NOT_SENT, error, null, null, null));
  }

  #connected(error, client, release) {
    const isStale = !error && this.#server.isStale(client);
    if (error) {
      this.end(OUTCOME.NOT_SENT, error, null, null, null);
      return;
    }
    if (isStale && !this.#isDropped) {
      release(true);
      this.connect();
      return;
    }
    this.#client = client;
    this.#release = release;
    client.on('error', this.#onError); // one that nobody listens for would end the process
    if (this.#isDropped) {
      // Not within the pool's own call: for each of many that wait there it would come one level deeper.
      setImmediate(() => this.giveBack(isStale));
      this.#server.isUp(); // it took longer to connect than the work might take
    } else {
      this.begin();
    }
  }

  #onError = () => {
    this.#isGone = true;
  };

  /** `next(result)` follows if the statement was a success; else the work ends. */
  query(text, values, next) {
    this.#client.query(text, values, (error, result) => {
      if (error) this.#failed(error);
      else if (this.#isDropped) this.#quit();
      else next(result);
    });
  }

  /** Tells the work's end; the client may still be here. */
  end(outcome, error, before, after, result) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#told(this.#of, outcome, error, before, after, result);
  }

  /** The client goes back to its pool, or is closed. */
  giveBack(broken) {
    if (this.#timer) clearTimeout(this.#timer);
    const release = this.#release;
    if (!release) return;
    this.#release = null;
    this.#client.off('error', this.#onError);
    release(broken || this.#isGone);
  }

  /** The answer is not wanted any more. The statement may run on as long as it would have counted. */
  drop() {
    if (this.#isWaiting && !this.#isDropped) this.#line.dropped++;
    this.#isOver = true;
    this.#isDropped = true;
    if (!this.#release) return;
    const left = Math.min(Math.max(0, this.limit - performance.now()), SET_TIMEOUT_MAX_MS);
    this.#timer = setTimeout(() => this.giveBack(true), left);
    this.#timer.unref();
  }

  #failed(error) {
    const { outcome, broken } = judge(error, this.#isGone, this.isNamed);
    if (broken) this.giveBack(true);
    else this.#quit();
    this.end(outcome, error, null, null, null);
  }

  #quit() {
    if (this.inTransaction) this.#client.query('ROLLBACK', (failed) => this.giveBack(Boolean(failed)));
    else this.giveBack(false);
  }
}

/** Work on the host's own client, in its own transaction: it is neither taken nor given back. */
class BorrowedWork {
  #client;
  #told;
  #of;
  #isOver = false;
  inTransaction = false;
  isNamed = false;
  limit = 0;

  constructor(client, told, of) {
    this.#client = client;
    this.#told = told;
    this.#of = of;
  }

  connect() {
    this.begin();
  }

  query(text, values, next) {
    this.#client.query(text, values, (error, result) => {
      if (error) this.end(judge(error, false, this.isNamed).outcome, error, null, null, null);
      else if (!this.#isOver) next(result);
    });
  }

  end(outcome, error, before, after, result) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#told(this.#of, outcome, error, before, after, result);
  }

  giveBack() {}

  drop() {
    this.#isOver = true;
  }
}

/** A statement of one value. */
class Ask extends Work {
  constructor(server, line, told, of, text) {
    super(server, line, told, of);
    this.text = text;
  }

  begin() {
    this.query(plain(this.text), undefined, ({ rows }) => {
      this.giveBack(false);
      this.end(OUTCOME.ANSWERED, undefined, rows[0]?.[0] ?? null, null, null);
    });
  }

  /** A question that was cancelled comes again by itself. */
  end(outcome, error, before, after, result) {
    super.end(outcome === OUTCOME.CONFLICT ? OUTCOME.FAILED : outcome, error, before, after, result);
  }
}

const plain = (text) => ({ text, rowMode: 'array', types: AS_TEXT });

/**
 * One read: the question, if there is one, and the host's statement after it in one READ COMMITTED
 * transaction; so what the question tells of the server held before the statement's snapshot.
 *
 * Where the row is missing on a replica, or the position is wanted, one more statement behind it says
 * whether the server is still in recovery, and where it stands: after the snapshot.
 */
const reading = (Base) => class extends Base {
  /** What the action wants: {what, question, isReplica, wantsPosition, isTransaction, context}. */
  wants = null;
  before = null;

  /** What is asked for, and the host's own functions: the pool and its clients call back in whatever context
   * their sockets were made. */
  connect() {
    this.wants.context.runInAsyncScope(super.connect, this);
  }

  query(text, values, next) {
    this.wants.context.runInAsyncScope(super.query, this, text, values, next);
  }

  begin() {
    const { question, isTransaction } = this.wants;
    if (question === null && !isTransaction) {
      this.#ask();
      return;
    }
    this.inTransaction = isTransaction;
    const text = isTransaction ? (question === null ? BEGIN : `${BEGIN}; ${question}`) : question;
    this.query(plain(text), undefined, (results) => {
      if (question !== null) {
        const answer = Array.isArray(results) ? results.at(-1) : results;
        this.before = answer.rows[0]?.[0] ?? null;
      }
      this.#ask();
    });
  }

  #ask() {
    const { what } = this.wants;
    const isPlain = what.name === undefined && what.rowMode === undefined && what.types === undefined;
    this.query(isPlain ? what.sql : configOf(what), what.values, this.#answered);
  }

  #answered = (result) => {
    const { what, isReplica, wantsPosition, isTransaction, context } = this.wants;
    const mistake = mistakeIn(result);
    if (mistake !== null) {
      this.end(null, mistake, null, null, null);
      this.giveBack(true); // who has it next is not to be in what a BEGIN or a SET has left
      return;
    }
    let outcome;
    let after;
    try {
      outcome = outcomeOf(what, result, context);
      after = what.position ? (context.runInAsyncScope(what.position, what, result.rows) ?? null) : null;
      if (after !== null && (typeof after !== 'string' || after.includes('\0'))) throw new TypeError('position: expected a text');
    } catch (error) {
      // The host's own mistake; it says nothing of the server.
      this.end(null, error, null, null, null);
      this.#finish(null, null, null, false);
      return;
    }
    if (!wantsPosition && (outcome === OUTCOME.FOUND || !isReplica)) {
      this.#finish(outcome, after, result, false);
      return;
    }
    this.query(plain(isTransaction ? `${STAND}; COMMIT` : STAND), undefined, (stands) => {
      const [inRecovery, position] = (Array.isArray(stands) ? stands[0] : stands).rows[0];
      const hasChanged = isReplica && inRecovery !== 't';
      this.#finish(hasChanged ? OUTCOME.ROLE_CHANGED : outcome, position, result, isTransaction);
    });
  };

  /** Who asks next may have the client again; but nobody waits for a COMMIT. */
  #finish(outcome, after, result, isCommitted) {
    const isOpen = this.wants.isTransaction && !isCommitted;
    this.inTransaction = false;
    if (!isOpen) this.giveBack(false);
    this.end(outcome, undefined, this.before, after, result);
    if (isOpen) this.query('COMMIT', undefined, () => this.giveBack(false));
  }
};
const PoolRead = reading(Work);
const BorrowedRead = reading(BorrowedWork);

/** The host's own, of a statement that says nothing of rows; null: none. */
function mistakeIn(result) {
  const { rows, command } = result;
  if (rows === undefined) return new TypeError('read: sql is several statements; expected one');
  if (rows.length === 0 && hasNoRows(result)) {
    return new TypeError(`read: sql returns no rows, of whatever table: ${command ?? 'it is empty'}`);
  }
  return null;
}

/** What the host's `outcome` said, or by the number of rows. */
function outcomeOf(what, result, context) {
  const { rows } = result;
  if (!what.outcome) return rows.length > 0 ? OUTCOME.FOUND : OUTCOME.MISSING;
  const said = context.runInAsyncScope(what.outcome, what, rows, result);
  const outcome = OUTCOMES[said];
  if (outcome === undefined) {
    throw new TypeError(`outcome: expected 'found', 'partial' or 'missing', not ${String(said)}`);
  }
  return outcome;
}

/** Of a COMMIT, say, or an empty text. A SELECT may have rows without a column. */
function hasNoRows({ fields, command }) {
  return fields?.length === 0 && command !== 'SELECT';
}

function configOf({ sql, name, rowMode, types }) {
  const config = { text: sql };
  if (name !== undefined) config.name = name;
  if (rowMode !== undefined) config.rowMode = rowMode;
  if (types !== undefined) config.types = types;
  return config;
}

/** A PostgreSQL server behind a pool of pg's. */
class PgServer {
  #pool;
  #askPool;
  #line;
  #askLine;
  #isOurs;
  #onPrompt;
  /** Clients connected before a redial are not used any more. */
  #generation = 0;
  #generations = new WeakMap();
  /** Pools that count a client which came to nothing, and so never end. */
  #endless = new Set();
  #onConnect = (client) => {
    this.#generations.set(client, this.#generation);
    client.connection?.on('parameterStatus', (message) => {
      if (message.parameterName === 'in_hot_standby') this.#onPrompt();
    });
  };

  /**
   * @param target a Pool, or the options of one
   * @param Pool for options
   * @param maxReads of the cluster
   * @param onPrompt called when something may have changed about the server
   */
  constructor(target, Pool, maxReads, onPrompt) {
    this.#isOurs = typeof target.connect !== 'function';
    this.#onPrompt = onPrompt;
    this.#pool = this.#isOurs
      ? new Pool({ connectionTimeoutMillis: CONNECT_MS, ...(typeof target === 'string' ? { connectionString: target } : target) })
      : target;
    const AskPool = this.#isOurs ? Pool : this.#pool.constructor;
    this.#askPool = new AskPool({
      connectionTimeoutMillis: CONNECT_MS, ...optionsOf(this.#pool),
      max: ASK_CONNECTIONS, min: 0, allowExitOnIdle: true, idleTimeoutMillis: 60000,
    });
    this.#line = new Line(this.#pool, maxReads);
    this.#askLine = new Line(this.#askPool, maxReads);
    for (const pool of [this.#pool, this.#askPool]) {
      pool.on('connect', this.#onConnect);
      pool.on('error', this.#onPrompt);
    }
  }

  /** Every connection is dialled anew, as they come up for use. */
  redial() {
    this.#generation++;
  }

  /** A connection came up that nobody waits for any more. */
  isUp() {
    this.#onPrompt();
  }

  hasThrown(pool) {
    this.#endless.add(pool);
  }

  isStale(client) {
    return (this.#generations.get(client) ?? 0) < this.#generation;
  }

  /** Asks one statement of one value, which is told as `before`. Returns the work, to be begun by connect(). */
  ask(text, told, of) {
    return new Ask(this, this.#askLine, told, of, text);
  }

  /** See `reading`. client: the host's own, or undefined; of: the AsyncResource of the read. Returns the work, to be
   * begun by connect(). */
  read(what, client, question, isReplica, wantsPosition, told, of) {
    const isTransaction = !client && (question !== null || wantsPosition);
    const work = client ? new BorrowedRead(client, told, of) : new PoolRead(this, this.#line, told, of);
    work.isNamed = what.name !== undefined;
    work.wants = { what, question, isReplica, wantsPosition, isTransaction, context: of };
    return work;
  }

  /** Closes what was opened here; a pool that was given stays the caller's. */
  async close() {
    for (const pool of [this.#pool, this.#askPool]) {
      pool.off('connect', this.#onConnect);
    }
    await this.#end(this.#askPool);
    if (this.#isOurs) await this.#end(this.#pool);
    this.#pool.off('error', this.#onPrompt);
  }

  async #end(pool) {
    const ended = pool.end().catch(ignore);
    if (!this.#endless.has(pool)) await ended;
  }
}

module.exports = { PgServer };
