/*
 * strict_ini.h - INI files read strictly, by a table.
 *
 * inih splits lines into keys and values; everything that Debian's inih 55 does silently wrong
 * (lines over 199 bytes split in two, section names cut at 49 characters, indented lines taken as
 * continuations, inline comments cut off values, NUL bytes) is found and refused here, line by
 * line, before inih sees the line. Every error of a file is collected, none stops the reading.
 *
 * The table of keys (struct ini_key) is parser, bounds, defaults and documentation at once: what is
 * printed for an unknown key ("did you mean"), in the man page and in the sample file comes from
 * it.
 *
 * Nothing here is global; no inih global is set. One document is used by one thread at a time.
 */
#ifndef STRICT_INI_H
#define STRICT_INI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INI_MAX_LINE_BYTES    199 /* inih's own limit, without the line's end */
#define INI_MAX_SECTION_BYTES 49  /* inih's own limit */
#define INI_MAX_VALUE_BYTES   INI_MAX_LINE_BYTES
#define INI_MAX_FILE_BYTES    1048576 /* a larger file is refused */
#define INI_MAX_SECTIONS      1024
#define INI_MAX_KEYS          256 /* in one section */

/* Error texts, one per line, collected in the caller's memory. What does not fit is counted, and
 * the last line then says how many more there are. */
struct ini_errors {
    char *text;      /* always NUL-terminated when capacity > 0; may be NULL if capacity is 0 */
    size_t capacity; /* bytes at text */
    size_t length;   /* bytes written, without the NUL */
    unsigned count;  /* errors reported, those that did not fit included */
    unsigned unfit;  /* errors that did not fit; the first always does, cut short if it must be */
    bool out_of_memory; /* an allocation failed (reported as an error too): no document came back */
};

void ini_errors_init(struct ini_errors *errors, char *text, size_t capacity);

/* Adds one error, printf-like, as one line (control characters in it become '?'). Never allocates.
 */
