'use strict';

const {
  native, AT, WAIT_MS, STEP, TARGET, OUTCOME, REQUEST, VERDICTS, SERVED_BY, COUNTED, LOG_LEVELS,
} = require('./native.js');
const { Partial, Missing, isNothing } = require('./outcomes.js');
const { msLeft } = require('./deadline.js');
const { refuseStrangers } = require('./options.js');

const READ_OPTIONS = new Set(['replicas', 'inTransaction', 'deadline', 'signal', 'isMissing']);

/** What the plugin's begin takes. */
const REPLICAS_MAX = 0xffffffff;
const SLOTS_MAX = 256 * 4096;

/** Slots for reads under way in a set's memory; a free one is used again before a new one is made. */
class Slots {
  #free = [];
  #made = 0;

  take() {
    if (this.#free.length > 0) return this.#free.pop();
    if (this.#made === SLOTS_MAX) throw new Error(`${SLOTS_MAX} reads are under way`);
    return this.#made++;
  }

  give(slot) {
    this.#free.push(slot);
  }
}

const slotsOfSet = new WeakMap();

function slotsOf(set) {
  let slots = slotsOfSet.get(set);
  if (!slots) slotsOfSet.set(set, (slots = new Slots()));
  return slots;
}

/** Not before `ms` have passed on the monotonic clock: a timer may be early by part of one. */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const end = performance.now() + ms;
    let timer;
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const look = () => {
      const left = end - performance.now();
      if (left > 0) {
        timer = setTimeout(look, Math.ceil(left));
        return;
      }
      signal?.removeEventListener('abort', stop);
      resolve();
    };
    signal?.addEventListener('abort', stop, { once: true });
    if (signal?.aborted) stop();
    else look();
  });
}

/** The promise, or the signal's reason as soon as it is aborted. */
function orAbort(promise, signal) {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop(); // by the read itself
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** One section of a set. Made by PolicySet only. */
class Policy {
  #set;
  #number;

  constructor(set, name, number) {
    this.#set = set;
    this.#number = number;
    this.name = name;
  }

  /** What this section does with a read, effective values included. */
  describe() {
    return native.describe(this.#set.handle, this.#number);
  }

  /** The policy as a state diagram in Graphviz's language. */
  diagram() {
    return native.diagram(this.#set.handle, this.#number);
  }

  /** The primary's budget and what is left of it now: {perSecond, burst, left}, or null without a limit.
   * Nothing is charged. */
  budget() {
    return native.budget(this.#set.handle, this.#number);
  }

  /** @private */
  get number() {
    return this.#number;
  }

  /**
   * Runs one read over any client: calls readReplica(i) and readPrimary() as the policy says, waits
   * between them, and tells how it ended.
   *
   * They return the row (or rows), nothing (null, undefined) or `missing()` where the known row is not
   * there, `partial(value)` where not all of it is. What they throw is a failure, but where
   * options.isMissing(error) says that it is how the client tells of a missing row.
   *
   * Rejects with the signal's reason if it is aborted; every other end is told by the result.
   */
  async read({ readReplica, readPrimary }, options = {}) {
    refuseStrangers('read', options, READ_OPTIONS);
    const { replicas = 1, inTransaction = false, deadline, signal, isMissing } = options;
    if (!Number.isInteger(replicas) || replicas < 0 || replicas > REPLICAS_MAX) {
      throw new RangeError('read: replicas is a whole number, 0: none');
    }
    signal?.throwIfAborted();
    const set = this.#set;
    set.enter();
    const slots = slotsOf(set);
    const slot = slots.take();
    try {
      const { ints, times } = set.view;
      let last = { value: undefined, error: undefined };
      let kind = native.begin(set.handle, this.#number, slot, replicas,
        inTransaction ? REQUEST.IN_TRANSACTION : 0, msLeft(deadline));
      while (kind !== STEP.DONE) {
        let outcome = OUTCOME.FAILED; // of a locate, which takes a cluster: then the primary is asked
        if (kind === STEP.READ) {
          const replica = ints[AT.server];
          const isReplica = ints[AT.target] === TARGET.REPLICA;
          last = await orAbort(attempt(
            isReplica ? () => readReplica(replica, { signal }) : () => readPrimary({ signal }),
            isMissing), signal);
          outcome = last.outcome;
        } else if (kind === STEP.WAIT) {
          await sleep(times[WAIT_MS], signal);
          outcome = OUTCOME.WAITED;
        } else if (kind === STEP.AWAIT) {
          outcome = OUTCOME.NOT_REACHED;
        }
        kind = native.next(set.handle, slot, outcome);
      }
      return endOf(set, last);
    } finally {
      slots.give(slot);
      set.leave();
    }
  }
}

async function attempt(read, isMissing) {
  try {
    const value = await read();
    if (value instanceof Missing) return { outcome: OUTCOME.MISSING, error: value.error };
    if (value instanceof Partial) return { outcome: OUTCOME.PARTIAL, value: value.value, error: value.error };
    if (isNothing(value)) return { outcome: OUTCOME.MISSING };
    return { outcome: OUTCOME.FOUND, value };
  } catch (error) {
    return { outcome: isMissing?.(error) ? OUTCOME.MISSING : OUTCOME.FAILED, error };
  }
}

/** The done step in the set's record, and what the last read gave. */
function endOf(set, last) {
  const { ints } = set.view;
  const verdict = VERDICTS[ints[AT.verdict]] ?? 'failed';
  return {
    verdict,
    value: verdict === 'found' ? last.value : undefined,
    error: last.error,
    servedBy: SERVED_BY[ints[AT.servedBy]],
    failedDuring: set.text(ints[AT.failedDuring]),
    counted: COUNTED[ints[AT.counted]] ?? null,
    logLevel: LOG_LEVELS[ints[AT.logLevel]],
    message: set.text(ints[AT.message]),
  };
}

module.exports = { Policy };
