/* What was looked up lately by bytes of a request: to make an object of them, and to hash it, costs ten times as much. */
#include "lane.h"

#include <string.h>

#define LONGEST 256 /* bytes: what is longer is looked up each time, and not kept */

static size_t place_of(Span span)
{
    const unsigned char *at = (const unsigned char *)span.at;
    return (span.size * 31 + at[0] + at[span.size / 2] * 7u + at[span.size - 1] * 13u) % MEMO_PLACES;
}

static int holds(const Remembered *place, const PyObject *known, Span span)
{
    return place->known == known && PyBytes_GET_SIZE(place->key) == (Py_ssize_t)span.size &&
           memcmp(PyBytes_AS_STRING(place->key), span.at, span.size) == 0;
}

/* New; NULL with or without an exception. */
static PyObject *look_up(Remembered *place, PyObject *known, Span span)
{
    PyObject *key = PyBytes_FromStringAndSize(span.at, (Py_ssize_t)span.size);
    PyObject *found = key ? Py_XNewRef(PyDict_GetItemWithError(known, key)) : NULL;
    if (found && span.size <= LONGEST) {
        place->known = known;
        Py_XSETREF(place->key, Py_NewRef(key));
        Py_XSETREF(place->value, Py_NewRef(found));
    }
    Py_XDECREF(key);
    return found;
}

PyObject *recall(Memo *memo, PyObject *known, Span span)
{
    Remembered *place = &memo->places[place_of(span)];
    return holds(place, known, span) ? Py_NewRef(place->value) : look_up(place, known, span);
}

void forget(Memo *memo)
{
    size_t i;
    for (i = 0; i < MEMO_PLACES; i++) {
        memo->places[i].known = NULL;
        Py_CLEAR(memo->places[i].key);
        Py_CLEAR(memo->places[i].value);
    }
}
