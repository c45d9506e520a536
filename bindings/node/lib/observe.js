'use strict';

/**
 * Observable counters for a meter of @opentelemetry/api, one for each name that `metrics` has.
 * Counters of sections that a reload adds come with the next collection of an instrument of that name.
 *
 * @returns a function that ends the observation
 */
function observe(meter, metrics) {
  const observed = new Map();
  for (const metric of metrics()) {
    if (observed.has(metric.name)) continue;
    const counter = meter.createObservableCounter(metric.name, { description: metric.help });
    const report = (result) => {
      for (const now of metrics()) {
        if (now.name === metric.name) result.observe(now.value, attributesOf(now));
      }
    };
    counter.addCallback(report);
    observed.set(metric.name, { counter, report });
  }
  return () => {
    for (const { counter, report } of observed.values()) counter.removeCallback(report);
    observed.clear();
  };
}

function attributesOf(metric) {
  const attributes = metric.section === '' ? {} : { section: metric.section };
  if (metric.attribute !== null) attributes[metric.attribute] = metric.attributeValue;
  return attributes;
}

module.exports = { observe };
