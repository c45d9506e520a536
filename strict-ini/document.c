/*
 * document.c - a text read into a document: every line checked here, then split by inih.
 *
 * inih asks for lines one by one. It is given only lines that it reads as a person would: section
 * headers and "key = value" lines, without indentation, comments or an over-long tail. So an entry
 * that inih hands back belongs to the line that it was given last, and inih's traps (continuations,
 * cut values, split lines) are out of reach.
 *
 * inih's settings are writable by the whole process. None is relied upon: an entry counts only if
 * it matches the line, and a line that does not come back is an error.
 */
#include "error_text.h"
#include "file_text.h"
#include "sections.h"
#include "utf8.h"

#include <ctype.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK    "\xef\xbb\xbf"
#define COMPLAINT_CAPACITY 192

/* Bytes of the text that is read; not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

struct reader {
    struct ini_document *document;
    const char *const *twice; /* those that may stand twice in a section; NULL: none */
    struct ini_errors *errors;
    struct span rest; /* lines not read yet */
    unsigned line;    /* number of the line read last */
    bool complained;  /* about that line: one complaint is enough, others would follow from it */
    bool key_seen;    /* in this section: inih takes an indented line as that key's continuation */
    bool header_seen;
    struct ini_section *section; /* the current one; NULL before the first and in a refused one */
    char section_shown[INI_SHOWN_CAPACITY]; /* its name for errors; "" if not known */
    struct span given;                      /* the line that inih is given, '\n' excluded */
    size_t given_taken;                     /* bytes of it that inih has, its '\n' included */
    size_t room;                            /* longest line that inih can take at present */
    bool entry_awaited;                     /* inih owes the entry of the given line */
    bool out_of_memory;
};

static void report_out_of_memory(const char *path, struct ini_errors *errors) {
    errors->out_of_memory = true;
    ini_errors_add(errors, "%s: out of memory", path);
}

/* The key that the text begins with, if it is one that may be shown, else NULL. */
static const char *known_key(const struct reader *reader, struct span text) {
    size_t length = 0;
    while (length < text.length &&
           (isalnum((unsigned char)text.start[length]) != 0 || text.start[length] == '_')) {
        length++;
    }
    const char *const *key = reader->document->discreet;
    while (*key != NULL && (strlen(*key) != length || strncmp(*key, text.start, length) != 0)) {
        key++;
    }
    return *key;
}

/* Of a header its name, of any other line its key, and of both only what can be no secret. */
static void show_discreetly(const struct reader *reader, char shown[INI_SHOWN_CAPACITY],
                            struct span text) {
    if (text.length > 0 && text.start[0] == '[') {
        const char *bracket = memchr(text.start, ']', text.length);
        const size_t name_length = bracket != NULL ? (size_t)(bracket - text.start) - 1 : 0;
        char name[INI_SHOWN_CAPACITY];
        ini_show_discreetly(name, text.start + 1, name_length);
        (void)snprintf(shown, INI_SHOWN_CAPACITY, "[%.*s]", INI_SHOWN_BYTES,
                       bracket != NULL ? name : "...");
        return;
    }
    const char *key = known_key(reader, text);
    (void)snprintf(shown, INI_SHOWN_CAPACITY, "%s%s", key != NULL ? key : "",
                   key != NULL ? " " INI_HIDDEN : INI_HIDDEN);
}

/* Adds an error about the current line, of which `text` is shown, unless it has one already. */
__attribute__((format(printf, 3, 4))) static void complain(struct reader *reader, struct span text,
                                                           const char *format, ...) {
    if (reader->complained) {
        return;
    }
    reader->complained = true;
    char complaint[COMPLAINT_CAPACITY];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    char shown[INI_SHOWN_CAPACITY];
    if (reader->document->discreet != NULL) {
        show_discreetly(reader, shown, text);
    } else {
        ini_show(shown, text.start, text.length);
    }
    const bool inside = reader->section_shown[0] != '\0' && text.start[0] != '[';
    ini_errors_add(reader->errors, "%s:%u: %s%s%s%s: %s", reader->document->path, reader->line,
                   inside ? "[" : "", inside ? reader->section_shown : "", inside ? "] " : "",
                   shown, complaint);
}

/* inih's own notion of a space, which depends on the locale as this does. */
static bool is_space(char byte) {
    return isspace((unsigned char)byte) != 0;
}

static struct span without_outer_spaces(struct span text) {
    while (text.length > 0 && is_space(text.start[0])) {
        text.start++;
        text.length--;
    }
    while (text.length > 0 && is_space(text.start[text.length - 1])) {
        text.length--;
    }
    return text;
}

