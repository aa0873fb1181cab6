/* The head of a plain answer: what the application may say in it, and its bytes. The twin: http1/response_head.py */
#include "lane.h"

#include <string.h>
#include <time.h>

#define MOST_HEADERS 64 /* of one answer; Python takes more */
#define JOIN 65536 /* bytes: above, Python sends head and body without joining them */

enum { PLAIN, LENGTH, CONNECTION, UPGRADE, DROPPED }; /* as in http1/response_head.py */

static int is_visible(PyObject *text)
{
    const unsigned char *at;
    Py_ssize_t i, size;
    if (!is_ascii(text))
        return 0;
    at = PyUnicode_1BYTE_DATA(text), size = PyUnicode_GET_LENGTH(text);
    for (i = 0; i < size; i++)
        if (at[i] < 0x20 || at[i] > 0x7e)
            return 0;
    return 1;
}

static int read_length(PyObject *value, Py_ssize_t *length)
{
    const char *at = (const char *)PyUnicode_1BYTE_DATA(value);
    Py_ssize_t i, size = PyUnicode_GET_LENGTH(value);
    if (size < 1 || size > 18)
        return 0;
    *length = 0;
    for (i = 0; i < size; i++) {
        if (at[i] < '0' || at[i] > '9')
            return 0;
        *length = *length * 10 + (at[i] - '0');
    }
    return 1;
}

/* One header's kind, or -1 if Python must look at it. No code but C's own runs in here. */
static long header_kind(Lane *lane, PyObject *header, Py_ssize_t *length)
{
    PyObject *known;
    long kind;
    if (!PyTuple_CheckExact(header) || PyTuple_GET_SIZE(header) != 2)
        return -1;
    /* A name that is known is one that was found good. */
    if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(header, 0)) || !is_visible(PyTuple_GET_ITEM(header, 1)))
        return -1;
    known = PyDict_GetItemWithError(lane->names, PyTuple_GET_ITEM(header, 0));
    if (!known)
        return -1;
    kind = PyLong_AsLong(known);
    if (kind == LENGTH)
        return read_length(PyTuple_GET_ITEM(header, 1), length) ? kind : -1;
    return kind == PLAIN || kind == DROPPED ? kind : -1;
}

static char *put(char *at, PyObject *text)
{
    return put_bytes(at, (const char *)PyUnicode_1BYTE_DATA(text), PyUnicode_GET_LENGTH(text));
}

/* The application's lines in one piece, new; NULL, with or without an exception, if Python must look at them. */
static PyObject *header_lines(Lane *lane, PyObject *headers, Py_ssize_t *length)
{
    PyObject *text;
    Py_ssize_t i, size = 0, count = PyList_GET_SIZE(headers);
    long kinds[MOST_HEADERS];
    char *at;
    if (count > MOST_HEADERS)
        return NULL;
    for (i = 0; i < count; i++) {
        PyObject *header = PyList_GET_ITEM(headers, i);
        kinds[i] = header_kind(lane, header, length);
        if (kinds[i] < 0)
            return NULL;
        if (kinds[i] == PLAIN)
            size += PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(header, 0)) + PyUnicode_GET_LENGTH(PyTuple_GET_ITEM(header, 1)) + 4;
    }
    /* Two at least: a bytes of length one is shared by the whole process and must not be written into. */
    text = PyBytes_FromStringAndSize(NULL, size < 2 ? 0 : size);
    if (!text)
        return NULL;
    at = PyBytes_AS_STRING(text);
    for (i = 0; i < count; i++) {
        PyObject *header = PyList_GET_ITEM(headers, i);
        if (kinds[i] != PLAIN)
            continue;
        at = put(at, PyTuple_GET_ITEM(header, 0));
        *at++ = ':', *at++ = ' ';
        at = put(at, PyTuple_GET_ITEM(header, 1));
        *at++ = '\r', *at++ = '\n';
    }
    return text;
}

