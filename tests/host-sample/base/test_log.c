/*
 * test_log.c - lines as they are written, readers that are stuck, limits by kind.
 */
#include "host-sample/base/log.h"
#include "host-sample/base/log_limits.h"
#include "host-sample/base/monotonic.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MS       UINT64_C(1000000)
#define STOP_MS  10000u
#define TEXT_MAX (8u << 20)

static int ends[2]; /* of the pipe that is the log's */
static char *text;  /* all that was read */
static size_t length;

static void set_up(void) {
    ck_assert_int_eq(pipe(ends), 0);
    text = malloc(TEXT_MAX + 1);
    ck_assert_ptr_nonnull(text);
    length = 0;
}

static void tear_down(void) {
    (void)close(ends[0]);
    free(text);
}

/* Until the other end is closed. */
static void *read_everything(void *context) {
    ssize_t got;
    (void)context;
    while ((got = read(ends[0], text + length, TEXT_MAX - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
    return NULL;
}

/* Stops the log, and reads what it wrote, meanwhile and until then. */
static void stop_and_read(struct log *log) {
    pthread_t reader;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_everything, NULL), 0);
    log_stop(log, STOP_MS);
    (void)close(ends[1]);
    (void)pthread_join(reader, NULL);
}

static uint64_t count(const char *piece) {
    uint64_t found = 0;
    for (const char *at = text; (at = strstr(at, piece)) != NULL; at += strlen(piece)) {
        found++;
    }
    return found;
}

/* The sum of all numbers that follow `"name":`. */
static uint64_t sum_of(const char *name) {
    char key[64];
    uint64_t sum = 0;
    (void)snprintf(key, sizeof key, "\"%s\":", name);
    for (const char *at = text; (at = strstr(at, key)) != NULL;) {
        at += strlen(key);
        sum += strtoull(at, NULL, 10);
    }
    return sum;
}

/* ---- one line -------------------------------------------------------------------------------- */

START_TEST(a_line_is_an_object) {
    struct log *log = log_start(ends[1]);
    const struct log_field fields[] = {LOG_TEXT("text", "a\"b\\\n\xff\x7f\xc2\x9b\xc2\xa0"),
                                       LOG_NUMBER("number", "1.5"), LOG_TEXT("none", NULL),
                                       LOG_END};
    log_write(log, LOG_LEVEL_WARN, "hello", fields);
    stop_and_read(log);
    ck_assert_ptr_eq(strstr(text, "{\"time\":\"2"), text);
    const char *rest = strstr(text, "\",\"level\"");
    ck_assert_ptr_nonnull(rest);
    ck_assert_str_eq(rest,
                     "\",\"level\":\"warn\",\"message\":\"hello\","
                     "\"text\":\"a\\\"b\\\\\\n\\ufffd\\u007f\\u009b\xc2\xa0\",\"number\":1.5}\n");
}
END_TEST

START_TEST(a_long_field_is_left_out_whole) {
    struct log *log = log_start(ends[1]);
    char huge[10000];
    memset(huge, 'x', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    const struct log_field fields[] = {LOG_TEXT("first", "1"), LOG_TEXT("huge", huge), LOG_END};
    log_write(log, LOG_LEVEL_INFO, "m", fields);
    stop_and_read(log);
    ck_assert_ptr_nonnull(strstr(text, "\"message\":\"m\",\"first\":\"1\"}\n"));
}
END_TEST

START_TEST(the_journal_is_told_priorities) {
    static const char *const marks[] = {"<6>{", "<4>{", "<3>{"};
    struct stat status;
    char stream[64];
    ck_assert_int_eq(fstat(ends[1], &status), 0);
    /* Another stream's name first: what is not a journal gets no mark. */
    for (uintmax_t other = 0; other < 2; other++) {
        (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)status.st_dev,
                       (uintmax_t)status.st_ino + 1 - other);
        (void)setenv("JOURNAL_STREAM", stream, 1);
        struct log *log = log_start(ends[1]);
        log_write(log, (enum log_level)_i, "m", NULL);
        log_stop(log, STOP_MS);
    }
    (void)close(ends[1]);
    (void)read_everything(NULL);
    ck_assert_int_eq(text[0], '{');
    ck_assert_uint_eq(count(marks[_i]), 1);
    ck_assert_uint_eq(count("\n"), 2);
}
END_TEST

/* ---- readers --------------------------------------------------------------------------------- */

static void write_numbered(struct log *log, uint64_t lines) {
    for (uint64_t i = 0; i < lines; i++) {
        char number[24];
        (void)snprintf(number, sizeof number, "%" PRIu64, i);
        const struct log_field fields[] = {LOG_NUMBER("line", number), LOG_END};
        log_write(log, LOG_LEVEL_ERROR, "numbered", fields);
    }
}

START_TEST(a_stuck_reader_stops_nobody) {
    const uint64_t lines = 40000; /* some 4 MB: far more than queue and pipe hold */
    struct log *log = log_start(ends[1]);
    write_numbered(log, lines);
    const uint64_t dropped = log_dropped(log);
    ck_assert_uint_gt(dropped, lines / 2);
    stop_and_read(log);
    ck_assert_uint_eq(count("\"numbered\""), lines - dropped);
    ck_assert_uint_eq(sum_of("dropped"), dropped);
    ck_assert_uint_eq(count("log lines were lost"), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"line\":0}"));
}
END_TEST

