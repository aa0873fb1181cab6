/* From a plain head to a WsgiRequest with its environ. */
#include "lane.h"

#define MOST_SPECIALS 4 /* fields that are looked at, of one head */

/* Of a head, what decides more than a variable of the environ; each may be NULL. The first two are the environ's. */
typedef struct {
    PyObject *host, *connection, *scheme;
} Said;

Py_ssize_t body_length(const PlainHead *head)
{
    Py_ssize_t length = 0;
    size_t i, digit;
    for (i = 0; i < head->count; i++) {
        Span value = head->values[i];
        if (!spells(head->names[i], "content-length"))
            continue;
        if (value.size < 1 || value.size > 9) /* longer ones do not come along with a head */
            return -1;
        length = 0;
        for (digit = 0; digit < value.size; digit++) {
            if (value.at[digit] < '0' || value.at[digit] > '9')
                return -1;
            length = length * 10 + (value.at[digit] - '0');
        }
    }
    return length;
}

PyObject *know_target(Lane *lane, Span target)
{
    PyObject *found = recall(&lane->memo, lane->targets, target);
    if (!found && !PyErr_Occurred())
        found = PyObject_CallFunction(lane->learn_target, "y#", target.at, (Py_ssize_t)target.size);
    if (found && !(PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == 3))
        Py_CLEAR(found); /* None: the strict reader should judge it */
    return found;
}

/* What says how a proxy's client spoke: (key of the environ, value for https). 1, 0 if it is no such field, -1. */
static int put_scheme(Lane *lane, PyObject *environ, Span name, Span value, PyObject **scheme)
{
    PyObject *known = recall(&lane->memo, lane->schemes, name), *text;
    int failed;
    if (!known)
        return PyErr_Occurred() ? -1 : 0;
    text = PyUnicode_DecodeLatin1(value.at, (Py_ssize_t)value.size, NULL);
    failed = !text || PyDict_SetItem(environ, PyTuple_GET_ITEM(known, 0), text) < 0;
    if (!failed)
        Py_XSETREF(*scheme, Py_NewRef(PyUnicode_Compare(text, PyTuple_GET_ITEM(known, 1)) ? str_http : str_https));
    Py_XDECREF(text);
    Py_DECREF(known);
    return failed ? -1 : 1;
}

/* One field that needs no closer look: 1, 0 if it does, -1. */
static int put_plain(Lane *lane, PyObject *environ, Span name, Span value)
{
    PyObject *key = spells(name, "content-length") ? NULL : recall(&lane->memo, lane->keys, name);
    int failed;
    if (!key)
        return PyErr_Occurred() ? -1 : 0;
    failed = set_item_free(environ, key, PyUnicode_DecodeLatin1(value.at, (Py_ssize_t)value.size, NULL)) < 0;
    Py_DECREF(key);
    return failed ? -1 : 1;
}

/* One field that says something of the request: 1, 0 if Python must look at it, -1. */
static int put_special(Lane *lane, PyObject *environ, Span name, Span value, PyObject **scheme)
{
    PyObject *text;
    if (!spells(name, "content-length"))
        return *scheme ? 0 : put_scheme(lane, environ, name, value, scheme);
    text = PyUnicode_DecodeLatin1(value.at, (Py_ssize_t)value.size, NULL);
    return set_item_free(environ, str_CONTENT_LENGTH, text) < 0 ? -1 : 1;
}

/* 1, 0 if a field is not plain, -1. As in Python, those that are looked at come after all others, in their order. */
static int put_fields(Lane *lane, PyObject *environ, const PlainHead *head, PyObject **scheme)
{
    size_t specials[MOST_SPECIALS], count = 0, i;
    int put;
    for (i = 0; i < head->count; i++) {
        put = put_plain(lane, environ, head->names[i], head->values[i]);
        if (put < 0 || (!put && count == MOST_SPECIALS))
            return put;
        if (!put)
            specials[count++] = i;
    }
    for (i = 0; i < count; i++) {
        put = put_special(lane, environ, head->names[specials[i]], head->values[specials[i]], scheme);
        if (put != 1)
            return put;
    }
    return 1;
}

/* 1 if Host is known to be good, or may be missing; -1 with an exception. */
static int host_is_known(Lane *lane, PyObject *host, int minor_version)
{
    return host ? PySet_Contains(lane->hosts, host) : minor_version == 0;
}

/* What Connection asks for: 1 keep, 0 close, -1 Python should look at it. */
static int keeps_alive(PyObject *connection, int minor_version)
{
    Span span;
    if (!connection)
        return minor_version == 1;
    if (!PyUnicode_IS_ASCII(connection))
        return -1;
    span.at = (const char *)PyUnicode_1BYTE_DATA(connection), span.size = (size_t)PyUnicode_GET_LENGTH(connection);
    if (spells(span, "keep-alive"))
        return 1;
    return spells(span, "close") ? 0 : -1;
}

static int put_line(PyObject *environ, PyObject *method, PyObject *target, int minor_version)
{
    static PyObject *http10;
    if (PyDict_SetItem(environ, str_REQUEST_METHOD, method) < 0 ||
        PyDict_SetItem(environ, str_RAW_URI, PyTuple_GET_ITEM(target, 0)) < 0 ||
        PyDict_SetItem(environ, str_PATH_INFO, PyTuple_GET_ITEM(target, 1)) < 0 ||
        PyDict_SetItem(environ, str_QUERY_STRING, PyTuple_GET_ITEM(target, 2)) < 0)
        return -1;
    if (minor_version)
        return 0;
    if (!http10 && !(http10 = PyUnicode_InternFromString("HTTP/1.0")))
        return -1;
    return PyDict_SetItem(environ, str_SERVER_PROTOCOL, http10);
}

