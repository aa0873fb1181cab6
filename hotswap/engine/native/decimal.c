/* Numbers in decimal digits; printf(3) costs more than the rest of an answer's head. */
#include "text.h"

char *put_number(char *at, Py_ssize_t number)
{
    char digits[MOST_DIGITS];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

PyObject *text_of_number(PyObject *number)
{
    char digits[MOST_DIGITS];
    long value = PyLong_CheckExact(number) ? PyLong_AsLong(number) : -1;
    Py_ssize_t size;
    PyObject *text;
    if (value < 0) {
        PyErr_Clear(); /* no number of a port: as Python writes it */
        return PyObject_Str(number);
    }
    size = put_number(digits, value) - digits;
    text = PyUnicode_New(size, '9');
    if (text)
        memcpy(PyUnicode_1BYTE_DATA(text), digits, (size_t)size);
    return text;
}
