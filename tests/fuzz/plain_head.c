/* plain_head SECONDS SEED: invented heads for hotswap/engine/native/plain_head.c, without Python, under the sanitizers.
 *
 * Each head lies in memory of exactly its size: a bytes of Python's ends with a zero that hides who reads one too far.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plain_head.h"

#define LONGEST 4096
#define CHANGES 4 /* at most, of one head */

static unsigned long long state;

static unsigned next_random(unsigned below)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return (unsigned)(state >> 32) % below;
}

/* What matters to a parser of heads, and some bytes that do not. */
static const char *const PIECES[] = {
    "GET ", "HEAD ", "POST ", "get ", "/", "/a?b=c", "/#", "*",
    " HTTP/1.1\r\n", " HTTP/1.0\r\n", " HTTP/1.2\r\n", " HTTP/1.1\n",
    "Host: a\r\n", "Content-Length: 5\r\n", "content-length:5\r\n",
    "X:\r\n", "X: \r\n", "X:  y\r\n", "X: y \r\n", "X: \ty\r\n", " folded\r\n", ": y\r\n", "X : y\r\n", "X: a\rb\r\n",
    "X: \x7f\r\n", "X: \xe9\r\n", "\r\n", "\r", "\n", ":", " ", "\t", "body",
};
#define MANY_PIECES (sizeof PIECES / sizeof *PIECES)

static size_t invent(char *data)
{
    static const unsigned line[] = {0, 4, 8};
    size_t size = 0, i, count = next_random(12);
    for (i = 0; i < count + 4; i++) {
        const char *piece = i < 3 ? PIECES[line[i]] : PIECES[i == 3 ? 12 : next_random(MANY_PIECES)];
        unsigned times = next_random(40) ? 1 : 1 + next_random(120); /* more fields than there may be */
        for (; times && size + strlen(piece) < LONGEST - 2; times--, size += strlen(piece))
            memcpy(data + size, piece, strlen(piece));
    }
    memcpy(data + size, "\r\n", 2);
    return size + 2;
}

static size_t spoil(char *data, size_t size)
{
    unsigned changes = next_random(3) ? 0 : next_random(CHANGES + 1);
    while (changes-- && size)
        data[next_random((unsigned)size)] = next_random(2) ? (char)next_random(256) : "\r\n: \0\t/A"[next_random(8)];
    return next_random(3) ? size : next_random((unsigned)size + 1); /* a head that has not all come yet */
}

static void fail(const char *why, const char *data, size_t size)
{
    size_t i;
    fprintf(stderr, "%s: ", why);
    for (i = 0; i < size; i++)
        fprintf(stderr, "\\x%02x", (unsigned char)data[i]);
    fputc('\n', stderr);
    abort();
}

static void check_span(Span span, const char *data, const PlainHead *head, size_t size)
{
    if (span.at < data || span.size > head->consumed || span.at + span.size > data + head->consumed)
        fail("a span lies outside of its head", data, size);
}

/* What is said of a head lies in it, within the bounds, and needs nothing that stands behind it. */
static void check(const char *data, size_t size, const HeadBounds *bounds, const PlainHead *head)
{
    PlainHead again;
    size_t i;
    if (head->consumed > size || head->consumed > bounds->size || head->count > bounds->fields ||
        head->count > MOST_FIELDS)
        fail("a bound is broken", data, size);
    check_span(head->method, data, head, size), check_span(head->target, data, head, size);
    for (i = 0; i < head->count; i++) {
        check_span(head->names[i], data, head, size), check_span(head->values[i], data, head, size);
        (void)spells(head->names[i], "content-length");
    }
    if (!read_plain_head(data, head->consumed, bounds, &again) || again.consumed != head->consumed)
        fail("the head alone is not what it is with more behind it", data, size);
    if (read_plain_head(data, head->consumed - 1, bounds, &again))
        fail("a head that has not all come is taken for whole", data, size);
}

static int one(void)
{
    char room[LONGEST], *data;
    HeadBounds bounds;
    PlainHead head;
    size_t size = spoil(room, invent(room));
    int plain;
    bounds.line = next_random(8) ? 4094 : next_random(30);
    bounds.fields = !next_random(8) ? next_random(5) : next_random(2) ? 100 : 32768;
    bounds.size = next_random(8) ? 8190 : next_random(200);
    if (!(data = malloc(size ? size : 1)))
        abort();
    memcpy(data, room, size);
    plain = read_plain_head(data, size, &bounds, &head);
    if (plain)
        check(data, size, &bounds, &head);
    free(data);
    return plain;
}

int main(int count, char **words)
{
    unsigned long long heads = 0, plain = 0;
    time_t end = time(NULL) + (count == 3 ? atoi(words[1]) : 0);
    if (count != 3)
        return 2;
    state = strtoull(words[2], NULL, 10) * 2654435761u + 1;
    while (heads % 1000 || time(NULL) < end)
        heads++, plain += (unsigned)one();
    printf("from seed %s: %llu heads in C alone, %llu of them plain\n", words[2], heads, plain);
    return !plain; /* or nothing was tried */
}