/* As WsgiRequest.__init__ does, and the reader of heads after it. */
static int dress(Lane *lane, PyObject *request, PyObject *environ, const PlainHead *head, const Said *said, int keep,
                 Py_ssize_t body)
{
    const RequestSlots *in = &lane->in_request;
    SLOT(request, in->environ) = Py_NewRef(environ);
    SLOT(request, in->host) = Py_NewRef(said->host ? said->host : Py_None);
    SLOT(request, in->connection) = Py_NewRef(said->connection ? said->connection : Py_None);
    SLOT(request, in->http11) = PyBool_FromLong(head->minor_version);
    SLOT(request, in->keep_alive) = PyBool_FromLong(keep);
    SLOT(request, in->expect) = Py_NewRef(Py_False);
    SLOT(request, in->upgrade) = Py_NewRef(Py_False);
    SLOT(request, in->upload) = Py_NewRef(Py_False);
    SLOT(request, in->view) = Py_NewRef(Py_None);
    SLOT(request, in->scheme) = Py_NewRef(said->scheme ? said->scheme : no_text);
    SLOT(request, in->started) = Py_NewRef(SLOT(lane->state, lane->in_state.now));
    SLOT(request, in->length) = PyLong_FromSsize_t(body);
    SLOT(request, in->consumed) = PyLong_FromSsize_t((Py_ssize_t)head->consumed);
    return SLOT(request, in->length) && SLOT(request, in->consumed) ? 0 : -1;
}

/* New: no code of Python's is run, which is what __init__ costs. NULL with an exception. */
static PyObject *new_request(Lane *lane, PyObject *method, PyObject *target)
{
    PyTypeObject *kind = (PyTypeObject *)lane->request_kind;
    PyObject *request = kind->tp_alloc(kind, 0);
    if (!request)
        return NULL;
    SLOT(request, lane->in_request.method) = Py_NewRef(method);
    SLOT(request, lane->in_request.uri) = Py_NewRef(PyTuple_GET_ITEM(target, 0));
    SLOT(request, lane->in_request.path) = Py_NewRef(PyTuple_GET_ITEM(target, 1));
    return request;
}

/* A proxy says how its client spoke; from any other peer it is a field like any other, and *scheme is NULL then. */
static int put_url_scheme(Lane *lane, PyObject *conn, PyObject *environ, PyObject **scheme)
{
    int trusts = truth_of(PyObject_CallOneArg(lane->trusts, SLOT(conn, lane->in_connection.peer)));
    if (trusts == 1)
        return PyDict_SetItem(environ, key_url_scheme, *scheme);
    Py_CLEAR(*scheme);
    return trusts;
}

/* Request line and fields, each once: 1, 0 if they are not plain, -1. *scheme, new, if a proxy says it. */
static int put_head(Lane *lane, PyObject *conn, PyObject *environ, const PlainHead *head, PyObject *method,
                    PyObject *target, PyObject **scheme)
{
    Py_ssize_t before;
    int good;
    if (put_line(environ, method, target, head->minor_version) < 0)
        return -1;
    before = PyDict_GET_SIZE(environ);
    good = put_fields(lane, environ, head, scheme);
    if (good == 1 && PyDict_GET_SIZE(environ) != before + (Py_ssize_t)head->count)
        good = 0; /* a field that came twice */
    if (good == 1 && *scheme && put_url_scheme(lane, conn, environ, scheme) < 0)
        good = -1;
    return good;
}

static int find_said(PyObject *environ, Said *said)
{
    said->host = PyDict_GetItemWithError(environ, str_HTTP_HOST);
    if (!PyErr_Occurred())
        said->connection = PyDict_GetItemWithError(environ, str_HTTP_CONNECTION);
    return PyErr_Occurred() ? -1 : 1;
}

/* 1 and *request, 0 if this environ cannot be made of the head without Python, -1. */
static int fill(Lane *lane, PyObject *conn, PyObject *environ, const PlainHead *head, PyObject *method, PyObject *target,
                Py_ssize_t body, PyObject **request)
{
    Said said = {NULL, NULL, NULL};
    int keep = -1, good = put_head(lane, conn, environ, head, method, target, &said.scheme);
    if (good == 1)
        good = find_said(environ, &said);
    if (good == 1)
        good = host_is_known(lane, said.host, head->minor_version);
    if (good == 1)
        keep = keeps_alive(said.connection, head->minor_version), good = keep >= 0;
    if (good == 1) {
        *request = new_request(lane, method, target);
        if (*request && dress(lane, *request, environ, head, &said, keep, body) < 0)
            Py_CLEAR(*request);
    }
    Py_XDECREF(said.scheme);
    return PyErr_Occurred() ? -1 : good;
}

int make_request(Lane *lane, PyObject *conn, const PlainHead *head, PyObject *target, Py_ssize_t body, PyObject **request)
{
    PyObject *method = recall(&lane->memo, lane->methods, head->method);
    PyObject *environ = method ? PyDict_Copy(SLOT(conn, lane->in_connection.base)) : NULL;
    int good = environ ? fill(lane, conn, environ, head, method, target, body, request) : 0;
    Py_XDECREF(environ);
    Py_XDECREF(method);
    return PyErr_Occurred() ? -1 : good;
}
