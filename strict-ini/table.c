/*
 * table.c - a section read by its table of keys: defaults, typed values, unknown and missing keys;
 * and the table as text for people.
 */
#include "error_text.h"
#include "nearest.h"
#include "strict_ini.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DECIMAL_DIGITS "0123456789"

/* Space for what would be accepted, or for the known keys. A longer list is cut off. */
#define LIST_CAPACITY 1024

static void write_number(struct ini_text_sink sink, uint32_t number) {
    char digits[sizeof "4294967295"];
    (void)snprintf(digits, sizeof digits, "%" PRIu32, number);
    sink.write(sink.context, digits);
}

static void write_bounds(const struct ini_key *key, struct ini_text_sink sink) {
    write_number(sink, key->min);
    sink.write(sink.context, " to ");
    write_number(sink, key->max);
    if (key->type == INI_TEXT) {
        sink.write(sink.context, " bytes of text");
    } else if (key->unit[0] != '\0') {
        sink.write(sink.context, " (");
        sink.write(sink.context, key->unit);
        sink.write(sink.context, ")");
    }
}

static void write_choices(const char *const *choices, struct ini_text_sink sink) {
    for (size_t i = 0; choices[i] != NULL; i++) {
        if (i > 0) {
            sink.write(sink.context, choices[i + 1] != NULL ? ", " : " or ");
        }
        sink.write(sink.context, choices[i]);
    }
}

/* "0 to 60000 (ms), default 200" */
static void write_accepted(const struct ini_key *key, struct ini_text_sink sink) {
    if (key->type == INI_CHOICE) {
        write_choices(key->choices, sink);
    } else {
        write_bounds(key, sink);
    }
    if (key->fallback == NULL) {
        sink.write(sink.context, ", required");
    } else {
        sink.write(sink.context, ", default ");
        sink.write(sink.context, key->fallback[0] != '\0' ? key->fallback : "empty");
    }
}

static void append_to_list(void *context, const char *text) {
    strlcat(context, text, LIST_CAPACITY);
}

/* What is wrong with the value of an entry, and where a similar choice is, which. */
struct verdict {
    const char *wrong; /* NULL: nothing */
    const char *nearest;
    char guess[16]; /* a number that may be meant, or "" */
};

#define OWN_LINE "a comment must stand on a line of its own"
#define NO_QUOTE "values stand without quotes"

/* Quotes as keyboards and as text programs write them. */
static const char *const quotes[] = {"\"",
                                     "'",
                                     "\xe2\x80\x98",
                                     "\xe2\x80\x99",
                                     "\xe2\x80\x9a",
                                     "\xe2\x80\x9c",
                                     "\xe2\x80\x9d",
                                     "\xe2\x80\x9e",
                                     "\xc2\xab",
                                     "\xc2\xbb",
                                     NULL};

bool ini_has_outer_quote(const char *value) {
    const size_t length = strlen(value);
    for (size_t i = 0; quotes[i] != NULL; i++) {
        const size_t quote = strlen(quotes[i]);
        if (length >= quote && (memcmp(value, quotes[i], quote) == 0 ||
                                memcmp(value + length - quote, quotes[i], quote) == 0)) {
            return true;
        }
    }
    return false;
}

/* What people type who know other INI files; NULL if there is none of it. */
static const char *wrong_typing(const char *value) {
    if (ini_has_outer_quote(value)) {
        return NO_QUOTE;
    }
    return strstr(value, " #") != NULL || strstr(value, "\t#") != NULL ? OWN_LINE : NULL;
}

/* The choice that is meant by a word of another language of switches. */
static const char *switched_choice(const struct ini_key *key, const char *value) {
    static const char *const yes[] = {"on", "true", "1", "y", "enable", "enabled", NULL};
    static const char *const no[] = {"off", "false", "0", "n", "disable", "disabled", NULL};
    const char *meant = NULL;
    for (size_t i = 0; yes[i] != NULL; i++) {
        meant = strcasecmp(value, yes[i]) == 0 ? "yes" : meant;
        meant = strcasecmp(value, no[i]) == 0 ? "no" : meant;
    }
    for (size_t i = 0; meant != NULL && key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], meant) == 0) {
            return meant;
        }
    }
    return NULL;
}

