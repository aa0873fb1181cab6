#include "plain_head.h"

#include <string.h>

/* The same grammar as hotswap/engine/http1/plain_head.py: token (RFC 9110, 5.6.2), value (5.5) without blanks around it. */

static int is_token(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return 1;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static int is_blank(unsigned char c)
{
    return c == ' ' || c == '\t';
}

static int is_value(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static int is_target(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != '#';
}

/* The method up to its blank. Which methods there are is asked elsewhere. */
static const char *read_method(const char *at, const char *end, PlainHead *head)
{
    head->method.at = at;
    while (at < end && *at >= 'A' && *at <= 'Z')
        at++;
    head->method.size = (size_t)(at - head->method.at);
    return at < end && *at == ' ' && head->method.size ? at + 1 : NULL;
}

static const char *read_target(const char *at, const char *end, PlainHead *head)
{
    head->target.at = at;
    if (at == end || *at != '/')
        return NULL;
    while (at < end && is_target((unsigned char)*at))
        at++;
    head->target.size = (size_t)(at - head->target.at);
    return at < end && *at == ' ' ? at + 1 : NULL;
}

static const char *read_version(const char *at, const char *end, PlainHead *head)
{
    if (end - at < 10 || memcmp(at, "HTTP/1.", 7) != 0 || (at[7] != '0' && at[7] != '1') || at[8] != '\r' || at[9] != '\n')
        return NULL;
    head->minor_version = at[7] - '0';
    return at + 10;
}

/* One field line; what follows it, or NULL. */
static const char *read_field(const char *at, const char *end, PlainHead *head)
{
    Span *name = &head->names[head->count], *value = &head->values[head->count];
    name->at = at;
    while (at < end && is_token((unsigned char)*at))
        at++;
    name->size = (size_t)(at - name->at);
    if (!name->size || at == end || *at++ != ':')
        return NULL;
    if (at < end && *at == ' ')
        at++;
    value->at = at;
    while (at < end && is_value((unsigned char)*at))
        at++;
    value->size = (size_t)(at - value->at);
    if (value->size && (is_blank((unsigned char)value->at[0]) || is_blank((unsigned char)at[-1])))
        return NULL;
    if (end - at < 2 || at[0] != '\r' || at[1] != '\n')
        return NULL;
    head->count++;
    return at + 2;
}

int read_plain_head(const char *data, size_t size, const HeadBounds *bounds, PlainHead *head)
{
    const char *at = data, *end = data + size;
    head->count = 0;
    if (!(at = read_method(at, end, head)) || !(at = read_target(at, end, head)) || !(at = read_version(at, end, head)))
        return 0;
    if ((size_t)(at - data) - 2 > bounds->line)
        return 0;
    while (!(end - at >= 2 && at[0] == '\r' && at[1] == '\n')) {
        if (head->count == MOST_FIELDS || head->count == bounds->fields)
            return 0;
        if (!(at = read_field(at, end, head)))
            return 0;
    }
    head->consumed = (size_t)(at + 2 - data);
    return head->consumed <= bounds->size;
}

int spells(Span span, const char *lower)
{
    size_t i;
    for (i = 0; i < span.size && lower[i]; i++) {
        char c = span.at[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + 'a' - 'A');
        if (c != lower[i])
            return 0;
    }
    return i == span.size && !lower[i];
}
