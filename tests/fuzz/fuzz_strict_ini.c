/*
 * fuzz_strict_ini.c - libFuzzer target: any bytes as an INI text, and what must hold of the
 * outcome.
 *
 * The strongest of the invariants: inih alone reads a text without errors exactly as the document
 * does.
 */
#undef NDEBUG /* the assertions are the test */
#include "strict-ini/strict_ini.h"

#include <assert.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_NAME       "fuzz.ini"
#define ERRORS_CAPACITY (16 * 1024 * 1024)
#define LARGEST_INPUT   (16 * 1024)

struct settings {
    uint32_t number;
    int32_t choice;
    char text[INI_MAX_VALUE_BYTES + 1];
};

#define NUMBER_MIN 2
#define NUMBER_MAX 4294967290u
#define TEXT_MIN   1
#define TEXT_MAX   9

static const char *const choices[] = {"miss", "always", NULL};

static const struct ini_key keys[] = {
    {.name = "number",
     .type = INI_NUMBER,
     .min = NUMBER_MIN,
     .max = NUMBER_MAX,
     .fallback = "7",
     .unit = "ms",
     .offset = offsetof(struct settings, number)},
    {.name = "choice",
     .type = INI_CHOICE,
     .choices = choices,
     .fallback = "miss",
     .offset = offsetof(struct settings, choice)},
    {.name = "text",
     .type = INI_TEXT,
     .min = TEXT_MIN,
     .max = TEXT_MAX,
     .offset = offsetof(struct settings, text)},
};
#define KEY_COUNT (sizeof keys / sizeof *keys)

static unsigned count_of(char byte, const char *text, size_t length) {
    unsigned count = 0;
    for (size_t i = 0; i < length; i++) {
        count += text[i] == byte ? 1 : 0;
    }
    return count;
}

/* Reads every section into settings, which must then be within their bounds whatever the text says.
 */
static void read_every_section(const struct ini_document *document, struct ini_errors *errors) {
    for (const struct ini_section *section = document->sections; section != NULL;
         section = section->next) {
        struct settings settings;
        memset(&settings, 0xff, sizeof settings);
        const unsigned before = errors->count;
        ini_read_section(document, section, keys, KEY_COUNT, &settings, errors);
        assert(settings.number >= NUMBER_MIN && settings.number <= NUMBER_MAX);
        assert(settings.choice == 0 || settings.choice == 1);
        const size_t length = strnlen(settings.text, sizeof settings.text);
        assert(length <= TEXT_MAX);
        assert(length >= TEXT_MIN || errors->count > before || section->incomplete);
    }
}

static void check_sections(const struct ini_document *document, unsigned line_count) {
    unsigned section_count = 0;
    unsigned line = 0;
    for (const struct ini_section *section = document->sections; section != NULL;
         section = section->next) {
        unsigned entry_count = 0;
        assert(section->line > line && section->line <= line_count);
        assert(section->name[0] != '\0' && strlen(section->name) <= INI_MAX_SECTION_BYTES);
        assert(ini_find_section(document, section->name) == section);
        line = section->line;
        for (const struct ini_entry *entry = section->entries; entry != NULL; entry = entry->next) {
            assert(entry->line > line && entry->line <= line_count);
            assert(entry->key[0] != '\0');
            assert(strlen(entry->key) + 1 + strlen(entry->value) <= INI_MAX_LINE_BYTES);
            assert(ini_find(section, entry->key) == entry);
            line = entry->line;
            entry_count++;
        }
        assert(section->entry_count == entry_count && entry_count <= INI_MAX_KEYS);
        section_count++;
    }
    assert(document->section_count == section_count && section_count <= INI_MAX_SECTIONS);
}

/* One printable line for each error, which names a line of the text. */
static void check_errors(const struct ini_errors *errors, unsigned line_count) {
    assert(errors->unfit == 0);
    unsigned count = 0;
    for (const char *line = errors->text; *line != '\0'; count++) {
        const char *end = strchrnul(line, '\n');
        for (const char *byte = line; byte < end; byte++) {
            assert((unsigned char)*byte >= 0x20 && (unsigned char)*byte < 0x7f);
        }
        assert(strncmp(line, FILE_NAME ":", strlen(FILE_NAME ":")) == 0);
        char *number_end = NULL;
        const unsigned long number = strtoul(line + strlen(FILE_NAME ":"), &number_end, 10);
        assert(number >= 1 && number <= line_count && strncmp(number_end, ": ", 2) == 0);
        line = *end == '\n' ? end + 1 : end;
    }
    assert(count == errors->count);
}

/* The place in the document up to which inih has agreed. */
struct story {
    const struct ini_section *section;
    const struct ini_entry *entry;
};

static void skip_to_entry(struct story *story) {
    while (story->entry == NULL && story->section != NULL) {
        story->section = story->section->next;
        story->entry = story->section != NULL ? story->section->entries : NULL;
    }
}

static int compare_entry(void *context, const char *section, const char *key, const char *value) {
    struct story *story = context;
    skip_to_entry(story);
    assert(story->entry != NULL);
    assert(strcmp(story->section->name, section) == 0);
    assert(strcmp(story->entry->key, key) == 0);
    assert(strcmp(story->entry->value, value) == 0);
    story->entry = story->entry->next;
    return 1;
}

static void compare_with_inih(const struct ini_document *document, const char *text) {
    struct story story = {document->sections, NULL};
    if (story.section != NULL) {
        story.entry = story.section->entries;
    }
    /* Not 0 always: from 59 on inih complains of a line of 199 bytes, and reads it all the same. */
    assert(ini_parse_string(text, compare_entry, &story) >= 0);
    skip_to_entry(&story);
    assert(story.entry == NULL);
}

/* The same errors, gathered in less memory. */
static void check_in_little_memory(const char *text, size_t length, unsigned count) {
    const size_t capacity = length % 300;
    char *memory = malloc(capacity + 1); /* one more, so that the block is never empty */
    assert(memory != NULL);
    memory[capacity] = '#';
    struct ini_errors errors;
    ini_errors_init(&errors, memory, capacity);
    struct ini_document *document = ini_load_text(FILE_NAME, text, length, &errors);
    assert(document != NULL);
    read_every_section(document, &errors);
    ini_free(document);
    assert(errors.count == count && errors.unfit <= count);
    assert(memory[capacity] == '#');
    assert(errors.length == (capacity > 0 ? strnlen(memory, capacity) : 0));
    assert(errors.length < capacity || capacity == 0);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > LARGEST_INPUT) {
        return -1;
    }
    static char error_text[ERRORS_CAPACITY];
    const char *text = (const char *)data;
    const unsigned line_count = count_of('\n', text, size) + 1;
    struct ini_errors errors;
    ini_errors_init(&errors, error_text, sizeof error_text);
    struct ini_document *document = ini_load_text(FILE_NAME, text, size, &errors);
    assert(document != NULL && !errors.out_of_memory);
    check_sections(document, line_count);
    if (errors.count == 0) {
        char *copy = strndup(text, size);
        assert(copy != NULL);
        compare_with_inih(document, copy);
        free(copy);
    }
    read_every_section(document, &errors);
    check_errors(&errors, line_count);
    ini_free(document);
    check_in_little_memory(text, size, errors.count);
    return 0;
}