/* How many of the key's unit one of `unit` is; 0 if they have nothing to do with each other. */
static uint32_t unit_factor(const struct ini_key *key, const char *unit) {
    static const struct {
        const char *key_unit;
        const char *unit;
        uint32_t factor;
    } known[] = {{"ms", "ms", 1},    {"ms", "msec", 1},    {"ms", "s", 1000}, {"ms", "sec", 1000},
                 {"ms", "m", 60000}, {"ms", "min", 60000}, {"us", "us", 1},   {"us", "ms", 1000}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(key->unit, known[i].key_unit) == 0 && strcmp(unit, known[i].unit) == 0) {
            return known[i].factor;
        }
    }
    return (strcmp(unit, "/s") == 0 || strcmp(unit, "per second") == 0) &&
                   strstr(key->unit, "per second") != NULL
               ? 1
               : 0;
}

/* What is wrong with a value that is no number: most often something is written behind it. */
static struct verdict no_number(const struct ini_key *key, const char *value) {
    const char *mistyped = wrong_typing(value);
    struct verdict verdict = {.wrong = mistyped != NULL ? mistyped : "not a number"};
    const size_t digits = strspn(value, DECIMAL_DIGITS);
    uint64_t number = 0;
    if (digits == 0 || digits > 10) {
        return verdict;
    }
    for (size_t i = 0; i < digits; i++) {
        number = number * 10 + (uint64_t)(value[i] - '0');
    }
    const char *rest = value + digits;
    rest += strspn(rest, " \t");
    const uint32_t factor = mistyped == NULL ? unit_factor(key, rest) : rest[0] == '#';
    if (factor > 0 && number * factor >= key->min && number * factor <= key->max) {
        (void)snprintf(verdict.guess, sizeof verdict.guess, "%" PRIu64, number * factor);
        verdict.wrong = mistyped != NULL ? mistyped : "a number is written without its unit";
    }
    return verdict;
}

static struct verdict parse_number(const struct ini_key *key, const char *value, uint32_t *number) {
    if (value[0] == '\0') {
        return (struct verdict){.wrong = "empty"};
    }
    const bool minus = value[0] == '-';
    const bool plus = value[0] == '+';
    const char *digits = value + (minus || plus ? 1 : 0);
    const size_t digit_count = strspn(digits, DECIMAL_DIGITS);
    if (digit_count == 0 || digits[digit_count] != '\0') {
        return no_number(key, value);
    }
    if (plus || (minus && strspn(digits, "0") == digit_count)) {
        return (struct verdict){.wrong = "a number is written without a sign"};
    }
    const char *wrong = NULL;
    const long long read = strtonum(value, key->min, key->max, &wrong);
    if (wrong == NULL) {
        *number = (uint32_t)read;
    }
    return (struct verdict){.wrong = wrong};
}

static struct verdict parse_choice(const struct ini_key *key, const char *value, int32_t *choice) {
    for (int32_t i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], value) == 0) {
            *choice = i;
            return (struct verdict){.wrong = NULL};
        }
    }
    const char *mistyped = wrong_typing(value);
    const char *switched = switched_choice(key, value);
    return (struct verdict){.wrong = mistyped != NULL   ? mistyped
                                     : value[0] == '\0' ? "empty"
                                                        : "unknown",
                            .nearest =
                                switched != NULL ? switched : ini_nearest(value, key->choices)};
}

static struct verdict parse_text(const struct ini_key *key, const char *value) {
    const size_t length = strlen(value);
    if (length < key->min) {
        return (struct verdict){.wrong = length == 0 ? "empty" : "too short"};
    }
    if (length > key->max) {
        return (struct verdict){.wrong = "too long"};
    }
    return (struct verdict){.wrong = key->verbatim ? NULL : wrong_typing(value)};
}

