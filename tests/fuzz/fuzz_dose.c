/*
 * fuzz_dose.c - runs a libFuzzer target without libFuzzer: a short, repeatable dose for make check.
 *
 *     PROGRAM CORPUS-DIRECTORY [RUNS]
 *
 * Every file of the kept corpus is given to the target unchanged, then RUNS inputs (default 2000)
 * made from them by small changes: bytes changed, cut out, doubled, taken from another file. The
 * changes come from a fixed seed, so a failure repeats. Mistakes are found by the target's own
 * assertions and by the sanitizers that it is built with.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILES 512u
#define MAX_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    uint8_t *bytes;
    size_t size;
};

struct corpus {
    struct input files[MAX_FILES];
    size_t count;
};

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t below(uint64_t *state, size_t limit) {
    return limit == 0 ? 0 : (size_t)(next_random(state) % limit);
}

static int read_file(const char *directory, const char *name, struct input *input) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "rb");
    input->bytes = malloc(MAX_BYTES);
    if (file == NULL || input->bytes == NULL) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        if (file != NULL) {
            (void)fclose(file);
        }
        return -1;
    }
    input->size = fread(input->bytes, 1, MAX_BYTES, file);
    return fclose(file);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_corpus(const char *directory, struct corpus *corpus) {
    struct dirent **names;
    int status = 0;
    int count = scandir(directory, &names, NULL, by_name);
    for (int i = 0; i < count; i++) {
        if (status == 0 && names[i]->d_name[0] != '.' && corpus->count < MAX_FILES) {
            status = read_file(directory, names[i]->d_name, &corpus->files[corpus->count++]);
        }
        free(names[i]);
    }
    if (count >= 0) {
        free(names);
    }
    return count < 0 || corpus->count == 0 ? -1 : status;
}

/* One small change of the bytes in `data`, of which there are *size, with space for MAX_BYTES. */
static void change(uint64_t *state, const struct corpus *corpus, uint8_t *data, size_t *size) {
    const struct input *other = &corpus->files[below(state, corpus->count)];
    size_t at = below(state, *size);
    size_t run = 1 + below(state, 16);
    switch (below(state, 4)) {
    case 0:
        if (*size > 0) {
            data[at] = (uint8_t)next_random(state);
        }
        break;
    case 1: /* cut out */
        run = run < *size - at ? run : *size - at;
        memmove(data + at, data + at + run, *size - at - run);
        *size -= run;
        break;
    case 2: /* double */
        run = run < *size - at ? run : *size - at;
        run = run < MAX_BYTES - *size ? run : MAX_BYTES - *size;
        memmove(data + at + run, data + at, *size - at);
        *size += run;
        break;
    default: /* the rest of another file */
        run = other->size < MAX_BYTES - at ? other->size : MAX_BYTES - at;
        if (run > 0) {
            memcpy(data + at, other->bytes, run);
            *size = at + run;
        }
        break;
    }
}

/* A copy of exactly its size, so that a read past its end is seen. */
static void run_target(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy != NULL) {
        memcpy(copy, data, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
}

int main(int argc, char **argv) {
    static struct corpus corpus;
    static uint8_t data[MAX_BYTES];
    uint64_t state = UINT64_C(0x2545F4914F6CDD1D);
    unsigned long runs = argc > 2 ? strtoul(argv[2], NULL, 10) : 2000;
    if (argc < 2 || read_corpus(argv[1], &corpus) != 0) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY [RUNS]; the directory holds inputs\n",
                      argv[0]);
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < corpus.count; i++) {
        run_target(corpus.files[i].bytes, corpus.files[i].size);
    }
    for (unsigned long i = 0; i < runs; i++) {
        const struct input *base = &corpus.files[below(&state, corpus.count)];
        size_t size = base->size;
        memcpy(data, base->bytes, size);
        for (size_t changes = 1 + below(&state, 4); changes > 0; changes--) {
            change(&state, &corpus, data, &size);
        }
        run_target(data, size);
    }
    (void)printf("%zu kept inputs and %lu changed ones\n", corpus.count, runs);
    for (size_t i = 0; i < corpus.count; i++) {
        free(corpus.files[i].bytes);
    }
    return EXIT_SUCCESS;
}
