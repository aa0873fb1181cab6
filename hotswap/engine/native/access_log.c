/* The access log while it is one file, to which gunicorn's usual lines go: the twin of AccessLines in log/access_lines.py.
 *
 * Each line asks anew whether writing into the file is all that logging would do, because programs change their loggers at
 * any time. Where it is not, or where an attribute is not as it is known, C has written nothing, and says so.
 */
#include "access_line.h"
#include "errors.h"

#include <time.h>
#include <unistd.h>

#define INFO 20 /* logging.INFO */

#define NAMES(_) \
    _(handlers) _(propagate) _(_access_log_enabled) _(disabled) _(_cache) _(filters) _(formatter) _(_fmt) _(level) _(lock) \
    _(acquire) _(release) _(stream) _(encoding) _(fileno) _(terminator) _(now) _(status) _(sent) _(callHandlers) \
    _(_logRecordFactory)

#define DEFINE_NAME(name) static PyObject *str_##name;
NAMES(DEFINE_NAME)
#undef DEFINE_NAME

static PyObject *info, *plain_format;

#define PARTS(_) \
    _(gunicorn) _(log) _(logging) _(call_handlers) _(go_on) _(handler_kind) _(formatter_kind) _(record_kind) _(filter_kind) \
    _(stream_kind)

/* `logging` is the dict of that module, `call_handlers` a function of it, unless somebody has put his own in its place;
 * `go_on` is called with a handler and what is left of a line. */
typedef struct {
    PyObject_HEAD
    PyObject *gunicorn, *log, *logging, *call_handlers, *go_on;
    PyObject *handler_kind, *formatter_kind, *record_kind, *filter_kind, *stream_kind;
    PyObject *time; /* of the lines of this second; NULL before the first */
    long long second;
} AccessFile;

