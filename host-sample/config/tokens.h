/*
 * tokens.h - what clients have to show: from the file itself, or from one that it names.
 */
#ifndef CONFIG_TOKENS_H
#define CONFIG_TOKENS_H

#include "config.h"

/* Fills in [auth] token and other_token, once the section has been read and its paths are resolved.
 * No error shows a token, and nothing of it stays behind in memory but there. */
void config_read_tokens(struct host_config *config, const struct ini_document *document,
                        struct ini_errors *errors);

#endif
