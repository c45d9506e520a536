/*
 * policy_text.h - a policy file in memory.
 */
#ifndef POLICY_TEXT_H
#define POLICY_TEXT_H

#include <stdint.h>

struct policy_text {
    const char *name; /* for errors */
    const char *text;
    uint32_t length;
};

#endif
