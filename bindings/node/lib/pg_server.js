'use strict';

const { native, OUTCOME } = require('./native.js');
const { judge } = require('./pg_errors.js');

const BEGIN = 'BEGIN ISOLATION LEVEL READ COMMITTED';
const STAND = `SELECT pg_catalog.pg_is_in_recovery(), (${native.afterColumn})::text`;
const AS_TEXT = { getTypeParser: () => (text) => text };

/** Questions have connections of their own: they must be answered while all others wait for reads. */
const ASK_CONNECTIONS = 2;
const CONNECT_MS = 5000;

/** A pool's options again, those that do not enumerate too. */
function optionsOf(pool) {
  const { password, ssl } = pool.options;
  return { ...pool.options, password, ssl };
}

const ignore = () => {};

/**
 * One piece of work under way on a client of a pool. It ends once; what comes after is ignored, and
 * its connection closed when its time is over.
 */
class Work {
  #server;
  #pool;
  #end;
  #client = null;
  #release = null;
  #isGone = false;
  #isOver = false;
  #isDropped = false;
  #inTransaction = false;
  #timer = null;
  #onError = () => {
    this.#isGone = true;
  };

  constructor(server, pool, end) {
    this.#server = server;
    this.#pool = pool;
    this.#end = end;
  }

  /** Calls `begin` with a client at hand, unless there is none. */
  connect(begin) {
    this.#pool.connect((error, client, release) => {
      if (error) {
        this.end(OUTCOME.NOT_SENT, error);
      } else if (this.#server.isStale(client)) {
        release(true);
        this.connect(begin);
      } else if (this.#isDropped) {
        release();
      } else {
        this.#client = client;
        this.#release = release;
        client.on('error', this.#onError);
        begin();
      }
    });
  }

  /** `next(result)` follows if the statement was a success; else the work ends. */
  query(query, next) {
    this.#client.query(query, (error, result) => {
      if (error) this.#failed(error);
      else if (this.#isDropped) this.#quit();
      else next(result);
    });
  }

  /** The statement that is sent next is in a transaction, or the last one of it. */
  set inTransaction(is) {
    this.#inTransaction = is;
  }

  /** Tells the work's end; the client is still here. */
  end(outcome, error, ...answer) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(outcome, error, ...answer);
  }

  /** The client goes back to its pool, or is closed. */
  giveBack(broken = false) {
    clearTimeout(this.#timer);
    const release = this.#release;
    if (!release) return;
    this.#release = null;
    this.#client.off('error', this.#onError);
    release(broken || this.#isGone);
  }

  /** The answer is not wanted any more. The statement may run on for so long. */
  drop(forMs) {
    this.#isOver = true;
    this.#isDropped = true;
    if (!this.#release) return;
    this.#timer = setTimeout(() => this.giveBack(true), forMs);
    this.#timer.unref();
  }

  #failed(error) {
    const { outcome, broken } = judge(error, this.#isGone);
    if (broken) this.giveBack(true);
    else this.#quit();
    this.end(outcome, error);
  }

  #quit() {
    if (this.#inTransaction) this.#client.query('ROLLBACK', (failed) => this.giveBack(Boolean(failed)));
    else this.giveBack();
  }
}

/** A PostgreSQL server behind a pool of pg's. */
class PgServer {
  #pool;
  #askPool;
  #isOurs;
  #onPrompt;
  /** Clients connected before a redial are not used any more. */
  #generation = 0;
  #generations = new WeakMap();
  #onConnect = (client) => {
    this.#generations.set(client, this.#generation);
    client.connection?.on('parameterStatus', (message) => {
      if (message.parameterName === 'in_hot_standby') this.#onPrompt();
    });
  };

  /**
   * @param target a Pool, or the options of one
   * @param Pool for options
   * @param onPrompt called when something may have changed about the server
   */
  constructor(target, Pool, onPrompt) {
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
    for (const pool of [this.#pool, this.#askPool]) {
      pool.on('connect', this.#onConnect);
      pool.on('error', this.#onPrompt);
    }
  }

  /** Every connection is dialled anew, as they come up for use. */
  redial() {
    this.#generation++;
  }

  isStale(client) {
    return (this.#generations.get(client) ?? 0) < this.#generation;
  }

  /** Asks one statement of one value; end(outcome, error, value). Returns the work. */
  ask(text, end) {
    const work = new Work(this, this.#askPool, end);
    work.connect(() => {
      work.query({ text, rowMode: 'array', types: AS_TEXT }, ({ rows }) => {
        work.giveBack();
        work.end(OUTCOME.ANSWERED, undefined, rows[0]?.[0] ?? null);
      });
    });
    return work;
  }

  /**
   * One read: the question, if there is one, and the host's statement after it in one READ COMMITTED
   * transaction; so what the question tells of the server held before the statement's snapshot.
   *
   * Where the row is missing on a replica, or the position is wanted, one more statement behind it says
   * whether the server is still in recovery, and where it stands: after the snapshot.
   *
   * end(outcome, error, before, after, result); returns the work.
   */
  read({ question, query, judgeRows, isReplica, wantsPosition, client }, end) {
    const work = client ? new BorrowedWork(client, end) : new Work(this, this.#pool, end);
    const isTransaction = !client && (question !== null || wantsPosition);
    let before = null;

    // Who asks next may have the client again; but nobody waits for a COMMIT.
    const finish = (outcome, after, result, isCommitted) => {
      const isOpen = isTransaction && !isCommitted;
      work.inTransaction = false;
      if (!isOpen) work.giveBack();
      work.end(outcome, undefined, before, after, result);
      if (isOpen) work.query('COMMIT', () => work.giveBack());
    };
    const answered = (result) => {
      let judged;
      try {
        judged = judgeRows(result);
      } catch (error) {
        // The host's own mistake; it says nothing of the server.
        work.end(null, error);
        finish(null, null, null, false);
        return;
      }
      const { outcome, after } = judged;
      if (!wantsPosition && (outcome === OUTCOME.FOUND || !isReplica)) {
        finish(outcome, after, result, false);
        return;
      }
      const text = isTransaction ? `${STAND}; COMMIT` : STAND;
      work.query({ text, rowMode: 'array', types: AS_TEXT }, (stands) => {
        const [inRecovery, position] = (Array.isArray(stands) ? stands[0] : stands).rows[0];
        const hasChanged = isReplica && inRecovery !== 't';
        finish(hasChanged ? OUTCOME.ROLE_CHANGED : outcome, position, result, isTransaction);
      });
    };

    work.connect(() => {
      if (question === null && !isTransaction) {
        work.query(query, answered);
        return;
      }
      work.inTransaction = isTransaction;
      const text = [isTransaction ? BEGIN : null, question].filter(Boolean).join('; ');
      work.query({ text, rowMode: 'array', types: AS_TEXT }, (results) => {
        const last = Array.isArray(results) ? results.at(-1) : results;
        before = question === null ? null : (last.rows[0]?.[0] ?? null);
        work.query(query, answered);
      });
    });
    return work;
  }

  /** Closes what was opened here; a pool that was given stays the caller's. */
  async close() {
    for (const pool of [this.#pool, this.#askPool]) {
      pool.off('connect', this.#onConnect);
    }
    await this.#askPool.end().catch(ignore);
    if (this.#isOurs) await this.#pool.end().catch(ignore);
    this.#pool.off('error', this.#onPrompt);
  }
}

/** Work on the host's own client, in its own transaction: it is neither taken nor given back. */
class BorrowedWork {
  #client;
  #end;
  #isOver = false;

  constructor(client, end) {
    this.#client = client;
    this.#end = end;
  }

  connect(begin) {
    begin();
  }

  query(query, next) {
    this.#client.query(query, (error, result) => {
      if (error) this.end(judge(error, false).outcome, error);
      else next(result);
    });
  }

  end(outcome, error, ...answer) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#end(outcome, error, ...answer);
  }

  set inTransaction(_is) {}

  giveBack() {}

  drop() {
    this.#isOver = true;
  }
}

module.exports = { PgServer };
