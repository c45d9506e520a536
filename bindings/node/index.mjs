import api from './index.js';

export const { PolicySet, connect, missing, partial, AFTER_COLUMN, version } = api;
