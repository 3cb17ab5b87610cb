/* Records what a process does to the files of one folder, in the order in which it happened.
 *
 * Preloaded (LD_PRELOAD) into a real program by tests/suite/power.rs, which replays the record as a
 * disk that loses power. Linux and glibc only. It changes nothing of what the program does.
 *
 *   POWER_FOLDER   the folder, absolute
 *   POWER_LOG      where the record goes; not in the folder
 *
 * A record is: operation (1 byte), then the lengths of name, second name and data (4 bytes each),
 * the offset (8 bytes), all little-endian, then name, second name and data.
 *
 *   C  a file was made          W  data was written at the offset    T  cut or grown to the offset
 *   S  a file was synchronised  D  the folder was synchronised       R  renamed
 *   L  got a second name        U  removed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* An operation and its entry are one step: the order of the record is the order of events. */
static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static int record_fd = -1;

__attribute__((constructor)) static void begin(void) {
    const char *log = getenv("POWER_LOG");
    folder = getenv("POWER_FOLDER");
    if (folder && log)
        record_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* The name inside the folder; "" is the folder itself; NULL: somewhere else. */
static const char *inside(const char *path) {
    size_t length = folder ? strlen(folder) : 0;
    if (record_fd < 0 || strncmp(path, folder, length)) return NULL;
    if (path[length] == 0) return path + length;
    return path[length] == '/' ? path + length + 1 : NULL;
}

/* As `inside`, for an open file; a removed one is nowhere. */
static const char *inside_fd(int fd, char *buffer, size_t size) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = record_fd < 0 ? -1 : readlink(link, buffer, size - 1);
    if (length < 0) return NULL;
    buffer[length] = 0;
    return strstr(buffer, " (deleted)") ? NULL : inside(buffer);
}

static void enter(char operation, const char *name, const char *second, uint64_t offset,
                  const void *data, uint32_t size) {
    uint32_t lengths[3] = {strlen(name), strlen(second), size};
    struct iovec parts[] = {{&operation, 1},
                            {lengths, sizeof lengths},
                            {&offset, sizeof offset},
                            {(void *)name, lengths[0]},
                            {(void *)second, lengths[1]},
                            {(void *)data, size}};
    syscall(SYS_writev, record_fd, parts, 6);
}

#define NAME_OF(fd) \
    char buffer[4096]; \
    const char *name = inside_fd(fd, buffer, sizeof buffer)

/* Runs `call`, and enters it if it succeeded. */
#define STEP(call, condition, ...) \
    pthread_mutex_lock(&one_at_a_time); \
    __typeof__(call) result = call; \
    if (condition) enter(__VA_ARGS__); \
    pthread_mutex_unlock(&one_at_a_time); \
    return result

static int open_recorded(int (*real)(int, const char *, int, ...), int at, const char *path, int flags, int mode) {
    const char *name = inside(path);
    pthread_mutex_lock(&one_at_a_time);
    int was_there = !name || !(flags & (O_CREAT | O_TRUNC)) || access(path, F_OK) == 0;
    int fd = real(at, path, flags, mode);
    if (fd >= 0 && !was_there) enter('C', name, "", 0, "", 0);
    else if (fd >= 0 && name && flags & O_TRUNC) enter('T', name, "", 0, "", 0);
    pthread_mutex_unlock(&one_at_a_time);
    return fd;
}

#define MODE \
    int mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list list; va_start(list, flags); mode = va_arg(list, int); va_end(list); }

static int (*real_openat)(int, const char *, int, ...);

#define OPENAT() if (!real_openat) real_openat = (int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat64")

int open(const char *path, int flags, ...) {
    MODE OPENAT();
    return open_recorded(real_openat, AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
    MODE OPENAT();
    return open_recorded(real_openat, AT_FDCWD, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
    MODE OPENAT();
    return open_recorded(real_openat, at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
    MODE OPENAT();
    return open_recorded(real_openat, at, path, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    NAME_OF(fd);
    if (!name) return real(fd, data, size);
    STEP(real(fd, data, size), result > 0, 'W', name, "", lseek(fd, 0, SEEK_CUR) - result, data, result);
}
ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    NAME_OF(fd);
    if (!name) return real(fd, parts, count);
    /* One part at a time is a short write, which every caller must expect. */
    for (; count > 1 && parts->iov_len == 0; count--) parts++;
    return write(fd, parts->iov_base, parts->iov_len);
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    REAL(pwrite);
    NAME_OF(fd);
    if (!name) return real(fd, data, size, offset);
    STEP(real(fd, data, size, offset), result > 0, 'W', name, "", offset, data, result);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    NAME_OF(fd);
    if (!name) return real(fd, data, size, offset);
    STEP(real(fd, data, size, offset), result > 0, 'W', name, "", offset, data, result);
}
int ftruncate(int fd, off_t size) {
    REAL(ftruncate);
    NAME_OF(fd);
    if (!name) return real(fd, size);
    STEP(real(fd, size), result == 0, 'T', name, "", size, "", 0);
}
int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    NAME_OF(fd);
    if (!name) return real(fd, size);
    STEP(real(fd, size), result == 0, 'T', name, "", size, "", 0);
}
int fsync(int fd) {
    REAL(fsync);
    NAME_OF(fd);
    if (!name) return real(fd);
    STEP(real(fd), result == 0, *name ? 'S' : 'D', name, "", 0, "", 0);
}
int fdatasync(int fd) {
    REAL(fdatasync);
    NAME_OF(fd);
    if (!name) return real(fd);
    STEP(real(fd), result == 0, *name ? 'S' : 'D', name, "", 0, "", 0);
}
int rename(const char *from, const char *to) {
    REAL(rename);
    const char *name = inside(from), *second = inside(to);
    if (!name || !second) return real(from, to);
    STEP(real(from, to), result == 0, 'R', name, second, 0, "", 0);
}
int link(const char *from, const char *to) {
    REAL(link);
    const char *name = inside(from), *second = inside(to);
    if (!name || !second) return real(from, to);
    STEP(real(from, to), result == 0, 'L', name, second, 0, "", 0);
}
int linkat(int from_at, const char *from, int to_at, const char *to, int flags) {
    REAL(linkat);
    const char *name = inside(from), *second = inside(to);
    if (!name || !second) return real(from_at, from, to_at, to, flags);
    STEP(real(from_at, from, to_at, to, flags), result == 0, 'L', name, second, 0, "", 0);
}
int unlink(const char *path) {
    REAL(unlink);
    const char *name = inside(path);
    if (!name) return real(path);
    STEP(real(path), result == 0, 'U', name, "", 0, "", 0);
}
