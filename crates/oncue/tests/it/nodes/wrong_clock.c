/* Preloaded into a node, so that its machine's wall clock seems to be wrong by ONCUE_TEST_WRONG_BY_S seconds. Monotonic
   clocks stay as they are: nobody sets those. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *shown)
{
    int outcome = (int)syscall(SYS_clock_gettime, clock, shown);
    const char *wrong_by = getenv("ONCUE_TEST_WRONG_BY_S");
    if (outcome == 0 && wrong_by && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shown->tv_sec += atol(wrong_by);
    return outcome;
}

int gettimeofday(struct timeval *restrict shown, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    shown->tv_sec = now.tv_sec;
    shown->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *shown)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (shown)
        *shown = now.tv_sec;
    return now.tv_sec;
}
