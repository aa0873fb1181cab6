/* From a plain head to a WsgiRequest with its environ. */
#include "lane.h"

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

static PyObject *bytes_of(Span span)
{
    return PyBytes_FromStringAndSize(span.at, (Py_ssize_t)span.size);
}

/* What `known` says of these bytes, new; NULL without an exception if nothing. */
static PyObject *look_up(PyObject *known, Span span)
{
    PyObject *key = bytes_of(span), *found;
    if (!key)
        return NULL;
    found = PyDict_GetItemWithError(known, key);
    Py_XINCREF(found);
    Py_DECREF(key);
    return found;
}

PyObject *know_target(Lane *lane, Span target)
{
    PyObject *key = bytes_of(target), *found;
    if (!key)
        return NULL;
    found = PyDict_GetItemWithError(lane->targets, key);
    if (found)
        Py_INCREF(found);
    else if (!PyErr_Occurred())
        found = PyObject_CallOneArg(lane->learn_target, key);
    Py_DECREF(key);
    if (found && !(PyTuple_CheckExact(found) && PyTuple_GET_SIZE(found) == 3))
        Py_CLEAR(found); /* None: the strict reader should judge it */
    return found;
}

/* 1, 0 if a field is not plain, -1. CONTENT_LENGTH comes last, as where Python puts fields that it looks at. */
static int put_fields(Lane *lane, PyObject *environ, const PlainHead *head)
{
    PyObject *length = NULL, *value, *key;
    size_t i;
    int failed = 0;
    for (i = 0; i < head->count && !failed; i++) {
        value = PyUnicode_DecodeLatin1(head->values[i].at, (Py_ssize_t)head->values[i].size, NULL);
        if (!value)
            break;
        if (spells(head->names[i], "content-length")) {
            failed = length != NULL;
            Py_XSETREF(length, value);
            continue;
        }
        key = look_up(lane->keys, head->names[i]);
        failed = !key || PyDict_SetItem(environ, key, value) < 0;
        Py_XDECREF(key);
        Py_DECREF(value);
    }
    if (length && !failed && !PyErr_Occurred())
        failed = PyDict_SetItem(environ, str_CONTENT_LENGTH, length) < 0;
    Py_XDECREF(length);
    if (PyErr_Occurred())
        return -1;
    return !failed;
}

/* 1 if Host is known to be good, or may be missing. */
static int host_is_known(Lane *lane, PyObject *environ, int minor_version)
{
    PyObject *host = PyDict_GetItemWithError(environ, str_HTTP_HOST);
    if (!host)
        return PyErr_Occurred() ? -1 : minor_version == 0;
    return PySet_Contains(lane->hosts, host);
}

/* What Connection asks for: 1 keep, 0 close, -1 Python should look at it. */
static int keeps_alive(PyObject *environ, int minor_version)
{
    PyObject *connection = PyDict_GetItemWithError(environ, str_HTTP_CONNECTION);
    Span span;
    if (!connection)
        return PyErr_Occurred() ? -1 : minor_version == 1;
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

static int set_number(PyObject *object, PyObject *name, Py_ssize_t number)
{
    PyObject *value = PyLong_FromSsize_t(number);
    int failed = !value || PyObject_SetAttr(object, name, value) < 0;
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

static int dress(PyObject *request, PyObject *environ, const PlainHead *head, int keep, Py_ssize_t body)
{
    PyObject *host = PyDict_GetItem(environ, str_HTTP_HOST), *connection = PyDict_GetItem(environ, str_HTTP_CONNECTION);
    if (PyObject_SetAttr(request, str_environ, environ) < 0 ||
        PyObject_SetAttr(request, str_host, host ? host : Py_None) < 0 ||
        PyObject_SetAttr(request, str_connection, connection ? connection : Py_None) < 0 ||
        set_number(request, str_consumed, (Py_ssize_t)head->consumed) < 0)
        return -1;
    if (!keep && PyObject_SetAttr(request, str_keep_alive, Py_False) < 0)
        return -1;
    if (!head->minor_version && PyObject_SetAttr(request, str_http11, Py_False) < 0)
        return -1;
    return body ? set_number(request, str_length, body) : 0;
}

/* 1, 0 if the environ cannot be made of this head without Python, -1. */
static int fill(Lane *lane, PyObject *environ, const PlainHead *head, PyObject *method, PyObject *target, int *keep)
{
    Py_ssize_t before = PyDict_GET_SIZE(environ);
    int good;
    if (put_line(environ, method, target, head->minor_version) < 0)
        return -1;
    good = put_fields(lane, environ, head);
    if (good != 1)
        return good;
    if (PyDict_GET_SIZE(environ) != before + 4 + (Py_ssize_t)head->count)
        return 0; /* a field that came twice */
    good = host_is_known(lane, environ, head->minor_version);
    if (good != 1)
        return good;
    *keep = keeps_alive(environ, head->minor_version);
    if (*keep < 0)
        return PyErr_Occurred() ? -1 : 0;
    return 1;
}

int make_request(Lane *lane, PyObject *conn, const PlainHead *head, Py_ssize_t body, PyObject **request)
{
    PyObject *method = look_up(lane->methods, head->method), *target = method ? know_target(lane, head->target) : NULL;
    PyObject *base = target ? PyObject_GetAttr(conn, str_base) : NULL;
    PyObject *environ = base ? PyDict_Copy(base) : NULL;
    int keep = 0, good = environ ? fill(lane, environ, head, method, target, &keep) : 0;
    if (good == 1) {
        *request = PyObject_CallFunctionObjArgs(lane->request_kind, method, PyTuple_GET_ITEM(target, 0),
                                                PyTuple_GET_ITEM(target, 1), NULL);
        if (*request && dress(*request, environ, head, keep, body) < 0)
            Py_CLEAR(*request);
    }
    Py_XDECREF(environ);
    Py_XDECREF(base);
    Py_XDECREF(target);
    Py_XDECREF(method);
    return PyErr_Occurred() ? -1 : good;
}
