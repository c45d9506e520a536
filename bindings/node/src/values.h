/* values.h - values across the border to JavaScript, and what both kinds of handles share. */
#ifndef READ_POLICY_NODE_VALUES_H
#define READ_POLICY_NODE_VALUES_H

#include "plugin/read_policy.h"

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS 1000000.0

/* What a call found out, in memory that JavaScript sees through typed arrays (lib/native.js has the
 * same places by name). Texts are numbers of the table below, -1 is none. */
struct record {
    int32_t kind;
    int32_t server; /* or the replica's number */
    int32_t flags;
    int32_t target;
    int32_t verdict;
    int32_t served_by;
    int32_t log_level;
    int32_t counted;
    int32_t text;
    int32_t failed_during;
    int32_t message;
    int32_t reason;
    int32_t tag; /* of a read, or a question's slot */
    int32_t has_position;
    int32_t has_notice;
    int32_t is_read;    /* DROP: of a read, not of a question */
    int32_t is_current; /* DROP: no other action has taken its place; ASK: it has a slot */
    int32_t reserved;
    double wait_ms;  /* until the step's time, or the next one of the cluster; -1: none */
    double limit_ms; /* until the action's limit */
};

/* Constant texts of the plugin by number, so that JavaScript makes each string once. */
#define TEXTS_MAX 256u
struct texts {
    const char *at[TEXTS_MAX];
    uint32_t count;
};

/* The number of a text; -1 of NULL. Beyond the table's end the last place is used again. */
int32_t texts_number(struct texts *texts, const char *text);

/* CLOCK_MONOTONIC, which is Node's process.hrtime too. */
uint64_t clock_ns(void);

/* A time so many milliseconds from now; 0 and below: 0, none. */
uint64_t time_after_ms(uint64_t now_ns, double ms);

/* The same, the other way round; 0 if it is past, -1 if it never comes. */
double ms_until(uint64_t now_ns, uint64_t time_ns);

/* 64 bits from the kernel, for rp_random. */
uint64_t random_seed(void);

/* ---- JavaScript ---- */

/* Exactly `count` arguments, or a TypeError is thrown and false returned. */
bool take_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values);

/* Each throws a TypeError and returns false if the value is not of the kind. */
bool take_u32(napi_env env, napi_value value, uint32_t *number);
bool take_double(napi_env env, napi_value value, double *number);

/* UTF-8 in memory of its own, to be released with free; a text with a NUL in it is refused. NULL
 * after a throw. length may be NULL. */
char *take_text(napi_env env, napi_value value, size_t *length);

/* As take_text, but null and undefined give NULL without a throw: ask *good. */
char *take_optional_text(napi_env env, napi_value value, bool *good);

/* NULL after a throw. */
napi_value make_int(napi_env env, int32_t number);
napi_value make_text(napi_env env, const char *text); /* NULL: null */

/* Properties of an object; a failure leaves an exception pending. */
void put_text(napi_env env, napi_value object, const char *name, const char *text);
void put_number(napi_env env, napi_value object, const char *name, double number);
void put_flag(napi_env env, napi_value object, const char *name, bool flag);
void put_null(napi_env env, napi_value object, const char *name);

/* An Error whose `code` is the name of the status, "RP_E_CONFIG". Returns NULL. */
napi_value throw_status(napi_env env, int32_t status, const char *message);
napi_value throw_type_error(napi_env env, const char *message);

struct named_function {
    const char *name;
    napi_callback function;
};

/* False, with an exception pending, if one cannot be made. */
bool export_functions(napi_env env, napi_value exports, const struct named_function *functions,
                      size_t count);

/* {name, help, section, attribute, attributeValue, value}. */
napi_value make_metric(napi_env env, const struct rp_metric *metric);

#endif
