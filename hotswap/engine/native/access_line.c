/* gunicorn's usual line of the access log; the twin of log/access_lines.py, _usual_line. */
#include "access_line.h"
#include "text.h"

#define STATUS 3 /* digits */

/* What stands in a line, in its order: before each piece, `between`; `key` of the environ; and what stands for it if there
 * is none, NULL where there must be one. */
typedef struct {
    const char *between, *key, *missing;
} Place;

enum { CLIENT, TIME, METHOD, TARGET, PROTOCOL, CODE, SENT, REFERER, AGENT, END, PLACES };

static const Place places[PLACES] = {
    [CLIENT] = {"", "REMOTE_ADDR", "-"},
    [TIME] = {" - - ", NULL, NULL},
    [METHOD] = {" \"", "REQUEST_METHOD", NULL},
    [TARGET] = {" ", "RAW_URI", NULL},
    [PROTOCOL] = {" ", "SERVER_PROTOCOL", NULL},
    [CODE] = {"\" ", NULL, NULL},
    [SENT] = {" ", NULL, NULL},
    [REFERER] = {" \"", "HTTP_REFERER", "-"},
    [AGENT] = {"\" \"", "HTTP_USER_AGENT", "-"},
    [END] = {"\"", NULL, NULL},
};

static PyObject *keys[PLACES], *key_user;

typedef struct {
    const char *at;
    Py_ssize_t size;
} Piece;

/* Whether `text` can stand in the line as it is: ASCII, and no quote, which Python escapes. */
static int take(PyObject *text, Piece *piece)
{
    if (!is_ascii(text))
        return 0;
    piece->at = (const char *)PyUnicode_1BYTE_DATA(text), piece->size = PyUnicode_GET_LENGTH(text);
    return memchr(piece->at, '"', (size_t)piece->size) == NULL;
}

/* The variables of the environ, new, NULL for those it has not: 1, 0 if Python should look at it, -1. */
static int find_variables(PyObject *environ, PyObject **found)
{
    int i, has_user = PyDict_Contains(environ, key_user);
    if (has_user)
        return has_user < 0 ? -1 : 0;
    for (i = 0; i < PLACES; i++) {
        if (!keys[i])
            continue;
        /* Held: a key that is no str could run the application's code at the next look-up. */
        found[i] = Py_XNewRef(PyDict_GetItemWithError(environ, keys[i]));
        if (!found[i] && PyErr_Occurred())
            return -1;
    }
    return 1;
}

static int take_variables(PyObject *const *found, Piece *pieces)
{
    int i;
    for (i = 0; i < PLACES; i++) {
        if (!keys[i])
            continue;
        if (found[i] ? !take(found[i], &pieces[i]) : !places[i].missing)
            return 0;
        if (!found[i])
            pieces[i].at = places[i].missing, pieces[i].size = (Py_ssize_t)strlen(places[i].missing);
    }
    return 1;
}

/* The first word of a status as applications give it. */
static int take_code(PyObject *status, Piece *piece)
{
    int i;
    if (!take(status, piece) || piece->size < STATUS || (piece->size > STATUS && piece->at[STATUS] != ' '))
        return 0;
    for (i = 0; i < STATUS; i++)
        if (piece->at[i] < '0' || piece->at[i] > '9')
            return 0;
    piece->size = STATUS;
    return 1;
}

/* The bytes that were sent; the digits lie in `room`. */
static int take_sent(PyObject *sent, char *room, Piece *piece)
{
    Py_ssize_t number = PyLong_CheckExact(sent) ? PyLong_AsSsize_t(sent) : -1;
    if (number < 0) {
        PyErr_Clear(); /* it is no number, or a huge one */
        return 0;
    }
    piece->at = room, piece->size = put_number(room, number) - room;
    return 1;
}

static PyObject *join(const Piece *pieces)
{
    Py_ssize_t between[PLACES], size = 0;
    PyObject *line;
    char *at;
    int i;
    for (i = 0; i < PLACES; i++)
        between[i] = (Py_ssize_t)strlen(places[i].between), size += between[i] + pieces[i].size;
    line = PyUnicode_New(size, '~');
    if (!line)
        return NULL;
    at = (char *)PyUnicode_1BYTE_DATA(line);
    for (i = 0; i < PLACES; i++)
        at = put_bytes(put_bytes(at, places[i].between, between[i]), pieces[i].at, pieces[i].size);
    return line;
}

static PyObject *line_of(PyObject *const *found, PyObject *status, PyObject *sent, PyObject *now, PyObject *end)
{
    Piece pieces[PLACES];
    char room[MOST_DIGITS];
    if (take_variables(found, pieces) && take_code(status, &pieces[CODE]) && take_sent(sent, room, &pieces[SENT]) &&
        take(now, &pieces[TIME]) && take(end, &pieces[END]))
        return join(pieces);
    return NULL;
}

PyObject *make_usual_line(PyObject *environ, PyObject *status, PyObject *sent, PyObject *now, PyObject *end)
{
    PyObject *found[PLACES] = {NULL}, *line = NULL;
    int i;
    if (find_variables(environ, found) == 1)
        line = line_of(found, status, sent, now, end);
    for (i = 0; i < PLACES; i++)
        Py_XDECREF(found[i]);
    return line;
}

int make_line_keys(void)
{
    int i;
    for (i = 0; i < PLACES; i++)
        if (places[i].key && !(keys[i] = PyUnicode_InternFromString(places[i].key)))
            return -1;
    key_user = PyUnicode_InternFromString("HTTP_AUTHORIZATION");
    return key_user ? 0 : -1;
}