/* Stores the value in `out`, or leaves `out` unchanged and says what is wrong. */
static struct verdict store_value(const struct ini_key *key, const char *value, void *out) {
    char *field = (char *)out + key->offset;
    struct verdict verdict;
    if (key->type == INI_NUMBER) {
        uint32_t number = 0;
        verdict = parse_number(key, value, &number);
        if (verdict.wrong == NULL) {
            memcpy(field, &number, sizeof number);
        }
    } else if (key->type == INI_CHOICE) {
        int32_t choice = 0;
        verdict = parse_choice(key, value, &choice);
        if (verdict.wrong == NULL) {
            memcpy(field, &choice, sizeof choice);
        }
    } else {
        verdict = parse_text(key, value);
        if (verdict.wrong == NULL) {
            strlcpy(field, value, INI_MAX_VALUE_BYTES + 1);
        }
    }
    return verdict;
}

static void store_zero(const struct ini_key *key, void *out) {
    const size_t sizes[] = {
        [INI_NUMBER] = sizeof(uint32_t), [INI_CHOICE] = sizeof(int32_t), [INI_TEXT] = 1};
    memset((char *)out + key->offset, 0, sizes[key->type]);
}

void ini_read_defaults(const struct ini_key *keys, size_t key_count, void *out) {
    for (size_t i = 0; i < key_count; i++) {
        store_zero(&keys[i], out);
        if (keys[i].fallback != NULL) {
            struct ini_key unbounded = keys[i];
            unbounded.min = 0;
            unbounded.max = UINT32_MAX;
            const struct verdict verdict = store_value(&unbounded, keys[i].fallback, out);
            assert(verdict.wrong == NULL); /* a default of a table is a value of its type */
            (void)verdict;
        }
    }
}

/* The errors of one section. */
struct report {
    const struct ini_document *document;
    const struct ini_section *section;
    const struct ini_key *keys;
    size_t key_count;
    struct ini_errors *errors;
};

/* "FILE:LINE: [SECTION] KEY = VALUE" */
struct place {
    char section[INI_SHOWN_CAPACITY];
    char key[INI_SHOWN_CAPACITY];
    char value[INI_SHOWN_CAPACITY];
};

/* Whether no key of the section may hold a secret. */
static bool is_open_section(const struct report *report) {
    size_t open = 0;
    while (open < report->key_count && report->keys[open].open) {
        open++;
    }
    return open == report->key_count;
}

/* Whether a value of a file that may hold secrets is none of them. A mistake may have put one here:
 * whole, or behind '=' or ':'. */
static bool is_harmless_value(const struct ini_key *key, const char *value) {
    const size_t length = strlen(value);
    const bool numeric = value[strspn(value, "+-")] < ':' && length <= 12;
    const bool word = value[strspn(value, "abcdefghijklmnopqrstuvwxyz")] == '\0' && length <= 8;
    if (!key->open || strchr(value, '=') != NULL || strstr(value, "://") != NULL) {
        return false;
    }
    return key->type == INI_TEXT || numeric || word;
}

/* The same of a key that is unknown: a secret alone on its line may end in '='. What is a key of
 * another section is none. */
