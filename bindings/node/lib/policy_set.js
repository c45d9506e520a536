'use strict';

const { native, viewOf, CAPABILITY } = require('./native.js');
const { Policy } = require('./policy.js');
const { observe } = require('./observe.js');
const { refuseStrangers } = require('./options.js');

const OPTIONS = new Set(['positions', 'name']);

/** The last place of the table of texts is used again when the table is full. */
const UNCACHED_TEXT = 255;

/**
 * One INI file, loaded: its sections, their counters and budgets.
 *
 * All of it belongs to the thread that loaded it; worker threads load sets of their own, and count
 * together through `share`.
 */
class PolicySet {
  #handle;
  #isText;
  #texts = [];
  #policies = new Map();
  #users = 0;
  #closing = null;
  #closed = false;
  #leave = null;

  /** @private Use fromFile or fromText. */
  constructor(isText, source, name, options = {}) {
    refuseStrangers('PolicySet', options, OPTIONS);
    const capabilities = options.positions === false ? CAPABILITY.NONE : CAPABILITY.POSITIONS;
    const { handle, record } = native.open(isText, source, name, capabilities);
    this.#handle = handle;
    this.#isText = isText;
    /** @private */
    this.view = viewOf(record);
  }

  /** Reads a file. Throws one error with all that is wrong in it, a line each. */
  static fromFile(path, options) {
    return new PolicySet(false, String(path), '', options);
  }

  /** The same from memory; options.name stands for the file's in errors. */
  static fromText(ini, options) {
    return new PolicySet(true, String(ini), options?.name ?? 'text', options);
  }

  /** Reads the file again (or takes another text), all or nothing: after an error the old
   * configuration stays in force. Reads under way end as they began. */
  reload(ini) {
    if (this.#isText !== (typeof ini === 'string')) {
      throw new TypeError(this.#isText ? 'reload: the new text is missing' : 'reload: of a file, takes no text');
    }
    native.reload(this.handle, this.#isText ? ini : null);
  }

  /** The names of the sections, in the order of the file. */
  sections() {
    return native.sections(this.handle);
  }

  /** The policy of one section; always the same object for the same name. */
  policy(name) {
    const handle = this.handle;
    let policy = this.#policies.get(name);
    if (!policy) {
      const number = native.policy(handle, String(name));
      if (number < 0) {
        throw new Error(`no section [${name}]; there are: ${this.sections().join(', ')}`);
      }
      policy = new Policy(this, String(name), number);
      this.#policies.set(policy.name, policy);
    }
    return policy;
  }

  /** What each section does with a read, effective values included. */
  describe() {
    return this.sections().map((name) => this.policy(name).describe()).join('\n');
  }

  /** Keys that have no effect, one line each; '' if there is none. */
  notes() {
    return native.notes(this.handle);
  }

  /** The counters of all sections; every series is there from the start, with 0. */
  metrics() {
    return native.metrics(this.handle);
  }

  /** Observable counters for @opentelemetry/api, named as the plugin names them. Returns a function
   * that ends it. */
  observe(meter) {
    return observe(meter, () => (this.#closed ? [] : this.metrics()));
  }

  /** Memory for `share`, for so many sections: the same one goes to every worker thread. */
  sharedMemory(sections = 64) {
    const bytes = native.sharedBytes(this.handle, sections);
    if (bytes === 0) throw new RangeError('sharedMemory: 1 to 1024 sections');
    return new SharedArrayBuffer(bytes);
  }

  /** Counters and budgets are from now on in this memory, common to all sets that share it: 40 reads
   * a second are 40 for all worker threads together. Before the first read. */
  share(memory) {
    if (!(memory instanceof SharedArrayBuffer)) throw new TypeError('share: expected a SharedArrayBuffer');
    native.share(this.handle, new Uint8Array(memory));
  }

  /** Ends when the reads and clusters that use the set have ended; new reads are refused at once. */
  close() {
    this.#closing ??= new Promise((resolve) => {
      this.#leave = resolve;
      this.#closeIfUnused();
    });
    return this.#closing;
  }

  #closeIfUnused() {
    if (this.#leave !== null && this.#users === 0 && !this.#closed) {
      this.#closed = true;
      native.close(this.#handle);
      this.#leave();
    }
  }

  /** @private The addon's handle. */
  get handle() {
    if (this.#closed) throw new Error('the policy set is closed');
    return this.#handle;
  }

  /** @private A read or a cluster begins to use the set. */
  enter() {
    if (this.#leave !== null) throw new Error('the policy set is closed');
    this.#users++;
  }

  /** @private */
  leave() {
    this.#users--;
    this.#closeIfUnused();
  }

  /** @private A text of the record by its number; -1: null. */
  text(number) {
    if (number < 0) return null;
    return this.#texts[number] ?? this.#makeText(number);
  }

  #makeText(number) {
    const text = native.text(this.handle, number);
    if (number < UNCACHED_TEXT) this.#texts[number] = text;
    return text;
  }
}

module.exports = { PolicySet };
