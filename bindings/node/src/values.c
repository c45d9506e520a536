/*
 * values.c - see values.h.
 */
#include "values.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* ---- times, numbers, texts ---- */

int32_t texts_number(struct texts *texts, const char *text) {
    if (text == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < texts->count; i++) {
        if (texts->at[i] == text) {
            return (int32_t)i;
        }
    }
    if (texts->count < TEXTS_MAX) {
        texts->count++;
    }
    texts->at[texts->count - 1] = text;
    return (int32_t)(texts->count - 1);
}

uint64_t clock_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t time_after_ms(uint64_t now_ns, double ms) {
    static const double longest_ms = 1e12;
    if (!(ms > 0)) {
        return 0;
    }
    return now_ns + (uint64_t)((ms < longest_ms ? ms : longest_ms) * NS_PER_MS);
}

double ms_until(uint64_t now_ns, uint64_t time_ns) {
    if (time_ns == UINT64_MAX) {
        return -1;
    }
    return time_ns > now_ns ? (double)(time_ns - now_ns) / NS_PER_MS : 0;
}

uint64_t random_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = clock_ns();
    }
    return seed;
}

/* ---- in ---- */

bool take_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
    size_t given = count;
    if (napi_get_cb_info(env, info, &given, values, NULL, NULL) != napi_ok || given != count) {
        (void)throw_type_error(env, "wrong number of arguments");
        return false;
    }
    return true;
}

bool take_u32(napi_env env, napi_value value, uint32_t *number) {
    double given;
    /* JavaScript's own conversion makes 0 of NaN, and takes what is too large modulo 2^32. */
    if (napi_get_value_double(env, value, &given) != napi_ok || !(given >= 0) ||
        given > UINT32_MAX || given > (double)(uint32_t)given) {
        (void)throw_type_error(env, "expected a whole number, 0 to 4294967295");
        return false;
    }
    *number = (uint32_t)given;
    return true;
}

bool take_double(napi_env env, napi_value value, double *number) {
    if (napi_get_value_double(env, value, number) != napi_ok) {
        (void)throw_type_error(env, "expected a number");
        return false;
    }
    return true;
}

char *take_text(napi_env env, napi_value value, size_t *length) {
    size_t bytes;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &bytes) != napi_ok) {
        (void)throw_type_error(env, "expected a string");
        return NULL;
    }
    char *text = malloc(bytes + 1);
    if (text == NULL) {
        (void)throw_status(env, RP_E_MEMORY, "out of memory");
        return NULL;
    }
    if (napi_get_value_string_utf8(env, value, text, bytes + 1, &bytes) != napi_ok ||
        (length == NULL && strlen(text) != bytes)) {
        free(text);
        (void)throw_type_error(env, "expected a string without a NUL character");
        return NULL;
    }
    if (length != NULL) {
        *length = bytes;
    }
    return text;
}

char *take_optional_text(napi_env env, napi_value value, bool *good) {
    napi_valuetype type;
    *good = napi_typeof(env, value, &type) == napi_ok;
    if (!*good || type == napi_null || type == napi_undefined) {
        return NULL;
    }
    char *text = take_text(env, value, NULL);
    *good = text != NULL;
    return text;
}

/* ---- out ---- */

napi_value make_int(napi_env env, int32_t number) {
    napi_value value;
    return napi_create_int32(env, number, &value) == napi_ok ? value : NULL;
}

napi_value make_text(napi_env env, const char *text) {
    napi_value value;
    napi_status status = text == NULL
                             ? napi_get_null(env, &value)
                             : napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
    return status == napi_ok ? value : NULL;
}

static void put(napi_env env, napi_value object, const char *name, napi_value value) {
    if (value != NULL) {
        (void)napi_set_named_property(env, object, name, value);
    }
}

void put_text(napi_env env, napi_value object, const char *name, const char *text) {
    put(env, object, name, make_text(env, text));
}

void put_number(napi_env env, napi_value object, const char *name, double number) {
    napi_value value;
    put(env, object, name, napi_create_double(env, number, &value) == napi_ok ? value : NULL);
}

void put_flag(napi_env env, napi_value object, const char *name, bool flag) {
    napi_value value;
    put(env, object, name, napi_get_boolean(env, flag, &value) == napi_ok ? value : NULL);
}

void put_null(napi_env env, napi_value object, const char *name) {
    put(env, object, name, make_text(env, NULL));
}

napi_value throw_status(napi_env env, int32_t status, const char *message) {
    static const char *const names[] = {
        "RP_OK",       "RP_E_ARGUMENT", "RP_E_CONFIG", "RP_E_CAPABILITY",
        "RP_E_MEMORY", "RP_E_LIMIT",    "RP_E_END",    "RP_E_BUSY",
    };
    bool known = status >= 0 && (size_t)status < sizeof names / sizeof names[0];
    (void)napi_throw_error(env, known ? names[status] : "RP_E_UNKNOWN", message);
    return NULL;
}

napi_value throw_type_error(napi_env env, const char *message) {
    (void)napi_throw_type_error(env, "RP_E_ARGUMENT", message);
    return NULL;
}

bool export_functions(napi_env env, napi_value exports, const struct named_function *functions,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        napi_value function;
        if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].function,
                                 NULL, &function) != napi_ok ||
            napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
            return false;
        }
    }
    return true;
}

napi_value make_metric(napi_env env, const struct rp_metric *metric) {
    napi_value object;
    if (napi_create_object(env, &object) != napi_ok) {
        return NULL;
    }
    put_text(env, object, "name", metric->name);
    put_text(env, object, "help", metric->help);
    put_text(env, object, "section", metric->section);
    put_text(env, object, "attribute", metric->attribute);
    put_text(env, object, "attributeValue", metric->attribute_value);
    put_number(env, object, "value", (double)metric->value);
    return object;
}
