/* The head of a request, taken apart where it is plainly right. Bytes only: nothing of Python. */
#ifndef HOTSWAP_PLAIN_HEAD_H
#define HOTSWAP_PLAIN_HEAD_H

#include <stddef.h>

#define MOST_FIELDS 100 /* a head with more goes to Python, whatever the limit is */

typedef struct {
    const char *at;
    size_t size;
} Span;

/* The settings' bounds, in bytes, but for `fields`, which is a number of lines. */
typedef struct {
    size_t line, fields, size;
} HeadBounds;

typedef struct {
    Span method, target;
    int minor_version;
    size_t consumed; /* with the empty line at the end */
    size_t count;
    Span names[MOST_FIELDS], values[MOST_FIELDS];
} PlainHead;

/* Returns 1 if `data` begins with a whole plain head. 0 judges nothing: it may be unfinished, unusual or wrong. */
int read_plain_head(const char *data, size_t size, const HeadBounds *bounds, PlainHead *head);

/* Whether `span` is `lower`, which is in lower case, in any spelling. */
int spells(Span span, const char *lower);

#endif
