/*
 * test_strict_ini.c - every rule of strict_ini.h, with the exact text of every error.
 *
 * Linked with --wrap for the allocating functions and ini_parse_stream, so that the N-th allocation
 * of strict-ini can be made to fail, for every N, and those of inih too.
 */
#include "strict-ini/strict_ini.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- allocations that fail ---- */

/* libcheck's own allocations come here too: nothing may be asserted while one is to fail. */
static unsigned allocations;        /* since fail_allocation */
static unsigned failing_allocation; /* 1-based; 0: none */

static bool allocation_fails(void) {
    allocations++;
    return allocations == failing_allocation;
}

/* The N-th allocation from now on fails; 0: none does. Returns how many there were before. */
static unsigned fail_allocation(unsigned failing) {
    const unsigned before = allocations;
    allocations = 0;
    failing_allocation = failing;
    return before;
}

/* The linker's names for the wrapped functions. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_malloc(size_t size) {
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    return allocation_fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size) {
    return allocation_fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text) {
    return allocation_fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length) {
    return allocation_fails() ? NULL : __real_strndup(text, length);
}

/* ---- inih out of memory, as it may be where the process lets it use the heap ---- */

static bool inih_fails;

int __real_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);
int __wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);

int __wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user) {
    return inih_fails ? -2 : __real_ini_parse_stream(reader, stream, handler, user);
}

/* ---- what the tests share ---- */

#define ERRORS_CAPACITY 65536

static char error_text[ERRORS_CAPACITY];
static struct ini_errors errors;
static struct ini_document *document;
static char directory[32];
static char path[64]; /* of a file in `directory` */

static void set_up(void) {
    ini_errors_init(&errors, error_text, sizeof error_text);
    document = NULL;
    fail_allocation(0);
}

static void tear_down(void) {
    ini_free(document);
    document = NULL;
}

/* Loads from a block of exactly that size, released at once: a read beyond it, or a document that
 * points into it, is seen by a sanitizer. */
static void load_bytes(const char *text, size_t length) {
    ini_free(document);
    ini_errors_init(&errors, error_text, sizeof error_text);
    char *copy = malloc(length + (length == 0 ? 1 : 0));
    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, length);
    document = ini_load_text("f.ini", copy, length, &errors);
    free(copy);
}

static void load(const char *text) {
    load_bytes(text, strlen(text));
    ck_assert_ptr_nonnull(document);
}

static const struct ini_section *section_of(const char *name) {
    const struct ini_section *section = ini_find_section(document, name);
    ck_assert_msg(section != NULL, "no section [%s]", name);
    return section;
}

static void assert_entry(const char *section, const char *key, const char *value, unsigned line) {
    const struct ini_entry *entry = ini_find(section_of(section), key);
    ck_assert_msg(entry != NULL, "no key %s in [%s]", key, section);
    ck_assert_str_eq(entry->key, key);
    ck_assert_str_eq(entry->value, value);
    ck_assert_uint_eq(entry->line, line);
}

static void assert_no_entry(const char *section, const char *key) {
    ck_assert_ptr_null(ini_find(section_of(section), key));
}

static void assert_errors(const char *expected) {
    ck_assert_str_eq(error_text, expected);
    ck_assert_uint_eq(errors.length, strlen(expected));
    unsigned lines = expected[0] != '\0' ? 1 : 0;
    for (const char *byte = expected; *byte != '\0'; byte++) {
        lines += *byte == '\n' ? 1 : 0;
    }
    ck_assert_uint_eq(errors.count, lines);
    ck_assert_uint_eq(errors.unfit, 0);
}

/* `count` times the byte, as a string that lives until the next call. */
static const char *repeated(char byte, size_t count) {
    static char text[4096];
    ck_assert_uint_lt(count, sizeof text);
    memset(text, byte, count);
    text[count] = '\0';
    return text;
}

/* The same with a text, or expected errors, made as by printf. */
__attribute__((format(printf, 1, 2))) static void load_formatted(const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_lt(vsnprintf(text, sizeof text, format, arguments), (int)sizeof text);
    va_end(arguments);
    load(text);
}

__attribute__((format(printf, 1, 2))) static void assert_formatted_errors(const char *format, ...) {
    char expected[4096];
    va_list arguments;
    va_start(arguments, format);
    ck_assert_int_lt(vsnprintf(expected, sizeof expected, format, arguments), (int)sizeof expected);
    va_end(arguments);
    assert_errors(expected);
}

/* ---- what is accepted ---- */

START_TEST(a_file_as_it_should_be) {
    load("# a comment\n"
         "; another, with a ; inside\n"
         "\n"
         "[first]\n"
         "  ; an indented comment\n"
         "one=1\n"
         "two : 2\n"
         " \t \n"
         "\t# an indented comment, behind a key\n"
         "three   =   a = b : c   \n"
         "[second]\n"
         "empty =\n");
    assert_errors("");
    ck_assert_str_eq(document->path, "f.ini");
    ck_assert_uint_eq(document->section_count, 2);
    ck_assert(!document->incomplete);
    ck_assert_str_eq(document->sections->name, "first");
    ck_assert_uint_eq(document->sections->line, 4);
    ck_assert_uint_eq(document->sections->entry_count, 3);
    ck_assert(!document->sections->incomplete);
    ck_assert_str_eq(document->sections->entries->key, "one");
    ck_assert_str_eq(document->sections->entries->next->key, "two");
    ck_assert_str_eq(document->sections->entries->next->next->key, "three");
    assert_entry("first", "one", "1", 6);
    assert_entry("first", "two", "2", 7);
    assert_entry("first", "three", "a = b : c", 10);
    assert_entry("second", "empty", "", 12);
    ck_assert_uint_eq(section_of("second")->line, 11);
    ck_assert_ptr_null(section_of("second")->next);
}
END_TEST

START_TEST(nothing_at_all) {
    static const char *const texts[] = {"",        "\n",          "\r\n", "; only a comment",
                                        " \t\n\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        load(texts[i]);
        assert_errors("");
        ck_assert_uint_eq(document->section_count, 0);
        ck_assert_ptr_null(document->sections);
    }
    tear_down();
    document = ini_load_text("f.ini", NULL, 0, &errors);
    ck_assert_ptr_nonnull(document);
    ini_free(NULL);
}
END_TEST

START_TEST(empty_sections_are_seen) {
    load("[a]\n[b]\nkey = 1\n[c]");
    assert_errors("");
    ck_assert_uint_eq(document->section_count, 3);
    ck_assert_uint_eq(section_of("a")->line, 1);
    ck_assert_ptr_null(section_of("a")->entries);
    ck_assert_uint_eq(section_of("c")->line, 4);
    ck_assert_ptr_null(ini_find_section(document, "C"));
    ck_assert_ptr_null(ini_find_section(document, ""));
}
END_TEST

