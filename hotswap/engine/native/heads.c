/* plain_head.c for Python: what reads heads outside of the lane calls it, as it would hotswap/engine/http1/plain_head.py. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "plain_head.h"

/* Bytes, as in the twin: what one of the two takes, the other should take as well. */
#define SHORTEST_METHOD 3
#define LONGEST_METHOD 20

static PyObject *as_sent(Span span)
{
    return PyBytes_FromStringAndSize(span.at, (Py_ssize_t)span.size);
}

static char lower_of(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static PyObject *in_lower_case(Span span)
{
    PyObject *made;
    char *to, only;
    size_t i;
    if (span.size == 1) {
        /* Everybody shares the bytes objects of one byte, so none of them is written into. */
        only = lower_of(*span.at);
        return PyBytes_FromStringAndSize(&only, 1);
    }
    made = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)span.size);
    if (!made)
        return NULL;
    to = PyBytes_AS_STRING(made);
    for (i = 0; i < span.size; i++)
        to[i] = lower_of(span.at[i]);
    return made;
}

/* A new tuple of two: it takes over both references, of which either may be NULL. */
static PyObject *pair(PyObject *name, PyObject *value)
{
    PyObject *made = name && value ? PyTuple_New(2) : NULL;
    if (!made) {
        Py_XDECREF(name);
        Py_XDECREF(value);
        return NULL;
    }
    PyTuple_SET_ITEM(made, 0, name);
    PyTuple_SET_ITEM(made, 1, value);
    return made;
}

static PyObject *fields_of(const PlainHead *head, int lower)
{
    PyObject *fields = PyList_New((Py_ssize_t)head->count), *field;
    size_t i;
    for (i = 0; fields && i < head->count; i++) {
        field = pair((lower ? in_lower_case : as_sent)(head->names[i]), as_sent(head->values[i]));
        if (field)
            PyList_SET_ITEM(fields, (Py_ssize_t)i, field);
        else
            Py_CLEAR(fields);
    }
    return fields;
}

PyDoc_STRVAR(read_doc, "As hotswap.engine.http1.plain_head.read_plain_head; None also if it is not plain enough for C.");

static PyObject *read_head(PyObject *module, PyObject *arguments)
{
    const char *data;
    Py_ssize_t size, line, fields, longest;
    int lower;
    PlainHead head;
    HeadBounds bounds;
    PyObject *found;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "y#nnnp:read_plain_head", &data, &size, &line, &fields, &longest, &lower))
        return NULL;
    bounds.line = (size_t)line, bounds.fields = (size_t)fields, bounds.size = (size_t)longest;
    if (!read_plain_head(data, (size_t)size, &bounds, &head) || head.method.size < SHORTEST_METHOD ||
        head.method.size > LONGEST_METHOD)
        Py_RETURN_NONE;
    found = fields_of(&head, lower);
    return found ? Py_BuildValue("(y#y#iNn)", head.method.at, (Py_ssize_t)head.method.size, head.target.at,
                                 (Py_ssize_t)head.target.size, head.minor_version, found, (Py_ssize_t)head.consumed)
                 : NULL;
}

static PyMethodDef functions[] = {{"read_plain_head", read_head, METH_VARARGS, read_doc}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "heads", .m_doc = "Plain heads, taken apart in C.", .m_size = 0, .m_methods = functions};

PyMODINIT_FUNC PyInit_heads(void)
{
    return PyModuleDef_Init(&definition);
}
