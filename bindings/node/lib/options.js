'use strict';

/** An option that is misspelt would be without effect: a floor that holds nobody, replicas that are never read. What a
 * library has put into every object is nobody's option. */
function refuseStrangers(call, options, known) {
  for (const name in options) {
    if (!known.has(name) && Object.hasOwn(options, name)) {
      throw new TypeError(`${call}: there is no option ${name}; expected ${[...known].join(', ')}`);
    }
  }
}

module.exports = { refuseStrangers };
