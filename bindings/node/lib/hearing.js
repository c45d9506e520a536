'use strict';

/** Errors that take turns are not told each time. */
const TELL_AGAIN_MS = 10000;

/** Levels of notices, as the plugin numbers them. */
const LEVEL = { INFO: 0, WARN: 1 };

/** On one line. An error of several addresses has no words of its own. */
function saidBy(error) {
  const said = error?.message || error?.errors?.[0]?.message || error?.code || String(error);
  return String(said).replace(/\s+/g, ' ').trim();
}

/** Whether a server answers what it is asked, and if not, why. The plugin is not told why, so it tells nobody. */
class Hearing {
  #name;
  #told = null;
  #quietUntil = 0;
  /** Why its last question was not answered; null: it was. */
  error = null;

  constructor(name) {
    this.#name = name;
  }

  /** Of each question: null, or the error. Returns what is to be told of it, {level, text}, or null. */
  note(error) {
    this.error = error;
    if (error === null) {
      const wasTold = this.#told !== null;
      this.#told = null;
      return wasTold ? { level: LEVEL.INFO, text: `${this.#name} answers again` } : null;
    }
    const now = performance.now();
    if (error === this.#told || now < this.#quietUntil) return null;
    this.#told = error;
    this.#quietUntil = now + TELL_AGAIN_MS;
    return { level: LEVEL.WARN, text: `${this.#name} does not answer: ${error}` };
  }
}

module.exports = { Hearing, saidBy };
