'use strict';

const { OUTCOME } = require('./native.js');

/** What a statement's error says of the server, and whether its connection may be used again. */
const KEEP = (outcome) => ({ outcome, broken: false });
const DROP = (outcome) => ({ outcome, broken: true });

/** Sessions that are void: a plan that was cached before a migration, a statement that a pooler's
 * DISCARD took away, a protocol that is out of step. The read is asked again on another one. */
const VOID_SESSION = new Set(['0A000', '26000', '08P01']);

/** Cancelled by recovery, which may find a deadlock: worth asking again. */
const CONFLICTS = new Set(['40001', '40P01']);

/** Of a statement that was parsed for it just before: the caller's number of values is wrong. By another name it may
 * be what a pooler has there. */
const isMiscounted = ({ code, routine }, isNamed) => code === '08P01' && routine === 'exec_bind_message' && !isNamed;

/**
 * @param error what pg gave
 * @param isGone the client said that its connection ended
 * @param isNamed whether it is of a statement that is prepared by name
 */
function judge(error, isGone, isNamed) {
  if (isGone) return DROP(OUTCOME.SERVER_GONE);
  const code = typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) && error.severity ? error.code : '';
  if (code === '') return DROP(OUTCOME.FAILED); // pg's own, a query_timeout among them
  if (CONFLICTS.has(code)) return error.severity === 'ERROR' ? KEEP(OUTCOME.CONFLICT) : DROP(OUTCOME.CONFLICT);
  if (isMiscounted(error, isNamed)) return KEEP(OUTCOME.FAILED);
  // Not by ERROR: servers translate it; a pooler that has lost its server does not.
  if (VOID_SESSION.has(code) && error.severity !== 'FATAL') return DROP(OUTCOME.CONFLICT);
  const isFatal = error.severity !== 'ERROR' || code.startsWith('57P') || code.startsWith('08');
  return isFatal ? DROP(OUTCOME.SERVER_GONE) : KEEP(OUTCOME.FAILED);
}

module.exports = { judge };