START_TEST(line_ends_and_byte_order_mark) {
    load("\xef\xbb\xbf[s]\r\na = 1\r\n\r\nb = 2");
    assert_errors("");
    assert_entry("s", "a", "1", 2);
    assert_entry("s", "b", "2", 4);
    load("\xef\xbb\xbf; a comment\n[s]\na = 1\r");
    assert_errors("");
    assert_entry("s", "a", "1", 3);
}
END_TEST

START_TEST(semicolons_and_hashes_in_values) {
    load("[s]\na = x;y\nb =;z\nc = 5 # no comment to inih\nd;e = 1\n");
    assert_errors("");
    assert_entry("s", "a", "x;y", 2);
    assert_entry("s", "b", ";z", 3);
    assert_entry("s", "c", "5 # no comment to inih", 4);
    assert_entry("s", "d;e", "1", 5);
}
END_TEST

/* inih knows a continuation only behind a key of the same section. */
START_TEST(indentation_before_the_first_key) {
    load("  [s]\n  a = 1\n[t]\n\tb = 2\n");
    assert_errors("");
    assert_entry("s", "a", "1", 2);
    assert_entry("t", "b", "2", 4);
}
END_TEST

START_TEST(same_key_in_other_sections) {
    load("[s]\na = 1\nA = 2\n[t]\na = 3\n[S]\na = 4\n");
    assert_errors("");
    assert_entry("s", "a", "1", 2);
    assert_entry("s", "A", "2", 3);
    assert_entry("t", "a", "3", 5);
    assert_entry("S", "a", "4", 7);
}
END_TEST

/* ---- what is refused, with the whole text of the errors ---- */

struct refusal {
    const char *text;
    const char *errors;
};

#define INDENTED                                                                                   \
    "indented line, by inih's rules a continuation of the value above; accepted: lines without "   \
    "indentation"
#define COMMENT                                                                                    \
    "' ;' would begin a comment and cut off the rest; accepted: comments on lines of their own"
#define NO_SEPARATOR "neither '=' nor ':' in the line; accepted: key = value"
#define NO_SECTION   "key before any section; accepted: a [section] line above it"
#define NO_BRACKET   "no ']' behind the section's name; accepted: [section]"
#define TEXT_BEHIND  "text behind the section's name; accepted: [section] alone on its line"
#define NAME_SPELLING                                                                              \
    "space or control character in the section's name; accepted: a name without spaces around it " \
    "and without control characters"
#define CARRIAGE_RETURN "carriage return inside the line; accepted: lines that end in LF or CR LF"

static const struct refusal refusals[] = {
    {"[s]\na = 1\n  b = 2\nc = 3\n", "f.ini:3: [s] b = 2: " INDENTED},
    {"[s]\na = 1\n\tmore\n", "f.ini:3: [s] more: " INDENTED},
    {"[s]\na = 1\n\n; comment\n b = 2\n", "f.ini:5: [s] b = 2: " INDENTED},
    /* What is indented may be a key that was meant, so none is called missing or a duplicate. */
    {"[s]\na = 1\n a = 2\n", "f.ini:3: [s] a = 2: " INDENTED},
    {"[s]\na = 1\n [t]\na = 2\n", "f.ini:3: [t]: " INDENTED},
    {"[s]\nnonsense\n b = 2\n",
     "f.ini:2: [s] nonsense: " NO_SEPARATOR "\nf.ini:3: [s] b = 2: " INDENTED},

    {"[s]\na = 1 ; why\n", "f.ini:2: [s] a = 1 ; why: " COMMENT},
    {"[s]\na =\t;x\n", "f.ini:2: [s] a =\\x09;x: " COMMENT},
    {"[s]\na ;= 1\n", "f.ini:2: [s] a ;= 1: " COMMENT},
    {"[s]\na = x; y ;z\n", "f.ini:2: [s] a = x; y ;z: " COMMENT},
    {"[s]\na = 1\v;x\n", "f.ini:2: [s] a = 1\\x0b;x: " COMMENT},
    {"[s] ; why\na = 1\n", "f.ini:1: [s] ; why: " COMMENT},
    {"[s ;t]\na = 1\n", "f.ini:1: [s ;t]: " COMMENT},

    {"[s]\nnonsense\n", "f.ini:2: [s] nonsense: " NO_SEPARATOR},
    {"[s]\n= 1\n", "f.ini:2: [s] = 1: no key before '='; accepted: key = value"},
    {"[s]\n : 1\n", "f.ini:2: [s] : 1: no key before ':'; accepted: key = value"},
    {"[s]\n\xef\xbb\xbf[t]\n", "f.ini:2: [s] \\xef\\xbb\\xbf[t]: " NO_SEPARATOR},
    {"\xef\xbb\xbf\xef\xbb\xbf[s]\n", "f.ini:1: \\xef\\xbb\\xbf[s]: " NO_SEPARATOR},

    {"a = 1\n[s]\na = 2\n", "f.ini:1: a = 1: " NO_SECTION},
    {"\n; x\nnonsense\n", "f.ini:3: nonsense: " NO_SEPARATOR},

    {"[]\na = 1\n", "f.ini:1: []: the section's name has 0 bytes; accepted: 1 to 49"},
    {"[s\na = 1\n", "f.ini:1: [s: " NO_BRACKET},
    {"[\n", "f.ini:1: [: " NO_BRACKET},
    {"[s] t\n", "f.ini:1: [s] t: " TEXT_BEHIND},
    {"[s]]\n", "f.ini:1: [s]]: " TEXT_BEHIND},
    {"[s][t]\n", "f.ini:1: [s][t]: " TEXT_BEHIND},
    {"[ s]\n", "f.ini:1: [ s]: " NAME_SPELLING},
    {"[s ]\n", "f.ini:1: [s ]: " NAME_SPELLING},
    {"[s\tt]\n", "f.ini:1: [s\\x09t]: " NAME_SPELLING},
    {"[s\x7f]\n", "f.ini:1: [s\\x7f]: " NAME_SPELLING},

    {"[s]\na = 1\na = 2\n",
     "f.ini:3: [s] a = 2: duplicate key, first at line 2; accepted: each key once in a section"},
    {"[s]\na = 1\nb = 1\na:1\na = 3\n",
     "f.ini:4: [s] a:1: duplicate key, first at line 2; accepted: each key once in a section\n"
     "f.ini:5: [s] a = 3: duplicate key, first at line 2; accepted: each key once in a section"},

    /* The keys of a refused section are checked for their form alone. */
    {"[s]\na = 1\n[t]\n[s]\na = 2\na = 3\nb = 1 ;c\nnonsense\n  c = 4\n",
     "f.ini:4: [s]: duplicate section, first at line 1; accepted: each section once\n"
     "f.ini:7: [s] b = 1 ;c: " COMMENT "\nf.ini:8: [s] nonsense: " NO_SEPARATOR
     "\nf.ini:9: [s] c = 4: " INDENTED},
    {"[s]\na = 1\n[t\na = 2\n b = 1\nnonsense\n[u]\na = 1\n",
     "f.ini:3: [t: " NO_BRACKET "\nf.ini:5: b = 1: " INDENTED "\nf.ini:6: nonsense: " NO_SEPARATOR},

    {"[s]\ra = 1\rb = 2\r", "f.ini:1: [s]\\x0da = 1\\x0db = 2: " CARRIAGE_RETURN},
    {"; old\r[s]\ra = 1\n", "f.ini:1: ; old\\x0d[s]\\x0da = 1: " CARRIAGE_RETURN},
    {"[s]\na = 1\rb = 2\n", "f.ini:2: [s] a = 1\\x0db = 2: " CARRIAGE_RETURN},

    /* Everything in one go, in the lines' order. */
    {"x = 1\n[s]\na = 1 ;\na\n[s]\n[]\n",
     "f.ini:1: x = 1: " NO_SECTION "\nf.ini:3: [s] a = 1 ;: " COMMENT
     "\nf.ini:4: [s] a: " NO_SEPARATOR
     "\nf.ini:5: [s]: duplicate section, first at line 2; accepted: each section once\n"
     "f.ini:6: []: the section's name has 0 bytes; accepted: 1 to 49"},
};