/* The next line, without its end: LF or CR LF. */
static struct span next_line(struct reader *reader) {
    struct span *rest = &reader->rest;
    const char *line_feed = memchr(rest->start, '\n', rest->length);
    struct span line = {rest->start, rest->length};
    if (line_feed != NULL) {
        line.length = (size_t)(line_feed - line.start);
    }
    const size_t passed = line.length + (line_feed != NULL ? 1 : 0);
    rest->start += passed;
    rest->length -= passed;
    if (line.length > 0 && line.start[line.length - 1] == '\r') {
        line.length--;
    }
    reader->line++;
    reader->complained = false;
    return line;
}

/* What no line may contain, not even a blank one or a comment, because inih and a person would read
 * it differently. */
static bool has_sound_bytes(struct reader *reader, struct span line, struct span text) {
    if (text.length == 0) {
        text = line; /* something to show */
    }
    if (line.length > INI_MAX_LINE_BYTES) {
        complain(reader, text, "the line has %zu bytes; accepted: at most %d", line.length,
                 INI_MAX_LINE_BYTES);
    } else if (memchr(line.start, '\0', line.length) != NULL) {
        complain(reader, text, "NUL byte; accepted: text without NUL bytes");
    } else if (memchr(line.start, '\r', line.length) != NULL) {
        complain(reader, text,
                 "carriage return inside the line; accepted: lines that end in LF or CR LF");
    }
    return !reader->complained;
}

/* Cuts the text where inih would see a comment, and complains about it. */
static struct span without_comment(struct reader *reader, struct span text) {
    for (size_t i = 1; i < text.length; i++) {
        if (text.start[i] == ';' && is_space(text.start[i - 1])) {
            complain(reader, text,
                     "' ;' would begin a comment and cut off the rest; accepted: comments on "
                     "lines of their own");
            return without_outer_spaces((struct span){text.start, i});
        }
    }
    return text;
}

static bool give(struct reader *reader, struct span text) {
    if (text.length > reader->room) {
        complain(reader, text,
                 "this process lets inih read lines of %zu bytes only; accepted: its default",
                 reader->room);
        return false;
    }
    reader->given = text;
    reader->given_taken = 0;
    return true;
}

static bool has_sound_spelling(struct span name) {
    for (size_t i = 0; i < name.length; i++) {
        const unsigned char byte = (unsigned char)name.start[i];
        if (byte < 0x20 || byte == 0x7f) {
            return false;
        }
    }
    return without_outer_spaces(name).length == name.length;
}

/* Complains and returns false if there can be no section of that name here. */
static bool may_begin_section(struct reader *reader, struct span text, struct span name) {
    struct ini_section *first = ini_section_named(reader->document, name.start, name.length);
    if (name.length == 0 || name.length > INI_MAX_SECTION_BYTES) {
        complain(reader, text, "the section's name has %zu bytes; accepted: 1 to %d", name.length,
                 INI_MAX_SECTION_BYTES);
    } else if (!has_sound_spelling(name)) {
        complain(reader, text,
                 "space or control character in the section's name; accepted: a name without "
                 "spaces around it and without control characters");
    } else if (!is_utf8(name.start, name.length)) {
        complain(reader, text, "the section's name is not UTF-8; accepted: a file saved as UTF-8");
    } else if (first != NULL) {
        complain(reader, text, "duplicate section, first at line %u; accepted: each section once",
                 first->line);
        first->incomplete = true; /* what it lacks may be in this one */
    } else if (reader->document->section_count == INI_MAX_SECTIONS) {
        complain(reader, text, "too many sections; accepted: at most %d", INI_MAX_SECTIONS);
    } else {
        return true;
    }
    return false;
}

static struct ini_section *begin_section(struct reader *reader, struct span text,
                                         struct span name) {
    if (!may_begin_section(reader, text, name)) {
        return NULL;
    }
    struct ini_section *section = ini_append_section(reader->document, name.start, name.length,
                                                     reader->section_shown, reader->line);
    reader->out_of_memory = section == NULL;
    return section;
}

