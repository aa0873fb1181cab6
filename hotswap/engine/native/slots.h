/* Where the attributes of the engine's objects lie that a turn reads and writes.
 *
 * They are slots of Python's classes. Each slot has a descriptor, which knows its place in an object; when a lane is
 * made, it asks the descriptors, and fails if one is missing. So there is one definition of these classes, in Python.
 */
#ifndef HOTSWAP_SLOTS_H
#define HOTSWAP_SLOTS_H

#define CONNECTION_SLOTS(_) \
    _(sock) _(fd) _(client_socket) _(phase) _(polled) _(data) _(peer) _(base) _(site) _(request) _(work) _(deadline) \
    _(closing)
#define REQUEST_SLOTS(_) \
    _(method) _(uri) _(path) _(http11) _(keep_alive) _(length) _(expect) _(upgrade) _(scheme) _(consumed) _(started) \
    _(host) _(connection) _(environ) _(upload) _(view)
#define STATE_SLOTS(_) _(now) _(turns) _(keepalive) _(leaving) _(draining) _(stopped) _(next_tick)
#define COUNTERS_SLOTS(_) _(requests) _(succeeded)
#define TOKEN_SLOTS(_) _(_running)
#define STATS_SLOTS(_) _(average) _(rest)
#define MONITOR_SLOTS(_) _(sleeps)
#define POOL_SLOTS(_) _(count)
#define ROUTES_SLOTS(_) _(paths)

/* Bytes from the beginning of an object. */
#define PLACE(name) Py_ssize_t name;
typedef struct { CONNECTION_SLOTS(PLACE) } ConnectionSlots;
typedef struct { REQUEST_SLOTS(PLACE) } RequestSlots;
typedef struct { STATE_SLOTS(PLACE) } StateSlots;
typedef struct { COUNTERS_SLOTS(PLACE) } CountersSlots;
typedef struct { TOKEN_SLOTS(PLACE) } TokenSlots;
typedef struct { STATS_SLOTS(PLACE) } StatsSlots;
typedef struct { MONITOR_SLOTS(PLACE) } MonitorSlots;
typedef struct { POOL_SLOTS(PLACE) } PoolSlots;
typedef struct { ROUTES_SLOTS(PLACE) } RoutesSlots;
#undef PLACE

/* What lies there, borrowed. It is never NULL: __init__ gives each of them a value, and none is deleted. */
#define SLOT(object, place) (*(PyObject **)((char *)(object) + (place)))

/* The place of a slot in the objects of `kind`: 0, or -1 with a TypeError if they have no such slot. */
int find_slot(PyTypeObject *kind, const char *name, Py_ssize_t *place);
/* Takes the reference to `value`; NULL is an exception that stands, and -1. Foreign code may run where the old one ends. */
int set_slot(PyObject *object, Py_ssize_t place, PyObject *value);
/* A number is made greater by one: 0, or -1 with an exception. */
int count_up(PyObject *object, Py_ssize_t place);
/* The truth of a slot: 1, 0, -1 with an exception. */
int is_set(PyObject *object, Py_ssize_t place);

#endif
