/*
 * tokens.c - see tokens.h.
 */
#include "tokens.h"

#include "strict-ini/file_text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"
#define DELETE          0x7f
#define UNSENDABLE      "what no client sends: a control character, or a byte order mark"

enum token_line { TOKEN_READ, TOKEN_NONE, TOKEN_LONG, TOKEN_UNSENDABLE };

static int next_byte(FILE *file) {
    return feof(file) || ferror(file) ? EOF : fgetc(file);
}

static bool is_padding(int byte) {
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Whether anything but empty lines is left. */
static bool has_more(FILE *file) {
    int next = next_byte(file);
    while (next == '\n' || is_padding(next)) {
        next = next_byte(file);
    }
    return next != EOF;
}

/* Whether a client can send it in a header, where HTTP knows no control characters but the tab. The
 * mark that some editors put before a text is not meant to be sent. */
static bool is_sendable(const char *token) {
    bool good = strncmp(token, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) != 0;
    for (size_t i = 0; token[i] != '\0'; i++) {
        const unsigned char byte = (unsigned char)token[i];
        good = good && (byte >= ' ' || byte == '\t') && byte != DELETE;
    }
    return good;
}

/* The next line, without its end, and without the blanks at both ends, which HTTP takes off a
 * header, too; none at the end of the file, or if nothing remains. */
static enum token_line read_token_line(FILE *file, char token[HOST_MAX_SECRET]) {
    char line[HOST_MAX_SECRET + 1];
    size_t length = 0, blanks = 0;
    enum token_line outcome;
    int next = next_byte(file);
    while (next != EOF && next != '\n' && length < sizeof line) {
        line[length++] = (char)next;
        next = next_byte(file);
    }
    const bool whole = length < sizeof line;
    while (length > 0 && is_padding(line[length - 1])) {
        length--;
    }
    while (blanks < length && is_padding(line[blanks])) {
        blanks++;
    }
    length -= blanks;
    if (!whole || length >= HOST_MAX_SECRET) {
        outcome = TOKEN_LONG;
    } else if (length == 0) {
        outcome = TOKEN_NONE;
    } else {
        memcpy(token, line + blanks, length);
        token[length] = '\0';
        outcome = strlen(token) == length && is_sendable(token) ? TOKEN_READ : TOKEN_UNSENDABLE;
    }
    explicit_bzero(line, sizeof line);
    return outcome;
}

/* Its first line becomes the token, the second one the other token. Why it cannot; NULL if it can.
 */
static const char *read_tokens_of(FILE *file, struct host_config *config) {
    (void)setvbuf(file, NULL, _IONBF, 0); /* no token stays behind in a buffer */
    const enum token_line first = read_token_line(file, config->auth.token);
    const enum token_line second =
        first == TOKEN_READ ? read_token_line(file, config->auth.other_token) : TOKEN_NONE;
    const bool more = has_more(file);
    if (ferror(file)) {
        return strerror(errno);
    }
    if (first == TOKEN_LONG || second == TOKEN_LONG) {
        return "a line is too long";
    }
    if (first == TOKEN_UNSENDABLE || second == TOKEN_UNSENDABLE) {
        return "a line holds " UNSENDABLE;
    }
    if (first == TOKEN_NONE) {
        return "its first line is empty";
    }
    return more ? "it has more than two lines" : NULL;
}

static void read_token_file(struct host_config *config, const char *place,
                            struct ini_errors *errors) {
    /* Of a FIFO the writer, and then its next line, would be waited for, and the host with them. */
    const int descriptor = ini_open_regular(config->auth.token_file);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
    const char *why = file != NULL ? read_tokens_of(file, config)
                      : errno != 0 ? strerror(errno)
                                   : "it is not a regular file";
    if (why != NULL) {
        ini_errors_add(errors,
                       "%s: %s; accepted: a readable file of one token a line, one or two of "
                       "them, each of 1 to %u bytes",
                       place, why, HOST_MAX_SECRET - 1);
    }
    if (file != NULL) {
        (void)fclose(file);
    } else if (descriptor >= 0) {
        close(descriptor);
    }
}

/* The two, in the file's order; what is wrong with a value has been said. */
static void read_tokens(struct host_config *config, const struct ini_section *section) {
    const struct ini_entry *first = ini_find(section, "token");
    const struct ini_entry *second = first != NULL ? first->next : NULL;
    while (second != NULL && strcmp(second->key, "token") != 0) {
        second = second->next;
    }
    if (second != NULL) {
        (void)strlcpy(config->auth.token, first->value, sizeof config->auth.token);
        (void)strlcpy(config->auth.other_token, second->value, sizeof config->auth.other_token);
    }
}

/* What stands in the file itself, each of two tokens, too: nobody could ever send it. */
static void check_sendable(const struct ini_document *document, const struct ini_section *section,
                           struct ini_errors *errors) {
    for (const struct ini_entry *entry = section->entries; entry != NULL; entry = entry->next) {
        const bool is_sent =
            strcmp(entry->key, "token") == 0 || strcmp(entry->key, "deployment_id") == 0;
        if (is_sent && !is_sendable(entry->value)) {
            ini_errors_add(errors,
                           "%s:%u: [%s] %s: it holds " UNSENDABLE
                           "; accepted: what a header can carry",
                           document->path, entry->line, section->shown, entry->key);
        }
    }
}

void config_read_tokens(struct host_config *config, const struct ini_document *document,
                        struct ini_errors *errors) {
    const struct ini_section *section = ini_find_section(document, "auth");
    char place[PATH_MAX];
    if (section == NULL) {
        return;
    }
    read_tokens(config, section);
    check_sendable(document, section, errors);
    if (config->auth.token_file[0] == '\0') {
        return;
    }
    ini_place(place, sizeof place, document, section, "token_file");
    if (config->auth.token[0] != '\0') {
        ini_errors_add(errors, "%s: there is a token too; accepted: one of them", place);
        return;
    }
    read_token_file(config, place, errors);
}