/* Leaves the section before, whatever the header is like: nothing that follows belongs to it. */
static bool read_header(struct reader *reader, struct span text, bool sound) {
    reader->header_seen = true;
    reader->key_seen = false;
    reader->section = NULL;
    reader->section_shown[0] = '\0';
    const char *bracket = sound ? memchr(text.start, ']', text.length) : NULL;
    struct span header = text;
    if (bracket == NULL) {
        complain(reader, text, "no ']' behind the section's name; accepted: [section]");
    } else {
        const struct span name = {text.start + 1, (size_t)(bracket - text.start) - 1};
        header.length = name.length + 2;
        if (header.length < text.length) {
            complain(reader, text,
                     "text behind the section's name; accepted: [section] alone on its line");
        }
        if (reader->document->discreet != NULL) {
            ini_show_discreetly(reader->section_shown, name.start, name.length);
        } else {
            ini_show(reader->section_shown, name.start, name.length);
        }
        reader->section = begin_section(reader, text, name);
    }
    if (reader->section == NULL) {
        reader->document->incomplete = true;
        return false;
    }
    return give(reader, header);
}

static bool is_key_line(struct reader *reader, struct span text) {
    size_t separator = 0;
    while (separator < text.length && text.start[separator] != '=' &&
           text.start[separator] != ':') {
        separator++;
    }
    if (separator == text.length) {
        complain(reader, text, "neither '=' nor ':' in the line; accepted: key = value");
    } else if (separator == 0) {
        complain(reader, text, "no key before '%c'; accepted: key = value", text.start[0]);
    } else if (!reader->header_seen) {
        complain(reader, text, "key before any section; accepted: a [section] line above it");
    } else {
        return true;
    }
    return false;
}

static bool read_key_line(struct reader *reader, struct span text, bool sound) {
    reader->key_seen = true;
    if (sound && is_key_line(reader, text) && reader->section != NULL && give(reader, text)) {
        reader->entry_awaited = true;
        return true;
    }
    if (reader->section != NULL) {
        reader->section->incomplete = true;
    }
    return false;
}

/* Checks one line. Returns whether it is one to give to inih, and then it is `reader->given`. */
static bool read_line(struct reader *reader, struct span line) {
    struct span text = without_outer_spaces(line);
    const bool sound = has_sound_bytes(reader, line, text);
    if (text.length == 0 || text.start[0] == ';' || text.start[0] == '#') {
        return false;
    }
    const bool continues = reader->key_seen && text.start > line.start;
    if (continues) {
        complain(reader, text,
                 "indented line, by inih's rules a continuation of the value above; accepted: "
                 "lines without indentation");
    }
    if (sound) {
        text = without_comment(reader, text);
    }
    if (text.start[0] == '[') {
        return read_header(reader, text, sound);
    }
    return read_key_line(reader, text, sound && !continues);
}

/* inih did not hand over what the line given last says: a setting of inih's is not its default. */
static void complain_of_unread(struct reader *reader) {
    if (reader->entry_awaited) {
        reader->entry_awaited = false;
        reader->section->incomplete = true;
        complain(reader, reader->given,
                 "read differently by inih, whose settings this process changed; accepted: its "
                 "defaults");
    }
}

static bool find_line_to_give(struct reader *reader) {
    complain_of_unread(reader);
    while (reader->rest.length > 0 && !reader->out_of_memory) {
        if (read_line(reader, next_line(reader))) {
            return true;
        }
    }
    return false;
}

/* inih's reader: behaves as fgets on a file that holds the given lines alone. */
static char *read_for_inih(char *buffer, int size, void *context) {
    struct reader *reader = context;
    reader->room = size > 0 ? (size_t)size - 1 : 0;
    const bool finished = reader->given_taken > reader->given.length;
    if (finished && !find_line_to_give(reader)) {
        return NULL;
    }
    const size_t left = reader->given.length - reader->given_taken;
    const size_t copied = left < reader->room ? left : reader->room;
    memcpy(buffer, reader->given.start + reader->given_taken, copied);
    reader->given_taken += copied;
    if (copied == left && copied < reader->room) {
        buffer[copied] = '\n';
        buffer[copied + 1] = '\0';
        reader->given_taken++;
    } else {
        buffer[copied] = '\0';
    }
    return buffer;
}

/* Whether the line reads KEY, spaces, '=' or ':', spaces, VALUE, and nothing else. */
static bool stands_in_line(struct span line, const char *key, const char *value) {
    const size_t key_length = strlen(key);
    const size_t value_length = strlen(value);
    if (key_length + 1 + value_length > line.length || memcmp(line.start, key, key_length) != 0 ||
        memcmp(line.start + line.length - value_length, value, value_length) != 0) {
        return false;
    }
    const struct span between = without_outer_spaces(
        (struct span){line.start + key_length, line.length - key_length - value_length});
    return between.length == 1 && (between.start[0] == '=' || between.start[0] == ':');
}