START_TEST(refused_texts) {
    load(refusals[_i].text);
    assert_errors(refusals[_i].errors);
}
END_TEST

START_TEST(refused_texts_with_carriage_returns) {
    char text[512];
    size_t length = 0;
    for (const char *byte = refusals[_i].text; *byte != '\0'; byte++) {
        if (*byte == '\n') {
            text[length++] = '\r';
        }
        text[length++] = *byte;
    }
    text[length] = '\0';
    load(text);
    assert_errors(refusals[_i].errors);
}
END_TEST

START_TEST(what_a_refused_line_leaves) {
    load("[s]\na = 1 ; cut\nb = 2\nb = 3\n  c = 4\n[t] x\nd = 5\n[t]\ne = 6\n[u\nf = 7\n");
    ck_assert_uint_eq(errors.count, 6);
    assert_entry("s", "a", "1", 2);
    assert_entry("s", "b", "2", 3);
    assert_no_entry("s", "c");
    ck_assert(section_of("s")->incomplete);
    assert_entry("t", "d", "5", 7);
    assert_no_entry("t", "e");
    ck_assert(section_of("t")->incomplete);
    ck_assert_uint_eq(document->section_count, 2);
    ck_assert(document->incomplete);
}
END_TEST

START_TEST(only_the_faulty_section_is_incomplete) {
    load("[s]\na = 1\n[t]\nnonsense\n[u]\na = 1 ; cut\n[v]\na = 1\na = 1\n");
    ck_assert_uint_eq(errors.count, 3);
    ck_assert(!section_of("s")->incomplete);
    ck_assert(section_of("t")->incomplete);
    ck_assert(!section_of("u")->incomplete);
    ck_assert(!section_of("v")->incomplete);
    ck_assert(!document->incomplete);
}
END_TEST

START_TEST(only_one_carriage_return_ends_a_line) {
    load("[s]\r\n\r\r\na = 1\r\n");
    assert_errors("f.ini:2: [s] \\x0d: " CARRIAGE_RETURN);
    assert_entry("s", "a", "1", 3);
}
END_TEST

/* ---- bytes and limits ---- */

#define TOO_LONG(bytes) "the line has " #bytes " bytes; accepted: at most 199"

START_TEST(nul_bytes) {
    static const char text[] = "[s]\na = 1\0 2\n; x\0\nb = 3\n[t\0]\na = 4\n\0";
    load_bytes(text, sizeof text - 1);
    assert_errors("f.ini:2: [s] a = 1\\x00 2: NUL byte; accepted: text without NUL bytes\n"
                  "f.ini:3: [s] ; x\\x00: NUL byte; accepted: text without NUL bytes\n"
                  "f.ini:5: [t\\x00]: NUL byte; accepted: text without NUL bytes\n"
                  "f.ini:7: \\x00: NUL byte; accepted: text without NUL bytes");
    assert_no_entry("s", "a");
    assert_entry("s", "b", "3", 4);
    ck_assert(section_of("s")->incomplete);
    ck_assert(document->incomplete);
}
END_TEST

/* A value of exactly the limit arrives whole, and so does the line behind it. */
START_TEST(longest_line) {
    static const char *const ends[] = {"\n", "\r\n"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        load_formatted("[s]%skey=%s%sb = 2%s", ends[i], repeated('v', 195), ends[i], ends[i]);
        assert_errors("");
        assert_entry("s", "key", repeated('v', 195), 2);
        assert_entry("s", "b", "2", 3);
    }
    load_formatted("[s]\nkey=%s", repeated('v', 195));
    assert_errors("");
    assert_entry("s", "key", repeated('v', 195), 2);
    load_formatted(";%s\n[s]", repeated('v', 198));
    assert_errors("");
}
END_TEST

START_TEST(over_long_key_line) {
    /* Split at inih's limit, the tail would set c. */
    load_formatted("[s]\na=%sc=1\nc=2\n b = 1\n", repeated('v', 197));
    assert_formatted_errors("f.ini:2: [s] a=%s...: " TOO_LONG(202) "\n"
                                                                   "f.ini:4: [s] b = 1: " INDENTED,
                            repeated('v', 62));
    assert_entry("s", "c", "2", 3);
    assert_no_entry("s", "a");
    ck_assert(section_of("s")->incomplete);
}
END_TEST

START_TEST(over_long_header) {
    load_formatted("[s]\na = 1\n[t]%s\na = 2\nnonsense\n", repeated(' ', 197));
    assert_errors("f.ini:3: [t]: " TOO_LONG(200) "\nf.ini:5: nonsense: " NO_SEPARATOR);
    assert_entry("s", "a", "1", 2);
    ck_assert_ptr_null(ini_find_section(document, "t"));
    ck_assert(document->incomplete);
    ck_assert(!section_of("s")->incomplete);
}
END_TEST

START_TEST(over_long_comment_and_blank_line) {
    load_formatted("[s]\n#%sk = 1\n", repeated('v', 198));
    assert_formatted_errors("f.ini:2: [s] #%s...: " TOO_LONG(204), repeated('v', 63));
    ck_assert(!section_of("s")->incomplete);
    load(repeated(' ', 200));
    assert_formatted_errors("f.ini:1: %s...: " TOO_LONG(200), repeated(' ', 64));
    load(repeated(' ', 199));
    assert_errors("");
}
END_TEST

START_TEST(longest_section_name) {
    load_formatted("[%s]\na = 1\n", repeated('n', 49));
    assert_errors("");
    assert_entry(repeated('n', 49), "a", "1", 2);
    /* Cut, the second name would be the first again. */
    load_formatted("[%s]\na = 1\n[%.49sn]\na = 1\na = 2\n", repeated('n', 49), repeated('n', 49));
    assert_formatted_errors("f.ini:3: [%s]: the section's name has 50 bytes; accepted: 1 to 49",
                            repeated('n', 50));
    ck_assert_uint_eq(document->section_count, 1);
    assert_entry(repeated('n', 49), "a", "1", 2);
}
END_TEST

