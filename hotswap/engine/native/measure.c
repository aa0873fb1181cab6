/* What the application's call cost the thread that made it: the twin of Measure in wsgi/blocking_routes.py. */
#include "lane.h"

#include <sys/resource.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec * 1e-6;
}

void begin_measure(Measure *measure)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    measure->cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    measure->given = usage.ru_nvcsw, measure->taken = usage.ru_nivcsw;
    measure->blocked = -1;
    measure->start = clock_now();
}

void end_measure(const Bounds *bounds, Measure *measure)
{
    struct rusage usage;
    double wall = clock_now() - measure->start, cpu;
    getrusage(RUSAGE_THREAD, &usage);
    cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime) - measure->cpu;
    if (wall - cpu <= bounds->blocked || usage.ru_nvcsw == measure->given)
        measure->blocked = 0;
    else if (usage.ru_nivcsw == measure->taken || cpu < bounds->slow)
        measure->blocked = 1;
    /* Else the CPU was also taken from it, and that may be where the time went. */
}
