'use strict';

/** The known row is not there; `error`, if the client threw one to say so, comes back as end.error. */
class Missing {
  constructor(error) {
    this.error = error;
  }
}

/** The known row is there, but not yet all that must come with it. */
class Partial {
  constructor(value, error) {
    this.value = value;
    this.error = error;
  }
}

const isNothing = (value) => value === undefined || value === null;

module.exports = {
  Missing,
  Partial,
  isNothing,
  missing: (error) => new Missing(error),
  partial: (value, error) => new Partial(value, error),
};