/* As many lines as asked for, each with its number in it. */
static char *numbered_lines(const char *head, const char *format, unsigned count) {
    const size_t capacity = 64 + 32 * (size_t)count;
    char *text = malloc(capacity);
    ck_assert_ptr_nonnull(text);
    size_t length = (size_t)snprintf(text, capacity, "%s", head);
    for (unsigned i = 1; i <= count; i++) {
        /* The formats are this file's own. */
        length += (size_t)snprintf(text + length, capacity - length, "%s%u%s", format, i,
                                   format[0] == '[' ? "]\n" : " = 1\n");
    }
    return text;
}

START_TEST(most_sections) {
    char *text = numbered_lines("", "[s", INI_MAX_SECTIONS);
    load(text);
    assert_errors("");
    ck_assert_uint_eq(document->section_count, INI_MAX_SECTIONS);
    free(text);
    text = numbered_lines("", "[s", INI_MAX_SECTIONS + 1);
    load(text);
    assert_errors("f.ini:1025: [s1025]: too many sections; accepted: at most 1024");
    ck_assert_uint_eq(document->section_count, INI_MAX_SECTIONS);
    free(text);
}
END_TEST

START_TEST(most_keys) {
    char *text = numbered_lines("[s]\n", "k", INI_MAX_KEYS);
    load(text);
    assert_errors("");
    ck_assert_uint_eq(section_of("s")->entry_count, INI_MAX_KEYS);
    free(text);
    text = numbered_lines("[s]\n", "k", INI_MAX_KEYS + 1);
    load(text);
    assert_errors("f.ini:258: [s] k257 = 1: too many keys; accepted: at most 256 in a section");
    ck_assert_uint_eq(section_of("s")->entry_count, INI_MAX_KEYS);
    free(text);
}
END_TEST

START_TEST(largest_text) {
    const size_t most = INI_MAX_FILE_BYTES;
    char *text = malloc(most + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, '\n', most + 1);
    memcpy(text + most - 9, "[s]\na = 1", 9);
    load_bytes(text, most);
    assert_errors("");
    assert_entry("s", "a", "1", INI_MAX_FILE_BYTES - 7);
    load_bytes(text, most + 1);
    ck_assert_ptr_null(document);
    assert_errors("f.ini: the file is too large; accepted: at most 1048576 bytes");
    ck_assert(!errors.out_of_memory);
    free(text);
}
END_TEST

/* ---- files ---- */

static void make_directory(void) {
    set_up();
    snprintf(directory, sizeof directory, "/tmp/strict-ini-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/f.ini", directory);
}

static void remove_directory(void) {
    tear_down();
    unlink(path);
    rmdir(path);
    rmdir(directory);
}

