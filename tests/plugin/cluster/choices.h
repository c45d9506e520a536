/*
 * choices.h - who decides what happens next: chance, or every possibility in turn.
 *
 * Stateless exploration (Godefroid, "Model checking for programming languages using VeriSoft",
 * 1997): a run asks for one choice after the other; the next run repeats all but the last that had
 * another possibility left. So no state need be saved, and a violation is told by its choices.
 */
#ifndef CHOICES_H
#define CHOICES_H

#include <stdbool.h>
#include <stdint.h>

enum { MAX_CHOICES = 400 };

struct choices {
    bool random;
    uint64_t seed;     /* random: its state */
    uint32_t rareness; /* random: one in so many of the rare choices is not 0; at least 1 */
    uint8_t taken[MAX_CHOICES];
    uint8_t of[MAX_CHOICES];
    int count; /* in this run */
    int given; /* to be repeated */
};

/* 0 to of - 1. */
int choose(struct choices *choices, int of);

/* The same, where 0 is the usual: chance leaves it seldom, or no read would come to its end. */
int choose_rarely(struct choices *choices, int of);

/* The first run, or the one that choices_advance prepared. */
void choices_begin(struct choices *choices);

/* A random run. */
void choices_at_random(struct choices *choices, uint64_t seed);

/* Enumeration: prepares the next run. False: that was the last. */
bool choices_advance(struct choices *choices);

#endif
