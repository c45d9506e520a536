/*
 * simulation.h - runs one section of a policy file through a scenario.
 */
#ifndef SIMULATION_H
#define SIMULATION_H

#include "plugin/read_policy.h"
#include "policy_text.h"
#include "tools/policy-sim/model/scenario.h"
#include "tools/policy-sim/report/figures.h"

/* The figures, to be released with figures_free; NULL with the errors, one a line, in err. The
 * plugin must have a cluster; the text is opened once for each process of the scenario. [one
 * thread] */
struct figures *simulate(const struct rp_plugin *plugin, const struct policy_text *policies,
                         const char *section, const struct scenario *scenario, char *err,
                         uint32_t err_length);

#endif
