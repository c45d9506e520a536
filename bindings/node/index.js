'use strict';

const { native } = require('./lib/native.js');
const { PolicySet } = require('./lib/policy_set.js');
const { connect } = require('./lib/cluster.js');
const { missing, partial } = require('./lib/outcomes.js');

module.exports.PolicySet = PolicySet;
module.exports.connect = connect;
module.exports.missing = missing;
module.exports.partial = partial;
/** A column for statements of your own: the position after the statement's snapshot, as text. */
module.exports.AFTER_COLUMN = `(${native.afterColumn})::pg_catalog.text`;
module.exports.version = native.version;