static int make_names(void)
{
#define MAKE_NAME(name) \
    if (!(str_##name = PyUnicode_InternFromString(#name))) \
        return -1;
    NAMES(MAKE_NAME)
#undef MAKE_NAME
    info = PyLong_FromLong(INFO);
    plain_format = PyUnicode_FromString("%(message)s");
    return info && plain_format ? 0 : -1;
}

/* The truth of an attribute: 1, 0, or -1. */
static int is_true(PyObject *object, PyObject *name)
{
    PyObject *value = PyObject_GetAttr(object, name);
    int truth = value ? PyObject_IsTrue(value) : -1;
    Py_XDECREF(value);
    return truth;
}

static int is_empty_or_ours(const AccessFile *file, PyObject *filters)
{
    if (!PyList_CheckExact(filters) || PyList_GET_SIZE(filters) > 1)
        return 0;
    return PyList_GET_SIZE(filters) == 0 || (PyObject *)Py_TYPE(PyList_GET_ITEM(filters, 0)) == file->filter_kind;
}

/* Whether its filters let everything through: 1, 0, or -1. */
static int lets_through(const AccessFile *file, PyObject *filterer)
{
    PyObject *filters = PyObject_GetAttr(filterer, str_filters);
    int lets = filters ? is_empty_or_ours(file, filters) : -1;
    Py_XDECREF(filters);
    return lets;
}

/* As Logger.isEnabledFor, where that has been asked before. */
static int is_enabled(PyObject *log)
{
    int disabled = is_true(log, str_disabled), enabled;
    PyObject *cache;
    if (disabled)
        return disabled < 0 ? -1 : 0;
    cache = PyObject_GetAttr(log, str__cache);
    if (!cache)
        return -1;
    enabled = PyDict_CheckExact(cache) && PyDict_GetItemWithError(cache, info) == Py_True;
    Py_DECREF(cache);
    return PyErr_Occurred() ? -1 : enabled;
}

static int formats_plainly(const AccessFile *file, PyObject *handler)
{
    PyObject *formatter = PyObject_GetAttr(handler, str_formatter), *form = NULL;
    int plain = formatter ? 0 : -1;
    if (formatter && (PyObject *)Py_TYPE(formatter) == file->formatter_kind) {
        form = PyObject_GetAttr(formatter, str__fmt);
        plain = !form ? -1 : PyUnicode_CheckExact(form) && PyUnicode_Compare(form, plain_format) == 0;
    }
    Py_XDECREF(form);
    Py_XDECREF(formatter);
    return PyErr_Occurred() ? -1 : plain;
}

static int takes_info(PyObject *handler)
{
    PyObject *level = PyObject_GetAttr(handler, str_level);
    int takes = !level ? -1 : PyLong_CheckExact(level) && PyLong_AsLong(level) <= INFO;
    Py_XDECREF(level);
    return PyErr_Occurred() ? -1 : takes;
}

/* Whether nobody has put himself between loggers and handlers: 1, 0, or -1. */
static int is_unobserved(const AccessFile *file)
{
    PyObject *found = PyObject_GetAttr((PyObject *)Py_TYPE(file->log), str_callHandlers);
    Py_XDECREF(found);
    return found ? found == file->call_handlers : -1;
}

/* Whether a record would go to one file at most, and be what everybody knows: 1, 0, or -1. */
static int logs_plainly(const AccessFile *file)
{
    int wrong = is_true(file->log, str_propagate), good;
    if (wrong)
        return wrong < 0 ? -1 : 0;
    if (PyDict_GetItemWithError(file->logging, str__logRecordFactory) != file->record_kind)
        return PyErr_Occurred() ? -1 : 0;
    good = is_unobserved(file);
    if (good == 1)
        good = is_true(file->gunicorn, str__access_log_enabled);
    if (good == 1)
        good = is_enabled(file->log);
    return good == 1 ? lets_through(file, file->log) : good;
}

static int handles_plainly(const AccessFile *file, PyObject *handler)
{
    int good = (PyObject *)Py_TYPE(handler) == file->handler_kind;
    if (good)
        good = takes_info(handler);
    if (good == 1)
        good = formats_plainly(file, handler);
    return good == 1 ? lets_through(file, handler) : good;
}

/* The only handler, new, if all that it would do is to write; NULL, and there may be an exception. */
static PyObject *plain_handler(const AccessFile *file)
{
    PyObject *handlers, *handler = NULL;
    if (logs_plainly(file) != 1)
        return NULL;
    handlers = PyObject_GetAttr(file->log, str_handlers);
    if (handlers && PyList_CheckExact(handlers) && PyList_GET_SIZE(handlers) == 1)
        handler = Py_NewRef(PyList_GET_ITEM(handlers, 0));
    Py_XDECREF(handlers);
    if (handler && handles_plainly(file, handler) != 1)
        Py_CLEAR(handler);
    return handler;
}

/* gunicorn's time of the line, which changes once a second: new, NULL with an exception. */
static PyObject *time_of_line(AccessFile *file)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (!file->time || file->second != (long long)now.tv_sec) {
        PyObject *text = PyObject_CallMethodNoArgs(file->gunicorn, str_now);
        if (!text)
            return NULL;
        file->second = (long long)now.tv_sec;
        Py_XSETREF(file->time, text);
    }
    return Py_NewRef(file->time);
}

static PyObject *make_line(AccessFile *file, PyObject *handler, PyObject *answer, PyObject *environ)
{
    PyObject *status = PyObject_GetAttr(answer, str_status), *sent = status ? PyObject_GetAttr(answer, str_sent) : NULL;
    PyObject *end = sent ? PyObject_GetAttr(handler, str_terminator) : NULL, *now = end ? time_of_line(file) : NULL;
    PyObject *line = now ? make_usual_line(environ, status, sent, now, end) : NULL;
    Py_XDECREF(now);
    Py_XDECREF(end);
    Py_XDECREF(sent);
    Py_XDECREF(status);
    return line;
}

/* The descriptor of a stream of text in which ASCII stands as it is, and of which nobody else holds anything back: -1, and
 * there may be an exception, if it is none. */
static int descriptor(const AccessFile *file, PyObject *stream)
{
    PyObject *encoding, *number;
    int good, fd;
    if ((PyObject *)Py_TYPE(stream) != file->stream_kind || !(encoding = PyObject_GetAttr(stream, str_encoding)))
        return -1;
    good = PyUnicode_CheckExact(encoding) && (PyUnicode_CompareWithASCIIString(encoding, "utf-8") == 0 ||
                                              PyUnicode_CompareWithASCIIString(encoding, "UTF-8") == 0);
    Py_DECREF(encoding);
    number = good ? PyObject_CallMethodNoArgs(stream, str_fileno) : NULL;
    fd = number ? (int)PyLong_AsLong(number) : -1;
    Py_XDECREF(number);
    return fd;
}

enum { NOT_WRITTEN, WRITTEN, BROKEN_OFF };

/* WRITTEN, also if Python has gone on with it; NOT_WRITTEN, nothing of it, and Python should find out why; BROKEN_OFF, with
 * an exception: a part is written, so nobody may begin again. */
static int write_line(const AccessFile *file, PyObject *handler, int fd, PyObject *line)
{
    const char *text = (const char *)PyUnicode_1BYTE_DATA(line);
    Py_ssize_t size = PyUnicode_GET_LENGTH(line);
    PyObject *made;
    ssize_t written;
    Py_BEGIN_ALLOW_THREADS
    written = write(fd, text, (size_t)size);
    Py_END_ALLOW_THREADS
    if (written == size)
        return WRITTEN;
    if (written <= 0)
        return NOT_WRITTEN;
    made = PyObject_CallFunction(file->go_on, "Os#", handler, text + written, (Py_ssize_t)(size - written));
    Py_XDECREF(made);
    return made ? WRITTEN : BROKEN_OFF;
}

/* The same, or -1. With the handler's lock held, as in Handler.handle. */
static int append_locked(AccessFile *file, PyObject *handler, PyObject *answer, PyObject *environ)
{
    PyObject *stream = PyObject_GetAttr(handler, str_stream), *line = NULL;
    int fd = stream ? descriptor(file, stream) : -1, done = PyErr_Occurred() ? -1 : NOT_WRITTEN;
    if (fd >= 0) {
        line = make_line(file, handler, answer, environ);
        done = line ? write_line(file, handler, fd, line) : PyErr_Occurred() ? -1 : NOT_WRITTEN;
    }
    Py_XDECREF(line);
    Py_XDECREF(stream);
    return done;
}

static int release(PyObject *lock)
{
    PyObject *made = PyObject_CallMethodNoArgs(lock, str_release);
    Py_XDECREF(made);
    return made ? 0 : -1;
}

static int append(AccessFile *file, PyObject *handler, PyObject *answer, PyObject *environ)
{
    PyObject *lock = PyObject_GetAttr(handler, str_lock), *made = lock ? PyObject_CallMethodNoArgs(lock, str_acquire) : NULL;
    PyObject *error = NULL;
    int done = -1;
    if (made) {
        done = append_locked(file, handler, answer, environ);
        if (PyErr_Occurred())
            error = take_error();
        if (release(lock) < 0)
            done = -1;
        else if (error)
            set_error(Py_NewRef(error));
    }
    Py_XDECREF(error);
    Py_XDECREF(made);
    Py_XDECREF(lock);
    return done;
}

/* What C does not understand Python looks at; what is no Exception, as KeyboardInterrupt, nobody may hold up. */
static PyObject *truth_or_false(int done)
{
    if (done == BROKEN_OFF)
        return NULL;
    if (done < 0) {
        if (!PyErr_ExceptionMatches(PyExc_Exception))
            return NULL;
        PyErr_Clear();
    }
    return PyBool_FromLong(done == WRITTEN);
}

PyDoc_STRVAR(append_doc, "Writes the line of an answer to a request with this environ. False: nothing is written, Python has to.");

static PyObject *file_append(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    AccessFile *file = (AccessFile *)self;
    PyObject *handler;
    int done;
    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "append takes an answer and an environ");
    if (!PyDict_CheckExact(args[1]))
        Py_RETURN_FALSE;
    handler = plain_handler(file);
    done = handler ? append(file, handler, args[0], args[1]) : PyErr_Occurred() ? -1 : 0;
    Py_XDECREF(handler);
    return truth_or_false(done);
}

