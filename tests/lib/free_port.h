/*
 * free_port.h - TCP ports of 127.0.0.1 for test programs that run at the same time: of one user or
 * of several, in one container or in several on one network. testbed.py does the same for Python.
 */
#ifndef FREE_PORT_H
#define FREE_PORT_H

#include <stdint.h>

/* A port that nobody listens on now, not one of the last 99 that this program was given, and no
 * other test program's. The first call takes a block of ports, which is this program's until it
 * ends. Ends the program with a message if there is none. */
uint16_t free_port(void);

#endif
