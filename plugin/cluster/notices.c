/*
 * notices.c - a ring.
 */
#include "notices.h"

#include "strict-ini/error_text.h"

#include <stdarg.h>
#include <stdio.h>

void notices_add(struct notices *notices, int32_t level, uint32_t server, const char *format, ...) {
    if (notices->count == MAX_NOTICES) {
        notices->dropped++;
        return;
    }
    struct rp_notice *notice = &notices->kept[(notices->first + notices->count) % MAX_NOTICES];
    va_list arguments;
    *notice = (struct rp_notice){.level = level, .server = server, .dropped = notices->dropped};
    va_start(arguments, format);
    (void)vsnprintf(notice->text, sizeof notice->text, format, arguments);
    va_end(arguments);
    ini_keep_to_one_line(notice->text); /* a server's name is the host's */
    notices->dropped = 0;
    notices->count++;
}

bool notices_take(struct notices *notices, struct rp_notice *notice) {
    if (notices->count == 0) {
        return false;
    }
    *notice = notices->kept[notices->first];
    notices->first = (notices->first + 1) % MAX_NOTICES;
    notices->count--;
    return true;
}