static bool is_harmless_key(const struct report *report, const char *name) {
    for (const char *const *key = report->document->discreet; *key != NULL; key++) {
        if (strcmp(*key, name) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < report->key_count; i++) {
        const char *const known[] = {report->keys[i].name, NULL};
        if (ini_nearest(name, known) != NULL) {
            return true;
        }
    }
    return is_open_section(report) && strlen(name) <= 32 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz_")] == '\0';
}

/* `key`: NULL if there is none of that name. */
static void describe_place(struct place *place, const struct report *report,
                           const struct ini_entry *entry, const struct ini_key *key) {
    const bool discreet = report->document->discreet != NULL;
    (void)strlcpy(place->section, report->section->shown, sizeof place->section);
    if (discreet && key == NULL && !is_harmless_key(report, entry->key)) {
        (void)strlcpy(place->key, INI_HIDDEN, sizeof place->key);
    } else {
        ini_show(place->key, entry->key, strlen(entry->key));
    }
    if (discreet && (key == NULL || !is_harmless_value(key, entry->value))) {
        (void)strlcpy(place->value, INI_HIDDEN, sizeof place->value);
    } else {
        ini_show(place->value, entry->value, strlen(entry->value));
    }
}

static void report_value(const struct report *report, const struct ini_entry *entry,
                         const struct ini_key *key, struct verdict verdict) {
    struct place place;
    describe_place(&place, report, entry, key);
    char accepted[LIST_CAPACITY] = "";
    write_accepted(key, (struct ini_text_sink){append_to_list, accepted});
    const char *guess = verdict.guess[0] != '\0' ? verdict.guess : verdict.nearest;
    const bool guessed = guess != NULL;
    ini_errors_add(report->errors, "%s:%u: [%s] %s = %s: %s; %s%s%saccepted: %s",
                   report->document->path, entry->line, place.section, place.key, place.value,
                   verdict.wrong, guessed ? "did you mean " : "", guessed ? guess : "",
                   guessed ? "? " : "", accepted);
}

static void report_unknown_key(const struct report *report, const struct ini_entry *entry) {
    struct place place;
    describe_place(&place, report, entry, NULL);
    struct ini_nearest_search search = {.word = entry->key};
    char known[LIST_CAPACITY] = "";
    for (size_t i = 0; i < report->key_count; i++) {
        if (report->keys[i].gone) {
            continue;
        }
        ini_nearest_offer(&search, report->keys[i].name);
        strlcat(known, i > 0 ? ", " : "", sizeof known);
        strlcat(known, report->keys[i].name, sizeof known);
    }
    const bool guessed = search.best != NULL;
    ini_errors_add(report->errors, "%s:%u: [%s] %s = %s: unknown key; %s%s%s",
                   report->document->path, entry->line, place.section, place.key, place.value,
                   guessed ? "did you mean " : "known keys: ", guessed ? search.best : known,
                   guessed ? "?" : "");
}

static void report_missing_key(const struct report *report, const struct ini_key *key) {
    char accepted[LIST_CAPACITY] = "";
    write_accepted(key, (struct ini_text_sink){append_to_list, accepted});
    ini_errors_add(report->errors, "%s:%u: [%s] %s: missing; accepted: %s", report->document->path,
                   report->section->line, report->section->shown, key->name, accepted);
}

static const struct ini_key *find_key(const struct ini_key *keys, size_t key_count,
                                      const char *name) {
    for (size_t i = 0; i < key_count; i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

void ini_read_section(const struct ini_document *document, const struct ini_section *section,
                      const struct ini_key *keys, size_t key_count, void *out,
                      struct ini_errors *errors) {
    const struct report report = {document, section, keys, key_count, errors};
    ini_read_defaults(keys, key_count, out);
    for (const struct ini_entry *entry = section->entries; entry != NULL; entry = entry->next) {
        const struct ini_key *key = find_key(keys, key_count, entry->key);
        if (key == NULL) {
            report_unknown_key(&report, entry);
            continue;
        }
        const struct verdict verdict = store_value(key, entry->value, out);
        if (verdict.wrong != NULL) {
            report_value(&report, entry, key, verdict);
        }
    }
    for (size_t i = 0; i < key_count && !section->incomplete; i++) {
        if (keys[i].fallback == NULL && ini_find(section, keys[i].name) == NULL) {
            report_missing_key(&report, &keys[i]);
        }
    }
}

bool ini_is_good(const struct ini_section *section, const struct ini_key *key) {
    union {
        uint32_t number;
        int32_t choice;
        char text[INI_MAX_VALUE_BYTES + 1];
    } scratch;
    const struct ini_entry *entry = ini_find(section, key->name);
    if (entry == NULL) {
        return key->fallback != NULL;
    }
    struct ini_key alone = *key;
    alone.offset = 0;
    return store_value(&alone, entry->value, &scratch).wrong == NULL;
}

void ini_describe_keys(const struct ini_key *keys, size_t key_count, struct ini_text_sink sink) {
    for (size_t i = 0; i < key_count; i++) {
        if (keys[i].gone) {
            continue;
        }
        sink.write(sink.context, keys[i].name);
        sink.write(sink.context, ": ");
        write_accepted(&keys[i], sink);
        sink.write(sink.context, ". ");
        sink.write(sink.context, keys[i].help);
        sink.write(sink.context, "\n");
    }
}
