/* Texts, and numbers in them. */
#ifndef HOTSWAP_TEXT_H
#define HOTSWAP_TEXT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

#define MOST_DIGITS 20 /* of a number of 64 bits */

/* Whether it is a str, and no kind of it, of ASCII. */
static inline int is_ascii(PyObject *text)
{
    if (!PyUnicode_CheckExact(text))
        return 0;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0) {
        PyErr_Clear(); /* no memory; Python finds that out, too */
        return 0;
    }
#endif
    return PyUnicode_IS_ASCII(text);
}

/* Returns what is behind the bytes. */
static inline char *put_bytes(char *at, const char *bytes, Py_ssize_t size)
{
    memcpy(at, bytes, (size_t)size);
    return at + size;
}

/* decimal.c */

/* Writes a number that is not negative, at most MOST_DIGITS bytes; returns what is behind them. */
char *put_number(char *at, Py_ssize_t number);
/* str(number), new; NULL with an exception. */
PyObject *text_of_number(PyObject *number);

#endif
