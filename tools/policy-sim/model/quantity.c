/*
 * quantity.c - decimals as integers.
 */
#include "quantity.h"

#include <string.h>

__extension__ typedef unsigned __int128 uint128;

#define DECIMALS     9
#define ONE          UINT64_C(1000000000) /* 10 ^ DECIMALS */
#define MAX_INTEGRAL QUANTITY_MAX_MOMENT_S

#define MIN_RATE (ONE / 1000)
#define MAX_RATE (ONE * 10000000)

/* Digits, optionally a point and at most DECIMALS more: the number times ONE. */
static bool decimal(const char *text, uint64_t *scaled, const char **end) {
    uint64_t integral = 0;
    uint64_t fraction = 0;
    uint64_t place = ONE;
    const char *begin = text;
    for (; *text >= '0' && *text <= '9'; text++) {
        integral = integral * 10 + (uint64_t)(*text - '0');
        if (integral > MAX_INTEGRAL) {
            return false;
        }
    }
    bool digits = text > begin;
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9' && place > 1; text++) {
            place /= 10;
            fraction += (uint64_t)(*text - '0') * place;
        }
        digits = digits && place < ONE;
    }
    *scaled = integral * ONE + fraction;
    *end = text;
    return digits && (*text < '0' || *text > '9');
}

bool quantity_duration(const char *text, uint64_t *ns) {
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},         {"ms", NS_PER_MS},
        {"s", NS_PER_S}, {"m", 60 * NS_PER_S}, {"h", 3600 * NS_PER_S},
    };
    uint64_t scaled;
    const char *unit;
    if (!decimal(text, &scaled, &unit)) {
        return false;
    }
    if (scaled == 0 && *unit == '\0') {
        *ns = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) == 0) {
            uint128 product = (uint128)scaled * units[i].ns;
            bool fits = product % ONE == 0 && product / ONE <= QUANTITY_MAX_NS;
            if (fits) {
                *ns = (uint64_t)(product / ONE);
            }
            return fits;
        }
    }
    return false;
}

bool quantity_seconds(const char *text, uint64_t *ns, const char **end) {
    uint64_t scaled;
    if (!decimal(text, &scaled, end) || scaled > QUANTITY_MAX_NS) {
        return false;
    }
    *ns = scaled; /* ONE is a second's nanoseconds */
    return true;
}

bool quantity_moment(const char *text, uint64_t *ns, const char **end) {
    return decimal(text, ns, end);
}

bool quantity_share(const char *text, uint32_t *share) {
    uint64_t scaled;
    const char *end;
    if (!decimal(text, &scaled, &end)) {
        return false;
    }
    if (strcmp(end, "%") == 0) {
        scaled /= 100;
    } else if (*end != '\0') {
        return false;
    }
    if (scaled > SHARE_ALL) {
        return false;
    }
    *share = (uint32_t)scaled;
    return true;
}

bool quantity_rate(const char *text, uint64_t *interval_ns) {
    uint64_t scaled;
    const char *end;
    if (!decimal(text, &scaled, &end) || *end != '\0' || scaled < MIN_RATE || scaled > MAX_RATE) {
        return false;
    }
    *interval_ns = (uint64_t)((uint128)NS_PER_S * ONE / scaled);
    return true;
}

bool quantity_count(const char *text, uint64_t min, uint64_t max, uint64_t *count) {
    uint64_t scaled;
    const char *end;
    if (strchr(text, '.') != NULL || !decimal(text, &scaled, &end) || *end != '\0' ||
        scaled / ONE < min || scaled / ONE > max) {
        return false;
    }
    *count = scaled / ONE;
    return true;
}
