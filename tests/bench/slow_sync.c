/* Makes every sync of a process 2 ms slower, as on a disk with a slower cache. Loaded with LD_PRELOAD. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void pause_2ms(void) {
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
}

int fsync(int fd) {
    static int (*next)(int);
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    pause_2ms();
    return next(fd);
}

int fdatasync(int fd) {
    static int (*next)(int);
    if (!next) next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    pause_2ms();
    return next(fd);
}
