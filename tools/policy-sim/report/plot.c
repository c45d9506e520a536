/*
 * plot.c - writes a gnuplot script with its data into a temporary file and runs gnuplot on it.
 *
 * A file and not a pipe: if gnuplot ends early, its exit status tells, and no SIGPIPE kills us.
 */
#include "plot.h"

#include "new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* More points than this do not fit in the picture. */
#define MAX_POINTS 500u

enum panel { LAG, PRIMARY_READS, ADDED, SHEDS, PANELS };

static const char *const panel_titles[PANELS] = {
    [LAG] = "replica lag (longest), ms",
    [PRIMARY_READS] = "primary reads per second",
    [ADDED] = "longest added latency, ms",
    [SHEDS] = "sheds per second",
};

/* ---- gnuplot --------------------------------------------------------------------------------- */

/* Runs gnuplot on these files. True if it succeeded. */
static bool run_gnuplot(char *argument, int input, int output, char *err, size_t err_length) {
    char program[] = "gnuplot";
    char *argv[] = {program, argument, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    int error = posix_spawn_file_actions_init(&actions);
    if (error == 0) {
        error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
        error =
            error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        error = error != 0 ? error : posix_spawnp(&pid, program, &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    if (error == ENOENT) {
        (void)snprintf(err, err_length,
                       "--plot needs gnuplot, which is not installed (Debian: apt "
                       "install gnuplot-nox)");
        return false;
    }
    if (error != 0) {
        (void)snprintf(err, err_length, "cannot run gnuplot: %s", strerror(error));
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        (void)snprintf(err, err_length, "gnuplot failed");
        return false;
    }
    return true;
}

static bool gnuplot_is_there(char *err, size_t err_length) {
    char version[] = "--version";
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool there = run_gnuplot(version, null, null, err, err_length);
    (void)close(null);
    return there;
}

bool plot_possible(const char *path, char *err, size_t err_length) {
    struct new_file file;
    if (!gnuplot_is_there(err, err_length) || !new_file_open(&file, path, err, err_length)) {
        return false;
    }
    new_file_give_up(&file, false);
    return true;
}

/* ---- the script ------------------------------------------------------------------------------ */

/* The unit of the time axis. */
struct time_unit {
    const char *name;
    unsigned seconds;
};

static const struct time_unit *unit_of(size_t seconds) {
    static const struct time_unit units[] = {{"seconds", 1}, {"minutes", 60}, {"hours", 3600}};
    return &units[seconds <= 600 ? 0 : seconds <= 10800 ? 1 : 2];
}

/* A single-quoted gnuplot string: only the quote itself is special. */
static void print_string(FILE *script, const char *text) {
    (void)fputc('\'', script);
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            (void)fputc('\'', script);
        }
        (void)fputc(*text, script);
    }
    (void)fputc('\'', script);
}

static bool is_time(enum panel panel) {
    return panel == LAG || panel == ADDED;
}

/* Times are in microseconds here, and printed as milliseconds. */
static uint64_t value_of(const struct figures_second *second, enum panel panel) {
    switch (panel) {
    case LAG:
        return second->longest_lag_ns / 1000;
    case PRIMARY_READS:
        return second->primary_reads;
    case ADDED:
        return second->longest_added_ns / 1000;
    default:
        return second->sheds;
    }
}

/* One data block: a point for every `step` seconds, their maximum. */
static void print_data(FILE *script, const struct figures *figures, enum panel panel,
                       size_t section) {
    size_t step = (figures->second_count + MAX_POINTS - 1) / MAX_POINTS;
    (void)fprintf(script, "$p%d_%zu << END\n", (int)panel, section);
    for (size_t begin = 0; begin < figures->second_count; begin += step) {
        uint64_t greatest = 0;
        for (size_t i = begin; i < begin + step && i < figures->second_count; i++) {
            uint64_t value = value_of(&figures->seconds[i], panel);
            greatest = value > greatest ? value : greatest;
        }
        if (is_time(panel)) {
            (void)fprintf(script, "%zu %" PRIu64 ".%03" PRIu64 "\n", begin, greatest / 1000,
                          greatest % 1000);
        } else {
            (void)fprintf(script, "%zu %" PRIu64 "\n", begin, greatest);
        }
    }
    (void)fputs("END\n", script);
}

/* A little more than the greatest value, and never 0: gnuplot complains about an empty range. */
static uint64_t top_of(enum panel panel, const struct section_figures *sections, size_t count) {
    uint64_t greatest = 0;
    for (size_t i = 0; i < count; i++) {
        const struct figures *figures = sections[i].figures;
        for (size_t second = 0; second < figures->second_count; second++) {
            uint64_t value = value_of(&figures->seconds[second], panel);
            greatest = value > greatest ? value : greatest;
        }
    }
    greatest = is_time(panel) ? greatest / 1000 : greatest;
    return greatest + greatest / 16 + 1;
}

/* The lag is the same for all sections: it is drawn once. One legend is enough for the others. */
static void print_panel(FILE *script, enum panel panel, const struct section_figures *sections,
                        size_t count, const struct time_unit *unit) {
    size_t lines = panel == LAG ? 1 : count;
    for (size_t i = 0; i < lines; i++) {
        print_data(script, sections[i].figures, panel, i);
    }
    (void)fprintf(script,
                  "set title '%s'\nset yrange [0:%" PRIu64 "]\nset key %s\nset xlabel '%s'\nplot",
                  panel_titles[panel], top_of(panel, sections, count),
                  panel == PRIMARY_READS ? "outside below horizontal center" : "off",
                  panel == PANELS - 1 ? unit->name : "");
    for (size_t i = 0; i < lines; i++) {
        (void)fprintf(script, "%s $p%d_%zu using ($1/%u.0):2 with steps lw 1.5 lc %zu title ",
                      i > 0 ? "," : "", (int)panel, i, unit->seconds, panel == LAG ? 0 : i + 1);
        print_string(script, sections[i].section);
        (void)fputs(" noenhanced", script);
    }
    (void)fputc('\n', script);
}

/* Cairo's lines are smoother, where gnuplot has it. */
static const char head[] =
    "if (strstrt(GPVAL_TERMINALS, 'pngcairo') > 0) set terminal pngcairo size 1000,1100; "
    "else set terminal png size 1000,1100\n"
    "set grid\nset lmargin 12\n"
    "set rmargin 4\n";

static bool write_script(FILE *script, const struct section_figures *sections, size_t count) {
    size_t length = count > 0 ? sections[0].figures->second_count : 0;
    const struct time_unit *unit = unit_of(length);
    (void)fputs(head, script);
    (void)fprintf(script, "set xrange [0:%zu/%u.0]\nset multiplot layout %d,1\n", length,
                  unit->seconds, PANELS);
    for (int panel = 0; panel < PANELS; panel++) {
        print_panel(script, (enum panel)panel, sections, count, unit);
    }
    (void)fputs("unset multiplot\n", script);
    return fflush(script) == 0 && ferror(script) == 0 && fseek(script, 0, SEEK_SET) == 0;
}

/* gnuplot does not tell if something could not be written: a whole picture has its last chunk. */
static bool is_whole(int picture) {
    static const char last[8] = {'I', 'E', 'N', 'D', '\xae', 'B', '`', '\x82'};
    char there[sizeof last] = "";
    const off_t size = lseek(picture, 0, SEEK_END);
    return size > (off_t)sizeof last &&
           pread(picture, there, sizeof there, size - (off_t)sizeof last) == sizeof there &&
           memcmp(there, last, sizeof last) == 0;
}

static bool draw(int picture, const struct section_figures *sections, size_t count, char *err,
                 size_t err_length) {
    char from_stdin[] = "-";
    FILE *script = tmpfile();
    bool drawn = false;
    if (script == NULL || !write_script(script, sections, count)) {
        (void)snprintf(err, err_length, "cannot write a temporary file: %s", strerror(errno));
    } else {
        drawn = run_gnuplot(from_stdin, fileno(script), picture, err, err_length);
        if (drawn && !is_whole(picture)) {
            (void)snprintf(err, err_length, "gnuplot did not draw a whole picture");
            drawn = false;
        }
    }
    if (script != NULL) {
        (void)fclose(script);
    }
    return drawn;
}

static bool copy(int picture, FILE *out) {
    char bytes[8192];
    ssize_t count;
    for (off_t at = 0; (count = pread(picture, bytes, sizeof bytes, at)) > 0; at += count) {
        if (fwrite(bytes, 1, (size_t)count, out) != (size_t)count) {
            return false;
        }
    }
    return count == 0;
}

/* Into memory first, so that an earlier picture stays until there is a whole one. */
bool plot_png(const char *path, const struct section_figures *sections, size_t count, char *err,
              size_t err_length) {
    struct new_file file;
    if (!new_file_open(&file, path, err, err_length)) {
        return false;
    }
    int picture = memfd_create("plot", MFD_CLOEXEC);
    bool drawn = false;
    if (picture < 0) {
        (void)snprintf(err, err_length, "no memory for the picture: %s", strerror(errno));
    } else {
        drawn = draw(picture, sections, count, err, err_length);
        if (drawn && !copy(picture, file.out)) {
            (void)snprintf(err, err_length, "%s: %s", path, strerror(errno));
            drawn = false;
        }
        (void)close(picture);
    }
    if (!drawn) {
        new_file_give_up(&file, false);
        return false;
    }
    return new_file_keep(&file, false, err, err_length);
}
