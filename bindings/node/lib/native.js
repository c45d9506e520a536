'use strict';

// The addon that was built for this platform, and the places and numbers that it shares with us
// (src/values.h, plugin/read_policy.h).

const path = require('node:path');

/** musl has no glibc version to report. */
function libc() {
  const report = process.report?.getReport();
  return report?.header.glibcVersionRuntime ? 'gnu' : 'musl';
}

function load() {
  const platform = `${process.platform}-${process.arch}-${libc()}`;
  try {
    return require(path.join(__dirname, '..', 'prebuilds', platform, 'read_policy.node'));
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`read-policy was not built for ${platform}; see prebuilds/ in its folder`);
  }
}

const native = load();

/** The record's 32-bit places. */
const AT = {
  kind: 0, server: 1, flags: 2, target: 3, verdict: 4, servedBy: 5, logLevel: 6, counted: 7, text: 8,
  failedDuring: 9, message: 10, reason: 11, tag: 12, hasPosition: 13, hasNotice: 14, isRead: 15,
  isCurrent: 16,
};
const TIMES_AT = 72;

/** A record through typed arrays. */
function viewOf(buffer) {
  return {
    ints: new Int32Array(buffer, 0, 17),
    times: new Float64Array(buffer, TIMES_AT, 2),
  };
}
const WAIT_MS = 0, LIMIT_MS = 1; // of `times`

const STEP = { READ: 0, WAIT: 1, LOCATE: 2, AWAIT: 3, DONE: 4 };
const ACTION = { NONE: 0, READ: 1, ASK: 2, DROP: 3, DONE: 4, REDIAL: 5 };
const TARGET = { REPLICA: 0, PRIMARY: 1 };
const OUTCOME = {
  FOUND: 0, PARTIAL: 1, MISSING: 2, FAILED: 3, WAITED: 4, NOT_REACHED: 7,
  ANSWERED: 16, SERVER_GONE: 17, ROLE_CHANGED: 18, NOT_SENT: 19, CONFLICT: 20,
};
const CAPABILITY = { NONE: 0, POSITIONS: 1 | 2 };
const REQUEST = { IN_TRANSACTION: 1 };
const CLUSTER = { STRICT: 1, FIRST_MISSES: 2 };
const STATUS = { OK: 0, BUSY: 7 };

const VERDICTS = [null, 'found', 'not_found', 'failed', 'shed'];
const SERVED_BY = [null, 'replica', 'replica_retry', 'primary'];
const COUNTED = [null, 'replica_retry', 'primary', 'proven_absent', 'primary_shed'];
const LOG_LEVELS = ['none', 'warn', 'error'];
const EXPECTS = ['any', 'primary', 'replica'];
const STATES = ['off', 'on', 'drain'];
const ROLES = ['unknown', 'primary', 'replica', 'out'];

module.exports = {
  native, AT, viewOf, WAIT_MS, LIMIT_MS, STEP, ACTION, TARGET, OUTCOME, CAPABILITY,
  REQUEST, CLUSTER, STATUS, VERDICTS, SERVED_BY, COUNTED, LOG_LEVELS, EXPECTS, STATES, ROLES,
};
