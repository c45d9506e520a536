/*
 * load_day.h - reads the two formats of a recorded day; see day.h.
 */
#ifndef LOAD_DAY_H
#define LOAD_DAY_H

#include "day.h"

/* path "-": standard input. To be released with day_free. False with one line in err. */
bool day_load(struct day *day, const char *path, char *err, size_t err_length);

#endif