START_TEST(the_end_does_not_wait_for_a_stuck_reader) {
    struct log *log = log_start(ends[1]);
    write_numbered(log, 40000);
    const uint64_t began = monotonic_ns();
    log_stop(log, 100);
    const uint64_t took = monotonic_ns() - began;
    ck_assert_uint_ge(took, 100 * MS);
    ck_assert_uint_lt(took, 5000 * MS);
    /* Let the thread go, before the test's own end. */
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    while ((void)read_everything(NULL), count("log lines were lost") == 0) {
        (void)usleep(1000);
    }
}
END_TEST

START_TEST(a_descriptor_that_others_made_non_blocking_loses_nothing) {
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
    struct log *log = log_start(ends[1]);
    write_numbered(log, 3000); /* more than the pipe holds, less than the queue does */
    ck_assert_uint_eq(log_dropped(log), 0);
    stop_and_read(log);
    ck_assert_uint_eq(count("\"numbered\""), 3000);
}
END_TEST

START_TEST(a_reader_that_left_loses_lines_and_is_counted) {
    (void)signal(SIGPIPE, SIG_IGN);
    struct log *log = log_start(ends[1]);
    (void)close(ends[0]);
    ends[0] = dup(ends[1]);
    write_numbered(log, 10);
    while (log_dropped(log) < 10) {
        (void)usleep(1000);
    }
    log_stop(log, STOP_MS);
    (void)close(ends[1]);
}
END_TEST

/* A disk that is full, and has room again: one line is cut off, and spoils none that follows it. */
START_TEST(a_full_disk_loses_lines_and_is_told) {
    char path[] = "/tmp/test_log_XXXXXX";
    struct rlimit limit;
    const int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const rlim_t whole = limit.rlim_cur;
    limit.rlim_cur = 1000;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    struct log *log = log_start(fd);
    for (int i = 0; i < 100; i++) {
        log_write(log, LOG_LEVEL_INFO, "a line", NULL);
    }
    while (log_dropped(log) == 0) {
        (void)usleep(1000);
    }
    limit.rlim_cur = whole;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    log_write(log, LOG_LEVEL_INFO, "there is room again", NULL);
    log_stop(log, STOP_MS);
    (void)close(ends[1]);
    length = 0;
    ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t got; (got = read(fd, text + length, TEXT_MAX - length)) > 0;) {
        length += (size_t)got;
    }
    text[length] = '\0';
    (void)close(fd);
    (void)unlink(path);
    const char *torn = strstr(text, "\n{\"time\"");
    uint64_t broken = 0;
    for (const char *line = text; torn != NULL && line < text + length;) {
        const char *end = strchr(line, '\n');
        ck_assert_ptr_nonnull(end);
        broken += end[-1] != '}';
        line = end + 1;
    }
    ck_assert_uint_eq(broken, 1);
    ck_assert_uint_eq(count("there is room again"), 1);
    ck_assert_uint_eq(count("could not be written"), 1);
    ck_assert_uint_eq(count(strerror(EFBIG)), 1);
    ck_assert_uint_eq(count("\"a line\"") + sum_of("dropped"), 100);
}
END_TEST

/* ---- limits ---------------------------------------------------------------------------------- */

