/*
 * facts.c - see facts.h.
 */
#include "facts.h"

#include "strict-ini/strict_ini.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a: it tells apart files that differ, and need not withstand anybody. */
static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return hash;
}

/* Without what could be guessed from a hash: [auth], and what may hold a password. */
static uint64_t hash_file(const char *path) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char line[1024];
    bool secret = false;
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '[') {
            secret = strncmp(line, "[auth]", 6) == 0;
        }
        if (!secret && strncmp(line, "conninfo", 8) != 0) {
            hash = hash_text(hash, line);
        }
    }
    explicit_bzero(line, sizeof line);
    (void)fclose(file);
    return hash;
}

static void take_option(struct config_facts *facts, const struct ini_entry *entry) {
    const size_t digits = strspn(entry->value, "0123456789");
    if (strcmp(entry->key, "policy") == 0) {
        (void)strlcpy(facts->policy, entry->value, sizeof facts->policy);
        return;
    }
    if (strcmp(entry->key, "on_replica_failure") == 0) {
        facts->primary_may_stand_in = strcmp(entry->value, "primary") == 0;
    }
    const size_t used = strlen(facts->options_text);
    (void)snprintf(facts->options_text + used, sizeof facts->options_text - used, "%s%s=%s",
                   used > 0 ? " " : "", entry->key, entry->value);
    if (digits > 0 && entry->value[digits] == '\0' && facts->number_count < FACTS_MAX_NUMBERS) {
        (void)strlcpy(facts->numbers[facts->number_count].name, entry->key, FACTS_NAME_BYTES);
        facts->numbers[facts->number_count++].value =
            (uint32_t)strtoul(entry->value, NULL, 10); /* the plugin has checked its bounds */
    }
}

static void read_options(struct config_facts *facts, const char *path, const char *section) {
    char text[256];
    struct ini_errors errors;
    ini_errors_init(&errors, text, sizeof text);
    struct ini_document *document = ini_load(path, &errors);
    const struct ini_section *found = document != NULL ? ini_find_section(document, section) : NULL;
    for (const struct ini_entry *entry = found != NULL ? found->entries : NULL; entry != NULL;
         entry = entry->next) {
        take_option(facts, entry);
    }
    ini_free(document);
}

void config_facts_read(struct config_facts *facts, const char *config_path, const char *policy_path,
                       const char *section) {
    *facts = (struct config_facts){.config_hash = hash_file(config_path),
                                   .policy_hash = hash_file(policy_path)};
    read_options(facts, policy_path, section);
}
