/*
 * test_strict_plugin.c - what hosts load in place of the plugin in their tests names a mistake that
 * no cluster can see: two threads in it at once. By turns they may use it.
 */
#include "tests/lib/plugin_fixture.h"
#include "tests/lib/suite.h"

#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALLS 20000

static struct opened_plugin strict;
static struct ini_memory_file file;
static struct rp_set *set;
static struct rp_cluster *cluster;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void set_up(void) {
    struct opened_plugin plugin;
    char path[sizeof plugin.path + sizeof "/tests/strict_plugin.so"], err[256] = "";
    const struct rp_cluster_options options = {
        .struct_size = sizeof options, .max_servers = 1, .max_reads = 1, .now_ns = 1};
    plugin_open(&plugin);
    *strrchr(plugin.path, '/') = '\0';
    (void)snprintf(path, sizeof path, "%s/tests/strict_plugin.so", plugin.path);
    ck_assert_int_eq(setenv("READ_POLICY_SO", path, 1), 0);
    plugin_close(&plugin);
    plugin_open(&strict);
    ini_file_create(&file, "[index]\npolicy = read_index\n");
    set = set_must_open(strict.table, file.path);
    ck_assert_int_eq(strict.table->cluster->open(set, &options, &cluster, err, sizeof err), RP_OK);
}

static void look(void) {
    struct rp_cluster_info info = {.struct_size = sizeof info};
    ck_assert_int_eq(strict.table->cluster->info(cluster, &info), RP_OK);
}

/* Until the process ends, or for as many calls as are given. */
static void *look_on(void *by_turns) {
    for (unsigned i = 0; by_turns == NULL || i < CALLS; i++) {
        if (by_turns != NULL) {
            (void)pthread_mutex_lock(&lock);
        }
        look();
        if (by_turns != NULL) {
            (void)pthread_mutex_unlock(&lock);
        }
    }
    return NULL;
}

static void look_from_two_threads(void *by_turns) {
    pthread_t other;
    ck_assert_int_eq(pthread_create(&other, NULL, look_on, by_turns), 0);
    (void)look_on(by_turns);
    ck_assert_int_eq(pthread_join(other, NULL), 0);
}

START_TEST(two_threads_by_turns) {
    static bool by_turns = true;
    look_from_two_threads(&by_turns);
    ck_assert_uint_eq(strict.table->cluster->close(cluster), 0);
    strict.table->close(set);
}
END_TEST

START_TEST(two_threads_at_once) {
    const pid_t child = fork();
    int status = 0;
    if (child == 0) {
        look_from_two_threads(NULL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("strict_plugin");
    TCase *tests = tcase_create("strict_plugin");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, set_up, NULL);
    tcase_add_test(tests, two_threads_by_turns);
    tcase_add_test(tests, two_threads_at_once);
    return suite_run(suite);
}
