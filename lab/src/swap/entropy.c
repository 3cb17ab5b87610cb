/* Makes the randomness of a process repeatable: what getrandom(2) gives comes from a seed in a file.
 *
 * Preloaded (LD_PRELOAD) into `lab swap`'s child, where client, relay and gateway run unchanged. Linux and glibc
 * only. TLS draws its randomness elsewhere, and stays as it is: transcripts are of what is inside of it.
 *
 *   ENTROPY_SEED   a file of 8 bytes. Whenever they change, the numbers begin anew.
 *
 * Not for secrets: the generator is SplitMix64. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
/* Lengths that are told apart: who draws 4 bytes for a timer does not shift what others draw. */
#define LENGTHS 64
static uint64_t seed, states[LENGTHS];
static int file = -2;

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    static ssize_t (*real)(void *, size_t, unsigned int);
    if (!real) real = (ssize_t (*)(void *, size_t, unsigned int))dlsym(RTLD_NEXT, "getrandom");
    /* Hash tables ask with flags, from whichever thread comes first: their numbers decide nothing. */
    if (flags || length == 0) return real(buffer, length, flags);
    pthread_mutex_lock(&one_at_a_time);
    if (file == -2) {
        const char *path = getenv("ENTROPY_SEED");
        file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    }
    uint64_t now = 0;
    if (file >= 0 && pread(file, &now, sizeof now, 0) == sizeof now) {
        if (now != seed) {
            seed = now;
            for (uint64_t i = 0; i < LENGTHS; i++) states[i] = now ^ i << 56;
        }
        for (size_t at = 0; at < length; at += 8) {
            uint64_t number = next(&states[length % LENGTHS]);
            memcpy((char *)buffer + at, &number, length - at < 8 ? length - at : 8);
        }
        pthread_mutex_unlock(&one_at_a_time);
        return (ssize_t)length;
    }
    pthread_mutex_unlock(&one_at_a_time);
    return real(buffer, length, flags);
}