void ini_errors_add(struct ini_errors *errors, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct ini_entry {
    const char *key;
    const char *value;      /* trimmed; may be "" */
    unsigned line;          /* 1-based */
    struct ini_entry *next; /* in the file's order */
};

struct ini_section {
    const char *name;  /* UTF-8 */
    const char *shown; /* the name as errors show it */
    unsigned line;     /* of its header */
    struct ini_entry *entries;
    unsigned entry_count;
    bool incomplete; /* a line of it was refused: a key may be missing for that reason alone */
    struct ini_section *next; /* in the file's order */
};

struct ini_document {
    const char *path; /* as given to ini_load, copied */
    struct ini_section *sections;
    unsigned section_count;
    const char *const *discreet; /* see ini_load_discreetly: its keys; NULL: all may be shown */
    bool incomplete; /* a header was refused: a section may be missing for that reason alone */
};

/*
 * Reads the file. Returns a document (release with ini_free), or NULL if the file could not be read
 * at all or memory ran out. A document may come back together with errors: check errors->count.
 * Values found are still there, so that typed checks can add their own errors to the same list.
 * Errors found here: unreadable file, directory or other non-regular file, file too large,
 * over-long line, NUL byte, carriage return inside a line, inline " ;" comment, continuation line,
 * line that is not "key = value", malformed or over-long or empty section name, text after a
 * section header, duplicate section, duplicate key, key before any section, too many sections or
 * keys. A line gives one such error at most. The keys of a section whose header was refused are
 * checked for their form alone and stored nowhere. Form of every error: "FILE:LINE: [SECTION] KEY =
 * VALUE: what is wrong; what would be accepted". Both functions: one thread at a time for one
 * `errors`; nothing else is shared. `errors` is needed.
 */
struct ini_document *ini_load(const char *path, struct ini_errors *errors);

/* The same for text in memory (tests, fuzzing). `name` stands for the file's name in errors. */
struct ini_document *ini_load_text(const char *name, const char *text, size_t length,
                                   struct ini_errors *errors);

/*
 * The same for a file that may hold secrets. Errors then show nothing of it that could be one,
 * whatever the mistake: of a line that is malformed, only the key, if it is one of `keys`
 * (NULL-terminated; the document needs them as long as it lives); of an unknown key its name, if it
 * is one of those, near one that its section has, or a plain word where all keys are open; of a
 * section's name what can be no secret (error_text.h); and a value only if its key's row is open,
 * and then only if it looks like one. A key that is one of `twice` (NULL-terminated; or NULL, none)
 * may stand twice in its section: ini_find gives the first one, ini_read_section stores the second.
 */
struct ini_document *ini_load_discreetly(const char *path, const char *const *keys,
                                         const char *const *twice, struct ini_errors *errors);

void ini_free(struct ini_document *document); /* NULL is allowed */

enum ini_type {
    INI_NUMBER, /* uint32_t at offset, decimal digits only, within [min, max] */
    INI_CHOICE, /* int32_t at offset: the index into choices */
    INI_TEXT    /* char[INI_MAX_VALUE_BYTES + 1] at offset */
};

struct ini_key {
    const char *name;
    enum ini_type type;
    uint32_t min, max;          /* INI_NUMBER: inclusive bounds; INI_TEXT: bounds of its length */
    const char *const *choices; /* INI_CHOICE: NULL-terminated */
    const char *fallback;       /* the default, as text (min and max do not bind it, so that it may
                                   stand for "not set"); NULL: the key is required */
    const char *unit;           /* "ms", "per second", ... or "" */
    size_t offset;              /* of the value in the structure that is filled */
    bool open;                  /* errors may show its value, though the file may hold secrets */
    bool verbatim;              /* INI_TEXT: may begin or end with a quote, and hold " #" */
    bool gone;                  /* read, for files that were written before, but told to nobody */
    const char *help; /* one sentence; says what the key does and what special values mean */
};

/* Fills `out` from the section by the table: defaults first, then what the file says. Adds an error
 * for every unknown key (with "did you mean" where one is near), bad value and missing required key
 * (the last not where the section is incomplete). A bad value leaves the default. Allocates
 * nothing. */
void ini_read_section(const struct ini_document *document, const struct ini_section *section,
                      const struct ini_key *keys, size_t key_count, void *out,
                      struct ini_errors *errors);

/* Fills `out` with the defaults alone, as for a section that is not in the file. Required keys
 * become zero (INI_TEXT: ""). */
void ini_read_defaults(const struct ini_key *keys, size_t key_count, void *out);

/* The entry of that key in the section, or NULL: for errors about several keys together. */
const struct ini_entry *ini_find(const struct ini_section *section, const char *key);

/* Writes "FILE:LINE: [SECTION] KEY", the place of a key that the section has; cut to `length`. */
void ini_place(char *place, size_t length, const struct ini_document *document,
               const struct ini_section *section, const char *key);

/* Whether the key's value, given or default, is one that its row of the table accepts: checks of
 * several keys together ask this first. */
bool ini_is_good(const struct ini_section *section, const struct ini_key *key);

/* Whether the value begins or ends with a quote, a typographic one too. */
bool ini_has_outer_quote(const char *value);

const struct ini_section *ini_find_section(const struct ini_document *document, const char *name);

/* Of `candidates` (NULL-terminated), the one nearest to `word` if it is near enough to be a typing
 * error of it, else NULL. For "did you mean". */
const char *ini_nearest(const char *word, const char *const *candidates);

/* Writes the table as text for people: one line per key with bounds or choices, unit, default and
 * help. The text comes in pieces, each valid during the call of `write`. */
struct ini_text_sink {
    void (*write)(void *context, const char *text);
    void *context;
};
void ini_describe_keys(const struct ini_key *keys, size_t key_count, struct ini_text_sink sink);

#endif
