/* The objects that are made once: names that are looked up, keys of the environ, and what is often the value of both. */
#include "lane.h"

#define DEFINE_NAME(name) PyObject *str_##name;
LANE_NAMES(DEFINE_NAME)
#undef DEFINE_NAME

PyObject *key_input, *key_early_hints, *key_gunicorn_socket, *key_werkzeug_socket, *key_url_scheme;
PyObject *no_bytes, *no_text, *no_blocks, *idle_phase;

int set_item_free(PyObject *dict, PyObject *key, PyObject *value)
{
    int failed = !value || PyDict_SetItem(dict, key, value) < 0;
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

int truth_of(PyObject *made)
{
    int truth = made ? PyObject_IsTrue(made) : -1;
    Py_XDECREF(made);
    return truth;
}

int make_names(void)
{
#define MAKE_NAME(name) \
    if (!(str_##name = PyUnicode_InternFromString(#name))) \
        return -1;
    LANE_NAMES(MAKE_NAME)
#undef MAKE_NAME
    no_bytes = PyBytes_FromStringAndSize(NULL, 0);
    no_text = PyUnicode_FromString("");
    no_blocks = PyTuple_New(0);
    idle_phase = PyLong_FromLong(0);
    key_input = PyUnicode_InternFromString("wsgi.input");
    key_early_hints = PyUnicode_InternFromString("wsgi.early_hints");
    key_gunicorn_socket = PyUnicode_InternFromString("gunicorn.socket");
    key_werkzeug_socket = PyUnicode_InternFromString("werkzeug.socket");
    key_url_scheme = PyUnicode_InternFromString("wsgi.url_scheme");
    return no_bytes && no_text && no_blocks && idle_phase && key_input && key_early_hints && key_gunicorn_socket &&
                   key_werkzeug_socket && key_url_scheme
               ? 0
               : -1;
}
