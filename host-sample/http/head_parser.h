/*
 * head_parser.h - the parser library behind the grammar: llhttp or http-parser, whichever the build
 * found; head_parser_llhttp.c and head_parser_http_parser.c are the only files that know which.
 *
 * It gets whole heads that request.c has checked line by line, so that what the libraries accept
 * leniently, each in its own way, never reaches them.
 *
 * [thread-safe]: keeps nothing between calls.
 */
#ifndef HTTP_HEAD_PARSER_H
#define HTTP_HEAD_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_head_part {
    HTTP_HEAD_TARGET,
    HTTP_HEAD_NAME, /* of a field; its value follows, which may be empty */
    HTTP_HEAD_VALUE
};

/* A part of the head, in the order of the head; points into its bytes. A part may come in several
 * pieces, which are adjacent. */
typedef void (*http_on_head_part)(void *context, enum http_head_part part, const char *bytes,
                                  size_t length);

struct http_head {
    uint64_t content_length; /* 0 unless has_length */
    bool has_length;
    bool keep_alive; /* the version's default, and what Connection says about it */
    bool is_head;    /* HEAD */
    bool is_connect; /* CONNECT */
};

/* Reads a head of `length` bytes, its empty line included. The libraries know different methods:
 * whatever stands in the first `foreign` bytes, for them it is HTTP_HEAD_STAND_IN; with 0 the head
 * has a method that all of them know. False if it is malformed. */
bool http_head_parse(const char *bytes, size_t length, size_t foreign, http_on_head_part on_part,
                     void *context, struct http_head *head);

/* A method that means nothing for how a request is read. */
#define HTTP_HEAD_STAND_IN "POST"

#endif