/* 1: taken. 0: Python must look at it. -1: an exception. */
int take_plain(Answer *answer, PyObject *status, PyObject *headers)
{
    PyObject *known, *text;
    Py_ssize_t length = -1;
    if (answer->status || answer->response || !answer->conn)
        return 0;
    if (!PyUnicode_CheckExact(status) || !PyList_CheckExact(headers))
        return 0;
    known = PyDict_GetItemWithError(answer->lane->statuses, status);
    if (!known)
        return PyErr_Occurred() ? -1 : 0;
    Py_INCREF(known);
    text = header_lines(answer->lane, headers, &length);
    if (!text) {
        Py_DECREF(known);
        return PyErr_Occurred() ? -1 : 0;
    }
    answer->code = PyLong_AsLong(PyTuple_GET_ITEM(known, 1));
    answer->line = Py_NewRef(PyTuple_GET_ITEM(known, 0));
    Py_DECREF(known);
    answer->text = text;
    answer->length = length;
    answer->status = Py_NewRef(status);
    answer->headers = Py_NewRef(headers);
    answer->omit = answer->code == 204 || answer->code == 304 || answer->code < 200 || answer->is_head;
    return 1;
}

/* Server and Date, made by Python once a second: borrowed, NULL with an exception. */
static PyObject *stamp_of_now(Lane *lane)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!lane->stamp || lane->stamp_second != (long long)now.tv_sec) {
        PyObject *text = PyObject_CallFunction(lane->stamp_lines, "d", (double)now.tv_sec), *bytes;
        bytes = text ? PyUnicode_AsLatin1String(text) : NULL;
        Py_XDECREF(text);
        if (!bytes)
            return NULL;
        Py_XSETREF(lane->stamp, bytes);
        lane->stamp_second = (long long)now.tv_sec;
    }
    return lane->stamp;
}

#define PUT(at, literal) put_bytes(at, literal, sizeof(literal) - 1)
#define LAST_LINES 64 /* bytes, at most */

/* The line that says where the body ends, and what the server says of the connection; returns what is behind them. */
static char *put_last_lines(char *at, const Answer *answer)
{
    if (answer->length >= 0 && !(answer->code == 204 || answer->code < 200))
        at = PUT(put_number(PUT(at, "Content-Length: "), answer->length), "\r\n");
    if (!answer->keep)
        at = PUT(at, "Connection: close\r\n");
    else if (!answer->http11)
        at = PUT(at, "Connection: keep-alive\r\n");
    return PUT(at, "\r\n");
}

/* Head and, if it is to be sent, body in one piece. */
static PyObject *join(Answer *answer, PyObject *stamp, PyObject *body)
{
    char last[LAST_LINES], *at;
    Py_ssize_t last_size = put_last_lines(last, answer) - last, line = PyUnicode_GET_LENGTH(answer->line);
    Py_ssize_t body_size = answer->omit ? 0 : PyBytes_GET_SIZE(body);
    PyObject *made = PyBytes_FromStringAndSize(NULL, line + PyBytes_GET_SIZE(stamp) + PyBytes_GET_SIZE(answer->text) +
                                                         last_size + body_size);
    if (!made)
        return NULL;
    at = put(PyBytes_AS_STRING(made), answer->line);
    at = put_bytes(at, PyBytes_AS_STRING(stamp), PyBytes_GET_SIZE(stamp));
    at = put_bytes(at, PyBytes_AS_STRING(answer->text), PyBytes_GET_SIZE(answer->text));
    at = put_bytes(at, last, last_size);
    (void)put_bytes(at, PyBytes_AS_STRING(body), body_size);
    return made;
}

int make_answer(Answer *answer, PyObject *body, int whole, PyObject **made)
{
    Lane *lane = answer->lane;
    PyObject *stamp;
    Py_ssize_t size;
    int closing, draining;
    if (answer->response || !answer->status || !PyBytes_CheckExact(body))
        return 0;
    /* kind 1 is one byte a character: a reason in latin-1 is, too */
    if (PyUnicode_KIND(answer->line) != PyUnicode_1BYTE_KIND)
        return 0;
    size = PyBytes_GET_SIZE(body);
    if (!answer->omit && (size > JOIN || (answer->length >= 0 ? answer->length != size : !whole)))
        return 0;
    closing = is_set(answer->conn, lane->in_connection.closing);
    draining = is_set(lane->state, lane->in_state.draining);
    if (closing < 0 || draining < 0)
        return -1;
    if (closing || draining)
        return 0;
    stamp = stamp_of_now(lane);
    if (!stamp)
        return -1;
    Py_INCREF(stamp);
    if (!answer->omit)
        answer->length = size;
    *made = join(answer, stamp, body);
    Py_DECREF(stamp);
    if (!*made)
        return -1;
    if (answer->code == 204 || answer->code < 200)
        answer->length = -1;
    answer->headers_sent = 1;
    answer->sent = answer->omit ? 0 : size;
    return 1;
}
