/* Attributes of Python objects by names that are made once, and the other objects that are made once. */
#include "lane.h"

#define DEFINE_NAME(name) PyObject *str_##name;
LANE_NAMES(DEFINE_NAME)
#undef DEFINE_NAME

PyObject *key_input, *key_early_hints, *key_gunicorn_socket, *key_werkzeug_socket, *key_url_scheme, *no_blocks;

int is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    int truth = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return truth;
}

double number_of(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    double number = value ? PyFloat_AsDouble(value) : -1.0;
    Py_XDECREF(value);
    return number;
}

int count_up(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name), *more;
    long long count = value ? PyLong_AsLongLong(value) : -1;
    int failed;
    Py_XDECREF(value);
    if (PyErr_Occurred())
        return -1;
    more = PyLong_FromLongLong(count + 1);
    failed = !more || PyObject_SetAttr(object, name, more) < 0;
    Py_XDECREF(more);
    return failed ? -1 : 0;
}

int set_item_free(PyObject *dict, PyObject *key, PyObject *value)
{
    int failed = !value || PyDict_SetItem(dict, key, value) < 0;
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

int make_names(void)
{
#define MAKE_NAME(name) \
    if (!(str_##name = PyUnicode_InternFromString(#name))) \
        return -1;
    LANE_NAMES(MAKE_NAME)
#undef MAKE_NAME
    no_blocks = PyTuple_New(0);
    key_input = PyUnicode_InternFromString("wsgi.input");
    key_early_hints = PyUnicode_InternFromString("wsgi.early_hints");
    key_gunicorn_socket = PyUnicode_InternFromString("gunicorn.socket");
    key_werkzeug_socket = PyUnicode_InternFromString("werkzeug.socket");
    key_url_scheme = PyUnicode_InternFromString("wsgi.url_scheme");
    return no_blocks && key_url_scheme && key_input && key_early_hints && key_gunicorn_socket && key_werkzeug_socket ? 0 : -1;
}