static int file_traverse(PyObject *self, visitproc visit, void *arg)
{
#define VISIT(name) Py_VISIT(((AccessFile *)self)->name);
    PARTS(VISIT)
#undef VISIT
    Py_VISIT(((AccessFile *)self)->time);
    return 0;
}

static int file_clear(PyObject *self)
{
#define CLEAR(name) Py_CLEAR(((AccessFile *)self)->name);
    PARTS(CLEAR)
#undef CLEAR
    Py_CLEAR(((AccessFile *)self)->time);
    return 0;
}

static void file_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    (void)file_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *file_new(PyTypeObject *type, PyObject *args, PyObject *parts)
{
#define NAME_OF(name) #name,
#define PLACE_OF(name) , &file.name
    static char *names[] = {PARTS(NAME_OF) NULL};
    AccessFile file = {0}, *made;
    if (!PyArg_ParseTupleAndKeywords(args, parts, "OOOOOOOOOO", names PARTS(PLACE_OF)))
        return NULL;
#undef PLACE_OF
#undef NAME_OF
    if (!PyDict_CheckExact(file.logging))
        return PyErr_Format(PyExc_TypeError, "logging is the dict of a module");
    made = (AccessFile *)type->tp_alloc(type, 0);
    if (!made)
        return NULL;
#define KEEP(name) made->name = Py_NewRef(file.name);
    PARTS(KEEP)
#undef KEEP
    return (PyObject *)made;
}

static PyMethodDef file_methods[] = {
    {"append", (PyCFunction)(void (*)(void))file_append, METH_FASTCALL, append_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject AccessFileType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "hotswap.engine.native.access_log.AccessFile",
    .tp_basicsize = sizeof(AccessFile),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = file_traverse,
    .tp_clear = file_clear,
    .tp_dealloc = file_dealloc,
    .tp_methods = file_methods,
    .tp_new = file_new,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "hotswap.engine.native.access_log", .m_doc = "The access log in one file.", .m_size = -1,
};

PyMODINIT_FUNC PyInit_access_log(void)
{
    PyObject *made;
    if (make_names() < 0 || make_line_keys() < 0 || PyType_Ready(&AccessFileType) < 0)
        return NULL;
    made = PyModule_Create(&module);
    if (made && PyModule_AddObjectRef(made, "AccessFile", (PyObject *)&AccessFileType) < 0)
        Py_CLEAR(made);
    return made;
}