static bool may_stand_twice(const struct reader *reader, const char *key) {
    const char *const *one = reader->twice;
    while (one != NULL && *one != NULL && strcmp(*one, key) != 0) {
        one++;
    }
    return one != NULL && *one != NULL;
}

/* How many of the section's entries, from this one on, have the key. */
static unsigned count_entries(const struct ini_entry *entry, const char *key) {
    unsigned count = 0;
    for (; entry != NULL; entry = entry->next) {
        count += strcmp(entry->key, key) == 0;
    }
    return count;
}

static void store_entry(struct reader *reader, const char *key, const char *value) {
    const struct ini_entry *first = ini_find(reader->section, key);
    const bool twice = may_stand_twice(reader, key);
    if (first != NULL && count_entries(first, key) >= (twice ? 2u : 1u)) {
        complain(reader, reader->given,
                 "duplicate key, first at line %u; accepted: each key once in a section%s",
                 first->line, twice ? ", this one twice" : "");
    } else if (reader->section->entry_count == INI_MAX_KEYS) {
        complain(reader, reader->given, "too many keys; accepted: at most %d in a section",
                 INI_MAX_KEYS);
    } else if (ini_append_entry(reader->section, key, value, reader->line) == NULL) {
        reader->out_of_memory = true;
    }
}

/* inih's handler. */
static int take_from_inih(void *context, const char *section, const char *key, const char *value) {
    struct reader *reader = context;
    if (reader->entry_awaited && strcmp(section, reader->section->name) == 0 &&
        stands_in_line(reader->given, key, value)) {
        reader->entry_awaited = false;
        store_entry(reader, key, value);
    }
    return 1;
}

/* Returns whether memory sufficed. */
static bool read_lines(struct reader *reader) {
    const int result = ini_parse_stream(read_for_inih, reader, take_from_inih, reader);
    if (reader->out_of_memory || result == -2) {
        return false;
    }
    complain_of_unread(reader);
    if (reader->rest.length > 0) {
        reader->document->incomplete = true;
        ini_errors_add(reader->errors,
                       "%s:%u: inih stopped here, by settings that this process changed; "
                       "accepted: its defaults",
                       reader->document->path, reader->line);
    }
    return true;
}

/* `keys`: NULL unless the document is a discreet one. */
static struct ini_document *load_text(const char *name, const char *text, size_t length,
                                      const char *const *keys, const char *const *twice,
                                      struct ini_errors *errors) {
    if (length > INI_MAX_FILE_BYTES) {
        ini_errors_add(errors, "%s: the file is too large; accepted: at most %d bytes", name,
                       INI_MAX_FILE_BYTES);
        return NULL;
    }
    struct reader reader = {.document = ini_new_document(name),
                            .twice = twice,
                            .errors = errors,
                            .rest = {text, length},
                            .given_taken = 1};
    const size_t mark_length = strlen(BYTE_ORDER_MARK);
    if (length >= mark_length && memcmp(text, BYTE_ORDER_MARK, mark_length) == 0) {
        reader.rest = (struct span){text + mark_length, length - mark_length};
    }
    if (reader.document != NULL) {
        reader.document->discreet = keys;
    }
    if (reader.document == NULL || !read_lines(&reader)) {
        report_out_of_memory(name, errors);
        ini_free(reader.document);
        return NULL;
    }
    return reader.document;
}

static struct ini_document *load(const char *path, const char *const *keys,
                                 const char *const *twice, struct ini_errors *errors) {
    struct ini_document *document = NULL;
    char *text = malloc(INI_FILE_CAPACITY);
    size_t length = 0;
    if (text == NULL) {
        report_out_of_memory(path, errors);
    } else if (ini_read_file(path, text, &length, errors)) {
        document = load_text(path, text, length, keys, twice, errors);
    }
    if (text != NULL && keys != NULL) {
        explicit_bzero(text, length);
    }
    free(text);
    return document;
}

struct ini_document *ini_load_text(const char *name, const char *text, size_t length,
                                   struct ini_errors *errors) {
    return load_text(name, text, length, NULL, NULL, errors);
}

struct ini_document *ini_load(const char *path, struct ini_errors *errors) {
    return load(path, NULL, NULL, errors);
}

struct ini_document *ini_load_discreetly(const char *path, const char *const *keys,
                                         const char *const *twice, struct ini_errors *errors) {
    return load(path, keys, twice, errors);
}