static void write_file(const char *text) {
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

/* Grows by one for every descriptor that is left open. */
static int lowest_free_descriptor(void) {
    const int descriptor = open("/dev/null", O_RDONLY);
    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    return descriptor;
}

/* Expects that the file cannot be loaded, with this behind its path. */
static void assert_unreadable(const char *file, const char *expected) {
    ini_errors_init(&errors, error_text, sizeof error_text);
    const int free_descriptor = lowest_free_descriptor();
    ck_assert_ptr_null(ini_load(file, &errors));
    ck_assert_int_eq(lowest_free_descriptor(), free_descriptor);
    assert_formatted_errors("%s: %s; accepted: a readable regular file", file, expected);
    ck_assert(!errors.out_of_memory);
}

START_TEST(a_file) {
    write_file("[s]\na = 1\nb\n");
    const int free_descriptor = lowest_free_descriptor();
    document = ini_load(path, &errors);
    ck_assert_ptr_nonnull(document);
    ck_assert_int_eq(lowest_free_descriptor(), free_descriptor);
    assert_entry("s", "a", "1", 2);
    ck_assert_str_eq(document->path, path);
    assert_formatted_errors("%s:3: [s] b: " NO_SEPARATOR, path);
}
END_TEST

START_TEST(no_file) {
    assert_unreadable(path, "No such file or directory");
    assert_unreadable("", "No such file or directory");
}
END_TEST

START_TEST(a_directory) {
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_unreadable(path, "Is a directory");
}
END_TEST

/* It has no writer: opening it must not wait. */
START_TEST(a_fifo) {
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_unreadable(path, "Not a regular file");
}
END_TEST

START_TEST(a_device) {
    assert_unreadable("/dev/null", "Not a regular file");
    assert_unreadable("/dev/zero", "Not a regular file");
}
END_TEST

START_TEST(a_file_without_permission) {
    write_file("[s]\n");
    ck_assert_int_eq(chmod(path, 0), 0);
    const uid_t user = geteuid();
    if (user == 0) {
        ck_assert_int_eq(chmod(directory, 0755), 0);
        ck_assert_int_eq(seteuid(65534), 0); /* permissions do not bind root */
    }
    assert_unreadable(path, "Permission denied");
    ck_assert_int_eq(seteuid(user), 0);
}
END_TEST

/* Its first byte cannot be read: EIO. */
START_TEST(a_file_that_fails_to_be_read) {
    assert_unreadable("/proc/self/mem", "Input/output error");
}
END_TEST

/* procfs says that the size is 0. */
START_TEST(a_file_of_unknown_size) {
    document = ini_load("/proc/self/status", &errors);
    ck_assert_ptr_nonnull(document);
    ck_assert_ptr_nonnull(strstr(error_text, "/proc/self/status:1: Name:\\x09"));
}
END_TEST

START_TEST(a_file_that_is_too_large) {
    write_file("[s]\n");
    ck_assert_int_eq(truncate(path, (off_t)INI_MAX_FILE_BYTES * 1024), 0);
    document = ini_load(path, &errors);
    ck_assert_ptr_null(document);
    assert_formatted_errors("%s: the file is too large; accepted: at most 1048576 bytes", path);
}
END_TEST

/* An error is one line, whatever the path holds. */
START_TEST(a_path_with_line_ends) {
    ck_assert_ptr_null(ini_load("/nowhere/a\nb\x1b", &errors));
    assert_errors("/nowhere/a?b?: No such file or directory; accepted: a readable regular file");
}
END_TEST

/* ---- typed values ---- */

struct settings {
    uint32_t wait_ms;
    uint32_t count;
    uint32_t anything;
    int32_t when;
    int32_t pick;
    char name[INI_MAX_VALUE_BYTES + 1];
    char label[INI_MAX_VALUE_BYTES + 1];
};

static const char *const when_choices[] = {"miss", "always", NULL};
static const char *const pick_choices[] = {"same", "next", "random", NULL};

static const struct ini_key keys[] = {
    {.name = "wait_ms",
     .type = INI_NUMBER,
     .max = 60000,
     .fallback = "200",
     .unit = "ms",
     .offset = offsetof(struct settings, wait_ms),
     .help = "How long."},
    {.name = "count",
     .type = INI_NUMBER,
     .min = 1,
     .max = 16,
     .fallback = "0",
     .unit = "",
     .offset = offsetof(struct settings, count),
     .help = "How many."},
    {.name = "anything",
     .type = INI_NUMBER,
     .max = UINT32_MAX,
     .fallback = "4294967295",
     .unit = "",
     .offset = offsetof(struct settings, anything),
     .help = "Any number."},
    {.name = "when",
     .type = INI_CHOICE,
     .choices = when_choices,
     .fallback = "always",
     .offset = offsetof(struct settings, when),
     .help = "When."},
    {.name = "pick",
     .type = INI_CHOICE,
     .choices = pick_choices,
     .offset = offsetof(struct settings, pick),
     .help = "Which."},
    {.name = "name",
     .type = INI_TEXT,
     .min = 2,
     .max = 5,
     .offset = offsetof(struct settings, name),
     .help = "Whose."},
    {.name = "label",
     .type = INI_TEXT,
     .max = INI_MAX_VALUE_BYTES,
     .fallback = "",
     .offset = offsetof(struct settings, label),
     .help = "What is on it."},
};
#define KEY_COUNT (sizeof keys / sizeof *keys)

static struct settings settings;

/* Reads the section [s] of the document into `settings`. */
static void read_settings(void) {
    memset(&settings, 0x55, sizeof settings);
    ini_read_section(document, section_of("s"), keys, KEY_COUNT, &settings, &errors);
}

START_TEST(every_type) {
    load("[s]\nwait_ms = 60000\ncount = 016\nanything: 0\nwhen = miss\npick = random\n"
         "name = abcde\nlabel = a label = with all: of it\n");
    read_settings();
    assert_errors("");
    ck_assert_uint_eq(settings.wait_ms, 60000);
    ck_assert_uint_eq(settings.count, 16);
    ck_assert_uint_eq(settings.anything, 0);
    ck_assert_int_eq(settings.when, 0);
    ck_assert_int_eq(settings.pick, 2);
    ck_assert_str_eq(settings.name, "abcde");
    ck_assert_str_eq(settings.label, "a label = with all: of it");
}
END_TEST

START_TEST(defaults_in_a_section) {
    load("[s]\npick = same\nname = ab\n");
    read_settings();
    assert_errors("");
    ck_assert_uint_eq(settings.wait_ms, 200);
    ck_assert_uint_eq(settings.count, 0);
    ck_assert_uint_eq(settings.anything, UINT32_MAX);
    ck_assert_int_eq(settings.when, 1);
    ck_assert_int_eq(settings.pick, 0);
    ck_assert_str_eq(settings.name, "ab");
    ck_assert_str_eq(settings.label, "");
}
END_TEST

START_TEST(defaults_without_a_section) {
    memset(&settings, 0x55, sizeof settings);
    ini_read_defaults(keys, KEY_COUNT, &settings);
    ck_assert_uint_eq(settings.wait_ms, 200);
    ck_assert_int_eq(settings.when, 1);
    ck_assert_int_eq(settings.pick, 0);
    ck_assert_str_eq(settings.name, "");
}
END_TEST

struct bad_value {
    const char *line;
    const char *error; /* behind the line */
};

#define WAIT_ACCEPTED  "; accepted: 0 to 60000 (ms), default 200"
#define WAIT_GUESSED   "? accepted: 0 to 60000 (ms), default 200"
#define WITH_UNIT      "a number is written without its unit; did you mean "
#define NO_QUOTE       "values stand without quotes"
#define OWN_LINE       "a comment must stand on a line of its own"
#define COUNT_ACCEPTED "; accepted: 1 to 16, default 0"
#define WHEN_ACCEPTED  "accepted: miss or always, default always"

static const struct bad_value bad_values[] = {
    {"wait_ms = ", "empty" WAIT_ACCEPTED},
    {"wait_ms = 20x", "not a number" WAIT_ACCEPTED},
    {"wait_ms = x", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 5 ms", WITH_UNIT "5" WAIT_GUESSED},
    {"wait_ms = 5ms", WITH_UNIT "5" WAIT_GUESSED},
    {"wait_ms = 2s", WITH_UNIT "2000" WAIT_GUESSED},
    {"wait_ms = 61s", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 1 2", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 0x10", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 1e3", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 1.5", "not a number" WAIT_ACCEPTED},
    {"wait_ms = 1,000", "not a number" WAIT_ACCEPTED},
    {"wait_ms = \"5\"", NO_QUOTE WAIT_ACCEPTED},
    {"wait_ms = 5'", NO_QUOTE WAIT_ACCEPTED},
    {"wait_ms = 5 # ms", OWN_LINE "; did you mean 5" WAIT_GUESSED},
    {"wait_ms = -", "not a number" WAIT_ACCEPTED},
    {"wait_ms = +", "not a number" WAIT_ACCEPTED},
    {"wait_ms = --5", "not a number" WAIT_ACCEPTED},
    {"wait_ms = - 5", "not a number" WAIT_ACCEPTED},
    {"wait_ms = nan", "not a number" WAIT_ACCEPTED},
    {"wait_ms = = 5", "not a number" WAIT_ACCEPTED},
    {"wait_ms = +5", "a number is written without a sign" WAIT_ACCEPTED},
    {"wait_ms = -0", "a number is written without a sign" WAIT_ACCEPTED},
    {"wait_ms = -1", "too small" WAIT_ACCEPTED},
    {"wait_ms = -99999999999999999999999", "too small" WAIT_ACCEPTED},
    {"wait_ms = 60001", "too large" WAIT_ACCEPTED},
    {"wait_ms = 4294967296", "too large" WAIT_ACCEPTED},
    {"wait_ms = 18446744073709551617", "too large" WAIT_ACCEPTED},
    {"count = 0", "too small" COUNT_ACCEPTED},
    {"count = 17", "too large" COUNT_ACCEPTED},
    {"anything = 4294967296", "too large; accepted: 0 to 4294967295, default 4294967295"},
    {"when = ", "empty; " WHEN_ACCEPTED},
    {"when = mis", "unknown; did you mean miss? " WHEN_ACCEPTED},
    {"when = Always", "unknown; did you mean always? " WHEN_ACCEPTED},
    {"when = never", "unknown; " WHEN_ACCEPTED},
    {"when = miss always", "unknown; " WHEN_ACCEPTED},
    {"pick = 0", "unknown; accepted: same, next or random, required"},
    {"pick = nxet", "unknown; did you mean next? accepted: same, next or random, required"},
    {"name = ", "empty; accepted: 2 to 5 bytes of text, required"},
    {"name = a", "too short; accepted: 2 to 5 bytes of text, required"},
    {"name = abcdef", "too long; accepted: 2 to 5 bytes of text, required"},
    {"name_ = ab", "unknown key; did you mean name?"},
    {"wait-ms = 5", "unknown key; did you mean wait_ms?"},
    {"WAIT_MS = 5", "unknown key; did you mean wait_ms?"},
    {"cuont = 5", "unknown key; did you mean count?"},
    {"colour = red", "unknown key; known keys: wait_ms, count, anything, when, pick, name, label"},
};

START_TEST(a_bad_value) {
    const struct bad_value *bad = &bad_values[_i];
    load_formatted("[t]\n[s]\n\n%s\n%s%s", bad->line,
                   strncmp(bad->line, "pick =", 6) == 0 ? "" : "pick = next\n",
                   strncmp(bad->line, "name =", 6) == 0 ? "" : "name = abc\n");
    read_settings();
    assert_formatted_errors("f.ini:4: [s] %s: %s", bad->line, bad->error);
    ck_assert_uint_eq(settings.wait_ms, 200);
    ck_assert_uint_eq(settings.count, 0);
    ck_assert_int_eq(settings.when, 1);
}
END_TEST

START_TEST(missing_keys) {
    load("\n[s]\nwait_ms = 1\n");
    read_settings();
    assert_errors("f.ini:2: [s] pick: missing; accepted: same, next or random, required\n"
                  "f.ini:2: [s] name: missing; accepted: 2 to 5 bytes of text, required");
    ck_assert_uint_eq(settings.wait_ms, 1);
    ck_assert_int_eq(settings.pick, 0);
    ck_assert_str_eq(settings.name, "");
}
END_TEST

/* A key in a refused line, or in a section's refused duplicate, is not reported as missing. */
START_TEST(missing_keys_of_an_incomplete_section) {
    load("[s]\npick = same\n name = abc\n");
    read_settings();
    assert_errors("f.ini:3: [s] name = abc: " INDENTED);
    load("[s]\npick = same\n[s]\nname = abc\n");
    read_settings();
    assert_errors("f.ini:3: [s]: duplicate section, first at line 1; accepted: each section once");
    load("[s]\npick = same ; or next\nname = abc\n");
    read_settings();
    assert_errors("f.ini:2: [s] pick = same ; or next: " COMMENT);
}
END_TEST

START_TEST(errors_of_form_and_of_value_in_one_go) {
    load("[s]\ncount = 99 ; many\nwait_ms = 1s\nnonsense\nname = abc\nsize = 1\n");
    read_settings();
    assert_errors("f.ini:2: [s] count = 99 ; many: " COMMENT "\n"
                  "f.ini:4: [s] nonsense: " NO_SEPARATOR "\n"
                  "f.ini:2: [s] count = 99: too large" COUNT_ACCEPTED "\n"
                  "f.ini:3: [s] wait_ms = 1s: " WITH_UNIT "1000" WAIT_GUESSED "\n"
                  "f.ini:6: [s] size = 1: unknown key; known keys: wait_ms, count, anything, when, "
                  "pick, name, label");
}
END_TEST

START_TEST(values_are_shown_printable_and_short) {
    load("[s]\npick = same\nname = abc\nwait_ms = \x01\t\xc3\xa4\x7f\\n%s\n");
    read_settings();
    assert_errors(
        "f.ini:4: [s] wait_ms = \\x01\\x09\\xc3\\xa4\\x7f\\n%s: not a number" WAIT_ACCEPTED);
    for (unsigned i = 0; i < 2; i++) {
        load_formatted("[s]\npick = same\nname = abc\nwait_ms = %s\n", repeated('v', 64 + i));
        read_settings();
        assert_formatted_errors("f.ini:4: [s] wait_ms = %s%s: not a number" WAIT_ACCEPTED,
                                repeated('v', 64), i == 0 ? "" : "...");
    }
}
END_TEST

/* ---- the list of errors ---- */

START_TEST(errors_without_memory_for_text) {
    ini_errors_init(&errors, NULL, 0);
    document = ini_load_text("f.ini", "a\nb\n", 4, &errors);
    ck_assert_ptr_nonnull(document);
    ck_assert_uint_eq(errors.count, 2);
    ck_assert_uint_eq(errors.unfit, 2);
    ck_assert_uint_eq(errors.length, 0);
}
END_TEST

/* Adds `count` errors of nine bytes each to a list of that capacity. */
static void add_errors(size_t capacity, unsigned count) {
    ini_errors_init(&errors, error_text, capacity);
    memset(error_text + capacity, '#', 8);
    for (unsigned i = 0; i < count; i++) {
        ini_errors_add(&errors, "error %03u", i);
    }
    ck_assert_uint_eq(errors.count, count);
    ck_assert_uint_eq(errors.length, strlen(error_text));
    ck_assert_uint_lt(errors.length, capacity);
    ck_assert_int_eq(memcmp(error_text + capacity, "########", 8), 0);
}

START_TEST(errors_that_fit_exactly) {
    add_errors(10, 1);
    ck_assert_str_eq(error_text, "error 000");
    ck_assert_uint_eq(errors.unfit, 0);
    add_errors(40, 4);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nerror 002\nerror 003");
    ck_assert_uint_eq(errors.unfit, 0);
}
END_TEST

START_TEST(errors_that_do_not_fit) {
    add_errors(39, 4);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nand 2 more errors");
    ck_assert_uint_eq(errors.unfit, 2);
    add_errors(40, 5);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nand 3 more errors");
    ck_assert_uint_eq(errors.unfit, 3);
    /* The note grows by a digit, and costs one more line. */
    add_errors(38, 11);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nand 9 more errors");
    add_errors(38, 12);
    ck_assert_str_eq(error_text, "error 000\nand 11 more errors");
    ck_assert_uint_eq(errors.unfit, 11);
    add_errors(60, 1000);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nerror 002\nerror 003\nand 996 more errors");
    add_errors(59, 1000);
    ck_assert_str_eq(error_text, "error 000\nerror 001\nerror 002\nand 997 more errors");
}
END_TEST

START_TEST(one_error_more) {
    ini_errors_init(&errors, error_text, 40);
    ini_errors_add(&errors, "short");
    ini_errors_add(&errors, "%s", repeated('x', 40));
    ck_assert_str_eq(error_text, "short\nand 1 more error");
    ini_errors_add(&errors, "short");
    ck_assert_str_eq(error_text, "short\nand 2 more errors");
}
END_TEST

START_TEST(first_error_is_cut_short) {
    ini_errors_init(&errors, error_text, 80);
    ini_errors_add(&errors, "%s", repeated('x', 200));
    ck_assert_str_eq(error_text + 70, "xxxxxx...");
    ck_assert_uint_eq(errors.unfit, 0);
    ini_errors_add(&errors, "short");
    ck_assert_int_eq(strncmp(error_text, repeated('x', 58), 58), 0);
    ck_assert_str_eq(error_text + 58, "x...\nand 1 more error");
    ck_assert_uint_eq(errors.unfit, 1);
}
END_TEST

/* However little memory there is and however many errors: terminated, within bounds, one line each.
 */
START_TEST(errors_in_little_memory) {
    for (size_t capacity = 1; capacity < 130; capacity++) {
        for (unsigned count = 0; count < 15; count++) {
            add_errors(capacity, count);
            unsigned lines = count > 0 ? 1 : 0;
            for (size_t i = 0; i < errors.length; i++) {
                lines += error_text[i] == '\n' ? 1 : 0;
            }
            const bool noted = strstr(error_text, "more error") != NULL;
            if (count > 0 && capacity > 64) {
                ck_assert_uint_eq(lines, count - errors.unfit + (noted ? 1 : 0));
                ck_assert(noted == (errors.unfit > 0));
            }
        }
    }
}
END_TEST

START_TEST(an_error_is_one_line) {
    ini_errors_add(&errors, "a\nb%c", '\r');
    ini_errors_add(&errors, "%s", "");
    ini_errors_add(&errors, "c");
    ck_assert_str_eq(error_text, "a?b?\n\nc");
    ck_assert_uint_eq(errors.count, 3);
}
END_TEST

/* ---- "did you mean" and the table as text ---- */

START_TEST(nearest_words) {
    static const char *const words[] = {
        "replica_retry_min_ms", "replica_retry_max_ms", "first_ms", "when", "ab", NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"replica_retry_mni_ms", "replica_retry_min_ms"},
        {"replica_retry_min", "replica_retry_min_ms"},
        {"replica_rety_max_ms", "replica_retry_max_ms"},
        {"replica-retry-max-ms", "replica_retry_max_ms"},
        {"REPLICA_RETRY_MAX_MS", "replica_retry_max_ms"},
        {"replica_retry_m_ms", "replica_retry_min_ms"},
        {"first_ms_", "first_ms"},
        {"ms_first", NULL},
        {"hwen", "when"},
        {"whenn", "when"},
        {"wen", "when"},
        {"then", "when"},
        {"whxe", NULL},
        {"ten", NULL},
        {"ba", "ab"},
        {"a", NULL},
        {"xy", NULL},
        {"", NULL},
        {"completely_different", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_pstr_eq(ini_nearest(cases[i].word, words), cases[i].nearest);
    }
    static const char *const none[] = {NULL};
    ck_assert_ptr_null(ini_nearest("when", none));
}
END_TEST

START_TEST(nearest_of_long_words) {
    char *word = strdup(repeated('w', 64));
    const char *const words[] = {word, NULL};
    ck_assert_ptr_eq(ini_nearest(repeated('w', 63), words), word);
    ck_assert_ptr_null(ini_nearest(repeated('w', 65), words));
    ck_assert_ptr_null(ini_nearest(repeated('w', 3000), words));
    free(word);
}
END_TEST

static void collect(void *context, const char *text) {
    char *collected = context;
    strncat(collected, text, 1023 - strlen(collected));
}

START_TEST(the_table_as_text) {
    char text[1024] = "";
    ini_describe_keys(keys, KEY_COUNT, (struct ini_text_sink){collect, text});
    ck_assert_str_eq(text, "wait_ms: 0 to 60000 (ms), default 200. How long.\n"
                           "count: 1 to 16, default 0. How many.\n"
                           "anything: 0 to 4294967295, default 4294967295. Any number.\n"
                           "when: miss or always, default always. When.\n"
                           "pick: same, next or random, required. Which.\n"
                           "name: 2 to 5 bytes of text, required. Whose.\n"
                           "label: 0 to 199 bytes of text, default empty. What is on it.\n");
}
END_TEST

/* ---- inih's settings, which the whole process may change ---- */

#define READ_OTHERWISE                                                                             \
    "read differently by inih, whose settings this process changed; accepted: its defaults"

START_TEST(inih_with_other_comments) {
    char prefixes[] = "#";
    char *usual = ini_inline_comment_prefixes;
    ini_inline_comment_prefixes = prefixes;
    load("[s]\na = 1 #2\nb = 3\n");
    ini_inline_comment_prefixes = usual;
    assert_errors("f.ini:2: [s] a = 1 #2: " READ_OTHERWISE);
    assert_no_entry("s", "a");
    assert_entry("s", "b", "3", 3);
    ck_assert(section_of("s")->incomplete);
}
END_TEST

START_TEST(inih_that_skips_lines) {
    char prefixes[] = "[k";
    char *usual = ini_start_comment_prefixes;
    ini_start_comment_prefixes = prefixes;
    load("[s]\nk = 1\na = 2\n");
    ini_start_comment_prefixes = usual;
    assert_errors("f.ini:2: [s] k = 1: " READ_OTHERWISE "\nf.ini:3: [s] a = 2: " READ_OTHERWISE);
    ck_assert_ptr_null(section_of("s")->entries);
}
END_TEST

START_TEST(inih_that_stops) {
    char prefixes[] = "#";
    char *usual = ini_inline_comment_prefixes;
    ini_inline_comment_prefixes = prefixes;
    ini_stop_on_first_error = true;
    load("[s #t]\na = 1\n[u]\n");
    ini_inline_comment_prefixes = usual;
    ini_stop_on_first_error = false;
    assert_errors("f.ini:1: inih stopped here, by settings that this process changed; accepted: "
                  "its defaults");
    ck_assert(document->incomplete);
}
END_TEST

START_TEST(inih_with_short_lines) {
    const int usual = ini_max_line;
    ini_max_line = 8;
    load("[s]\na = 123\na_ = 123\n[section]\nb = 1\n");
    ini_max_line = usual;
    assert_errors(
        "f.ini:3: [s] a_ = 123: this process lets inih read lines of 7 bytes only; accepted: its "
        "default\n"
        "f.ini:4: [section]: this process lets inih read lines of 7 bytes only; accepted: its "
        "default\n"
        "f.ini:5: [section] b = 1: " READ_OTHERWISE);
    assert_entry("s", "a", "123", 2);
}
END_TEST

START_TEST(inih_with_its_buffer_on_the_heap) {
    ini_use_stack = false;
    ini_allow_realloc = true;
    ini_max_line = 1000;
    load_formatted("[s]\nkey=%s\nb = 2\n", repeated('v', 195));
    ini_use_stack = true;
    ini_allow_realloc = false;
    ini_max_line = 200;
    assert_errors("");
    assert_entry("s", "key", repeated('v', 195), 2);
    assert_entry("s", "b", "2", 3);
}
END_TEST

/* ---- the N-th allocation fails, for every N ---- */

static const char eventful_text[] = "[s]\npick = same\nname = abc\ncount = 99\n[t]\nx = 1 ; cut\n"
                                    "[t]\ny = 1\n[u\n[v]\n z = 1\n";

/* Returns how many allocations it made. */
static unsigned load_eventful(bool from_file, unsigned failing) {
    ini_errors_init(&errors, error_text, sizeof error_text);
    ini_free(document);
    fail_allocation(failing);
    document = from_file ? ini_load(path, &errors)
                         : ini_load_text("f.ini", eventful_text, strlen(eventful_text), &errors);
    return fail_allocation(0);
}

/* The leak check of a sanitizer or of valgrind sees what is not released. */
static void fail_each_allocation(bool from_file) {
    const unsigned total = load_eventful(from_file, 0);
    ck_assert_uint_eq(total, from_file ? 10 : 9);
    ck_assert_ptr_nonnull(document);
    for (unsigned failing = 1; failing <= total; failing++) {
        ck_assert_uint_eq(load_eventful(from_file, failing), failing);
        ck_assert_ptr_null(document);
        ck_assert(errors.out_of_memory);
        ck_assert_uint_ge(errors.count, 1);
        const char *said = strstr(error_text, "f.ini: out of memory");
        ck_assert_ptr_nonnull(said);
        ck_assert_ptr_null(strchr(said, '\n'));
    }
    ck_assert_uint_eq(load_eventful(from_file, total + 1), total);
    ck_assert_ptr_nonnull(document);
    ck_assert(!errors.out_of_memory);
}

START_TEST(failing_allocations_of_a_text) {
    fail_each_allocation(false);
}
END_TEST

START_TEST(failing_allocations_of_a_file) {
    write_file(eventful_text);
    fail_each_allocation(true);
}
END_TEST

START_TEST(inih_out_of_memory) {
    inih_fails = true;
    load_eventful(false, 0);
    inih_fails = false;
    ck_assert_ptr_null(document);
    ck_assert(errors.out_of_memory);
    assert_errors("f.ini: out of memory");
}
END_TEST

START_TEST(what_never_allocates) {
    char text[1024] = "";
    load_eventful(false, 0);
    const struct ini_section *known = section_of("s");
    const struct ini_section *unknown = section_of("t");
    fail_allocation(1);
    ini_read_section(document, known, keys, KEY_COUNT, &settings, &errors);
    ini_read_section(document, unknown, keys, KEY_COUNT, &settings, &errors);
    ini_describe_keys(keys, KEY_COUNT, (struct ini_text_sink){collect, text});
    ck_assert_uint_eq(fail_allocation(0), 0);
    ck_assert_ptr_nonnull(strstr(error_text, "count = 99: too large"));
    ck_assert_ptr_nonnull(strstr(error_text, "x = 1: unknown key"));
}
END_TEST

/* ---- the suite ---- */

static TCase *add_case(Suite *suite, const char *name) {
    return suite_case(suite, name, set_up, tear_down, 60);
}

static void add_text_cases(Suite *suite) {
    TCase *accepted = add_case(suite, "accepted");
    tcase_add_test(accepted, a_file_as_it_should_be);
    tcase_add_test(accepted, nothing_at_all);
    tcase_add_test(accepted, empty_sections_are_seen);
    tcase_add_test(accepted, line_ends_and_byte_order_mark);
    tcase_add_test(accepted, semicolons_and_hashes_in_values);
    tcase_add_test(accepted, indentation_before_the_first_key);
    tcase_add_test(accepted, same_key_in_other_sections);

    TCase *refused = add_case(suite, "refused");
    const int refusal_count = (int)(sizeof refusals / sizeof *refusals);
    tcase_add_loop_test(refused, refused_texts, 0, refusal_count);
    tcase_add_loop_test(refused, refused_texts_with_carriage_returns, 0, refusal_count);
    tcase_add_test(refused, only_one_carriage_return_ends_a_line);
    tcase_add_test(refused, what_a_refused_line_leaves);
    tcase_add_test(refused, only_the_faulty_section_is_incomplete);

    TCase *limits = add_case(suite, "limits");
    tcase_add_test(limits, nul_bytes);
    tcase_add_test(limits, longest_line);
    tcase_add_test(limits, over_long_key_line);
    tcase_add_test(limits, over_long_header);
    tcase_add_test(limits, over_long_comment_and_blank_line);
    tcase_add_test(limits, longest_section_name);
    tcase_add_test(limits, most_sections);
    tcase_add_test(limits, most_keys);
    tcase_add_test(limits, largest_text);
}

static void add_file_cases(Suite *suite) {
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, make_directory, remove_directory);
    tcase_set_timeout(files, 60);
    suite_add_tcase(suite, files);
    tcase_add_test(files, a_file);
    tcase_add_test(files, no_file);
    tcase_add_test(files, a_directory);
    tcase_add_test(files, a_fifo);
    tcase_add_test(files, a_device);
    tcase_add_test(files, a_file_without_permission);
    tcase_add_test(files, a_file_that_fails_to_be_read);
    tcase_add_test(files, a_file_of_unknown_size);
    tcase_add_test(files, a_file_that_is_too_large);
    tcase_add_test(files, a_path_with_line_ends);
    tcase_add_test(files, failing_allocations_of_a_file);
}

static void add_value_cases(Suite *suite) {
    TCase *values = add_case(suite, "values");
    tcase_add_test(values, every_type);
    tcase_add_test(values, defaults_in_a_section);
    tcase_add_test(values, defaults_without_a_section);
    tcase_add_loop_test(values, a_bad_value, 0, (int)(sizeof bad_values / sizeof *bad_values));
    tcase_add_test(values, missing_keys);
    tcase_add_test(values, missing_keys_of_an_incomplete_section);
    tcase_add_test(values, errors_of_form_and_of_value_in_one_go);
    tcase_add_test(values, values_are_shown_printable_and_short);
    tcase_add_test(values, nearest_words);
    tcase_add_test(values, nearest_of_long_words);
    tcase_add_test(values, the_table_as_text);
}

static void add_other_cases(Suite *suite) {
    TCase *lists = add_case(suite, "errors");
    tcase_add_test(lists, errors_without_memory_for_text);
    tcase_add_test(lists, errors_that_fit_exactly);
    tcase_add_test(lists, errors_that_do_not_fit);
    tcase_add_test(lists, one_error_more);
    tcase_add_test(lists, first_error_is_cut_short);
    tcase_add_test(lists, errors_in_little_memory);
    tcase_add_test(lists, an_error_is_one_line);

    TCase *inih = add_case(suite, "inih");
    tcase_add_test(inih, inih_with_other_comments);
    tcase_add_test(inih, inih_that_skips_lines);
    tcase_add_test(inih, inih_that_stops);
    tcase_add_test(inih, inih_with_short_lines);
    tcase_add_test(inih, inih_with_its_buffer_on_the_heap);

    TCase *memory = add_case(suite, "memory");
    tcase_add_test(memory, failing_allocations_of_a_text);
    tcase_add_test(memory, inih_out_of_memory);
    tcase_add_test(memory, what_never_allocates);
}

int main(void) {
    Suite *suite = suite_create("strict_ini");
    add_text_cases(suite);
    add_file_cases(suite);
    add_value_cases(suite);
    add_other_cases(suite);
    return suite_run(suite);
}
