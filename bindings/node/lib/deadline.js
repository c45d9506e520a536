'use strict';

/** Milliseconds left until a Date or a Date.now() time; none: 0, past: as little as there is. */
function msLeft(deadline) {
  if (deadline === undefined || deadline === null) return 0;
  const time = Number(deadline);
  if (!Number.isFinite(time)) throw new RangeError('deadline: expected a Date, or milliseconds as of Date.now()');
  return Math.max(time - Date.now(), 0.000001);
}

module.exports = { msLeft };
