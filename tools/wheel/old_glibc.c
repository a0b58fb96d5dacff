/* What a wheel for old systems needs beside glibc 2.28: functions that the headers and the static libstdc++ of a newer
   compiler call, and that came later. Linked into the extension modules by tools/wheel/build.py alone. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define INSIDE __attribute__((visibility("hidden")))

/* glibc 2.32: whether libstdc++ may leave out locked instructions. It may not. */
INSIDE char __libc_single_threaded = 0;

/* In libc_nonshared.a before 2.34, which belongs to one glibc. */
extern int __cxa_atexit(void (*function)(void*), void* argument, void* library);
extern void* __dso_handle INSIDE;
static void call(void* function) { ((void (*)(void))(uintptr_t)function)(); }
INSIDE int atexit(void (*function)(void)) { return __cxa_atexit(call, (void*)(uintptr_t)function, &__dso_handle); }

/* glibc 2.33; before, the library had this one function for all kinds of files. */
struct stat64;
extern int __fxstat64(int version, int file, struct stat64* found);
INSIDE int fstat64(int file, struct stat64* found) { return __fxstat64(1, file, found); }

/* glibc 2.36, for std::random_device. */
INSIDE uint32_t arc4random(void) {
  uint32_t drawn = 0;
  if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) abort();
  return drawn;
}

/* glibc 2.30: a wait until `until` by another clock than that of the day, which the older wait goes by. */
INSIDE int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                                  const struct timespec* until) {
  const int64_t second = 1000000000;
  struct timespec here, day;
  if (clock == CLOCK_REALTIME) return pthread_cond_timedwait(condition, mutex, until);
  clock_gettime(clock, &here);
  clock_gettime(CLOCK_REALTIME, &day);
  int64_t left = ((int64_t)until->tv_sec - here.tv_sec) * second + (until->tv_nsec - here.tv_nsec);
  if (left < 0) left = 0;
  const int64_t end = day.tv_nsec + left % second;
  day.tv_sec += (time_t)(left / second + end / second);
  day.tv_nsec = (long)(end % second);
  return pthread_cond_timedwait(condition, mutex, &day);
}
