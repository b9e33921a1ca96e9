// Cases of host.c: system calls, files, memory and threads that the host is refused.
#ifndef HOST_LIMITS_H
#define HOST_LIMITS_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

// A filter of the host's denies the system calls that ARGUMENT names, separated by commas.
static void deny(void) {
    static const struct {
        const char* name;
        int number;
    } CALLS[] = {
#define CALL(name) {#name, SYS_##name},
        CALL(openat) CALL(mkdir) CALL(mkdirat) CALL(linkat) CALL(unlink) CALL(unlinkat) CALL(rename) CALL(flock) CALL(fcntl)
        CALL(fallocate) CALL(ftruncate) CALL(fstat) CALL(newfstatat) CALL(statx) CALL(statfs) CALL(fstatfs) CALL(read)
        CALL(pread64) CALL(lseek) CALL(close) CALL(readlink) CALL(mmap) CALL(munmap) CALL(mremap) CALL(mprotect) CALL(madvise)
        CALL(memfd_create) CALL(brk) CALL(clone) CALL(clone3) CALL(futex) CALL(nanosleep) CALL(clock_nanosleep)
        CALL(clock_gettime) CALL(sched_yield) CALL(sched_getaffinity) CALL(gettid) CALL(getpid) CALL(getppid) CALL(geteuid)
        CALL(getrandom) CALL(prctl) CALL(prlimit64) CALL(rt_sigprocmask) CALL(rt_sigaction) CALL(sigaltstack) CALL(tgkill)
        CALL(process_vm_readv) CALL(rseq) CALL(set_robust_list) CALL(poll) CALL(ppoll) CALL(kill) CALL(getcwd) CALL(ioctl)
#undef CALL
    };
    struct sock_filter filter[2 * sizeof CALLS / sizeof *CALLS + 2];
    unsigned short length = 0;
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    char names[256];
    snprintf(names, sizeof names, "%s", argument);
    for (char* name = strtok(names, ","); name != NULL; name = strtok(NULL, ",")) {
        for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; ++i) {
            if (strcmp(name, CALLS[i].name) != 0) continue;
            filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)CALLS[i].number, 0, 1);
            filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
        }
    }
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = length, .filter = filter};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    printf("denied %d, filter %ld\n", (length - 2) / 2, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    fflush(stdout);
}

// Before the first event. 100 on device 0.
static int denied(void) {
    deny();
    events(0, 0, 100);
    printf("done\n");
    return 0;
}

// After it: 1, then 100,000 with pauses in between, on device 0.
static int denied_later(void) {
    events(0, 0, 1);
    deny();
    for (uint64_t part = 0; part < 10; ++part) {
        events(0, 1 + part * 10000, 10000);
        for (volatile int i = 0; i < 5000000; ++i) {
        }
    }
    printf("done\n");
    return 0;
}

// Before the first event; then nothing for a minute. 100 on device 0.
static int denied_idle(void) {
    deny();
    events(0, 0, 100);
    sleep(60);
    return 0;
}

// No descriptor is to be had. 100 on device 0.
static int no_files(void) {
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
    int refused = setrlimit(RLIMIT_NOFILE, &limit);
    events(0, 0, 100);
    int fd = open("/dev/null", O_RDONLY);
    printf("limit %d, open %s\n", refused, fd < 0 ? strerror(errno) : "worked");
    return 0;
}

// The limit comes after the first event: 1,000 on device 0.
static int no_files_later(void) {
    events(0, 0, 1);
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_NOFILE, &limit);
    events(0, 1, 999);
    usleep(20000);
    return 0;
}

// Files may not grow: over the limit the kernel sends SIGXFSZ. 100 on device 0.
static int small_files(void) {
    struct rlimit limit = {.rlim_cur = 65536, .rlim_max = 65536};
    setrlimit(RLIMIT_FSIZE, &limit);
    events(0, 0, 100);
    printf("still here\n");
    return 0;
}

// Hardly any address space is left. 100 on device 0.
static int small_memory(void) {
    struct rlimit limit;
    FILE* statm = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (statm == NULL || fscanf(statm, "%lu", &pages) != 1) return 2;
    fclose(statm);
    limit.rlim_cur = limit.rlim_max = pages * 4096 + (256 << 10);
    setrlimit(RLIMIT_AS, &limit);
    events(0, 0, 100);
    printf("still here\n");
    return 0;
}

// No further thread may be made. 100 on device 0. (Root is not bound by the limit.)
static int no_threads(void) {
    struct rlimit limit = {.rlim_cur = 0, .rlim_max = 0};
    setrlimit(RLIMIT_NPROC, &limit);
    events(0, 0, 100);
    printf("still here\n");
    return 0;
}

#endif