START_TEST(a_kind_has_a_burst_and_then_a_rate) {
    struct log_limits limits = {0};
    uint64_t now = 1000 * MS;
    unsigned admitted = 0;
    for (unsigned i = 0; i < 1000; i++) {
        admitted += log_limits_admit(&limits, LOG_FAILED, LOG_LEVEL_ERROR, now);
    }
    ck_assert_uint_eq(admitted, LOG_BURST);
    ck_assert_uint_eq(limits.summary_ns, now + 1000 * MS);
    ck_assert_uint_eq(log_limits_take(&limits, LOG_FAILED), 1000 - LOG_BURST);
    ck_assert_uint_eq(log_limits_take(&limits, LOG_FAILED), 0);
    ck_assert(log_limits_admit(&limits, LOG_NOT_FOUND, LOG_LEVEL_ERROR, now));
    admitted = 0;
    for (unsigned i = 0; i < 1000; i++) { /* for 10 s */
        now += 10 * MS;
        admitted += log_limits_admit(&limits, LOG_FAILED, LOG_LEVEL_ERROR, now);
    }
    ck_assert_uint_eq(admitted, 10 * LOG_PER_S);
    now += 3600 * 1000 * MS; /* an hour without lines allows one burst, and no more */
    admitted = 0;
    for (unsigned i = 0; i < 1000; i++) {
        admitted += log_limits_admit(&limits, LOG_FAILED, LOG_LEVEL_ERROR, now);
    }
    ck_assert_uint_eq(admitted, LOG_BURST);
}
END_TEST

START_TEST(what_is_left_out_is_told_within_a_second) {
    struct log *log = log_start(ends[1]);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    const uint64_t began = monotonic_ns();
    for (unsigned i = 0; i < 2000; i++) {
        log_write_limited(log, LOG_PRIMARY_SERVED, LOG_LEVEL_WARN, "limited", NULL);
    }
    log_write(log, LOG_LEVEL_INFO, "unlimited", NULL);
    while ((void)read_everything(NULL), count("left_out") == 0) {
        (void)usleep(1000);
    }
    const uint64_t took_ms = (monotonic_ns() - began) / MS;
    ck_assert_uint_ge(took_ms, 900);
    ck_assert_uint_lt(took_ms, 5000);
    const uint64_t written = count("\"limited\"");
    ck_assert_uint_ge(written, LOG_BURST);
    ck_assert_uint_le(written, LOG_BURST + 20);
    ck_assert_uint_eq(written + sum_of("left_out"), 2000);
    ck_assert_uint_eq(count("\"level\":\"warn\",\"message\":\"more lines"), 1);
    ck_assert_uint_eq(count("\"unlimited\""), 1);
    ck_assert_uint_eq(log_dropped(log), 0);
    log_stop(log, STOP_MS);
    (void)close(ends[1]);
}
END_TEST

START_TEST(what_is_left_out_is_told_at_the_end) {
    struct log *log = log_start(ends[1]);
    for (unsigned i = 0; i < 300; i++) {
        log_write_limited(log, LOG_SERVER, LOG_LEVEL_INFO, "limited", NULL);
    }
    stop_and_read(log);
    ck_assert_uint_eq(count("\"limited\"") + sum_of("left_out"), 300);
    ck_assert_uint_gt(sum_of("left_out"), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log");
    TCase *cases = tcase_create("log");
    tcase_set_timeout(cases, 60);
    tcase_add_checked_fixture(cases, set_up, tear_down);
    tcase_add_test(cases, a_line_is_an_object);
    tcase_add_test(cases, a_long_field_is_left_out_whole);
    tcase_add_loop_test(cases, the_journal_is_told_priorities, 0, 3);
    tcase_add_test(cases, a_stuck_reader_stops_nobody);
    tcase_add_test(cases, the_end_does_not_wait_for_a_stuck_reader);
    tcase_add_test(cases, a_descriptor_that_others_made_non_blocking_loses_nothing);
    tcase_add_test(cases, a_reader_that_left_loses_lines_and_is_counted);
    tcase_add_test(cases, a_full_disk_loses_lines_and_is_told);
    tcase_add_test(cases, a_kind_has_a_burst_and_then_a_rate);
    tcase_add_test(cases, what_is_left_out_is_told_within_a_second);
    tcase_add_test(cases, what_is_left_out_is_told_at_the_end);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}
