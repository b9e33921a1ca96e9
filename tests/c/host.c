// What real programs do around a preloaded library. Every case prints what it saw and exits with a code of its own; with
// and without ttmem both must be the same. Where events are made, their number is written down beside the case.
//
//     host CASE [ARGUMENT]
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "events.h"

static const char* self = "/proc/self/exe";
static const char* argument = "";

static int ended(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    printf("child ended %s %d\n", WIFEXITED(status) ? "with code" : "by signal",
           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return status;
}

static void run_again(const char* events_case) {
    execl(self, "host", "events", events_case, (char*)NULL);
    _exit(127);
}

// ARGUMENT events on device 9.
static int plain(void) {
    events(9, 0, strtoull(argument, NULL, 10));
    printf("done\n");
    return 0;
}

// 100 and 100 on device 0; the child 50 on device 1.
static int forking(void) {
    events(0, 0, 100);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        events(1, 0, 50);
        _exit(3);
    }
    ended(child);
    events(0, 100, 100);
    return 4;
}

// The same, but the first event is the child's.
static int fork_first(void) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        events(1, 0, 50);
        exit(3);
    }
    ended(child);
    events(0, 0, 100);
    return 4;
}

// Each generation 10 on the device of its number, 0 to 4.
static int generations(void) {
    for (int generation = 0; generation < 5; ++generation) {
        events(generation, 0, 10);
        fflush(stdout);
        pid_t child = fork();
        if (child != 0) {
            ended(child);
            exit(generation);
        }
    }
    return 5;
}

static volatile int stop;

static void* hammer(void* device) {
    uint64_t id = 0;
    while (!stop) events((int32_t)(intptr_t)device, id++, 1);
    return (void*)(uintptr_t)id;
}

// Two threads report on devices 0 and 1 while 20 children are made, each with 10 on device 2 and one thread with 10 on
// device 3. The threads' counts go to the words of ARGUMENT.
static int fork_with_threads(void) {
    volatile uint64_t* words = shared_words(argument, 2);
    pthread_t threads[2];
    for (intptr_t i = 0; i < 2; ++i) pthread_create(&threads[i], NULL, hammer, (void*)i);
    for (int round = 0; round < 20; ++round) {
        fflush(stdout);
        pid_t child = fork();
        if (child == 0) {
            events(2, 0, 10);
            stop = 1;
            for (int i = 0; i < 10; ++i) events(3, (uint64_t)i, 1);
            exit(round);
        }
        ended(child);
    }
    stop = 1;
    for (int i = 0; i < 2; ++i) {
        void* count;
        pthread_join(threads[i], &count);
        words[i * WORD_STRIDE] = (uint64_t)(uintptr_t)count;
    }
    return 0;
}

// 100 on device 0; then a child of 20 by exec.
static int fork_exec(void) {
    events(0, 0, 100);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) run_again("20");
    ended(child);
    return 0;
}

// 100 on device 0, one of them by the vfork child before its exec; then 20.
static int vfork_exec(void) {
    events(0, 0, 99);
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        events(0, 99, 1);
        run_again("20");
    }
    ended(child);
    return 0;
}

// The first event of all is the vfork child's, 1 on device 0; 99 of its parent follow, and 20 of the child's exec.
static int vfork_first(void) {
    fflush(stdout);
    pid_t child = vfork();
    if (child == 0) {
        events(0, 0, 1);
        run_again("20");
    }
    ended(child);
    events(0, 1, 99);
    return 0;
}

// 100 on device 0, then 20 in the same process, which is another program.
static int exec_itself(void) {
    events(0, 0, 100);
    printf("before\n");
    fflush(stdout);
    execl(self, "host", "events", "20", (char*)NULL);
    return 127;
}

// 100 on device 0; a child made by the bare system call, 30 on device 1.
static int raw_clone(void) {
    events(0, 0, 100);
    fflush(stdout);
    long child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        events(1, 0, 30);
        syscall(SYS_exit_group, 6);
    }
    ended((pid_t)child);
    return 0;
}

// The same by _Fork, which runs no fork handlers.
static int bare_fork(void) {
    pid_t (*fork_without_handlers)(void);
    *(void**)&fork_without_handlers = dlsym(RTLD_DEFAULT, "_Fork");
    if (fork_without_handlers == NULL) fork_without_handlers = fork;
    events(0, 0, 100);
    fflush(stdout);
    pid_t child = fork_without_handlers();
    if (child == 0) {
        events(1, 0, 30);
        _exit(6);
    }
    ended(child);
    return 0;
}

// A child that shares all memory, like vfork's, 10 on device 0 of its own among 100: it counts as its parent.
static int in_shared_memory(void* unused) {
    (void)unused;
    events(0, 50, 10);
    _exit(8);
}

static int clone_vm(void) {
    static char stack[256 * 1024] __attribute__((aligned(64)));
    events(0, 0, 50);
    fflush(stdout);
    pid_t child = clone(in_shared_memory, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    ended(child);
    events(0, 60, 40);
    return 0;
}

static void* some(void* device) {
    events((int32_t)(intptr_t)device, 0, 500);
    return NULL;
}

// 64 threads, 8 at a time, 500 each on the device of its number.
static int threads(void) {
    for (intptr_t round = 0; round < 8; ++round) {
        pthread_t ids[8];
        for (intptr_t i = 0; i < 8; ++i) pthread_create(&ids[i], NULL, some, (void*)(round * 8 + i));
        for (int i = 0; i < 8; ++i) pthread_join(ids[i], NULL);
    }
    printf("64 threads\n");
    return 0;
}

// The first event comes from a thread with a stack of ARGUMENT bytes (16384 is the least that there is); 500 on device 0.
static int small_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    int refused = pthread_attr_setstacksize(&attributes, strtoull(argument, NULL, 10));
    if (pthread_create(&thread, &attributes, some, NULL) == 0) pthread_join(thread, NULL);
    printf("small stack %d\n", refused);
    return 0;
}

static volatile uint64_t* handled;
static volatile sig_atomic_t is_handled;

static void on_signal(int signal) {
    (void)signal;
    events(1, handled[0], 1);
    handled[0] += 1;
    is_handled = 1;
}

static void* interrupt(void* thread) {
    while (!stop) {
        pthread_kill(*(pthread_t*)thread, SIGUSR1);
        for (volatile int i = 0; i < 2000; ++i) {
        }
    }
    return NULL;
}

// 300,000 on device 0, interrupted all the time by a handler that reports on device 1 (its count goes to the words of
// ARGUMENT).
static int signals(void) {
    handled = shared_words(argument, 1);
    handled[0] = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    events(0, 0, 1);
    pthread_t main_thread = pthread_self(), interrupter;
    pthread_create(&interrupter, NULL, interrupt, &main_thread);
    events(0, 1, 299999);
    while (!is_handled) sched_yield();
    // The first ones are in a checkpoint by now where the interrupter had no processor; the ring has the last.
    raise(SIGUSR1);
    stop = 1;
    pthread_join(interrupter, NULL);
    printf("interrupted %s\n", is_handled ? "yes" : "no");
    return 0;
}

// The first event of all comes from a signal handler, on a small stack of its own. 1 on device 1, then 100 on device 0.
static int first_in_handler(void) {
    static char alternate[16384];
    handled = shared_words(argument, 1);
    handled[0] = 0;
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
    events(0, 0, 100);
    printf("handled %d\n", (int)is_handled);
    return 0;
}

// A signal for the process must wait while its own threads block it: no thread of ttmem takes it. 100 on device 0.
static int blocked_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    events(0, 0, 100);
    usleep(20000);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGTERM);
    usleep(20000);
    sigpending(&set);
    printf("pending %d %d\n", sigismember(&set, SIGUSR1), sigismember(&set, SIGTERM));
    return 0;
}

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

// Closes every descriptor that it did not open, like a daemon: 100 before, 100 after, on device 0; then what is open.
static int close_all(void) {
    events(0, 0, 100);
    for (int fd = 3; fd < 1024; ++fd) close(fd);
    events(0, 100, 100);
    usleep(20000);
    int first = open("/dev/null", O_RDONLY);
    printf("first free descriptor %d\n", first);
    return 0;
}

// The same at once, by close_range.
static int close_from_3(void) {
    events(0, 0, 100);
    int closed = (int)syscall(SYS_close_range, 3, ~0U, 0);
    events(0, 100, 100);
    usleep(20000);
    printf("closed %d, first free descriptor %d\n", closed, open("/dev/null", O_RDONLY));
    return 0;
}

// A daemon, with 50 on device 0 before it parts, 200 on device 1 after; its first process ends while it runs. Standard output is the pipe
// that tells of its end.
static int becomes_a_daemon(void) {
    events(0, 0, 50);
    fflush(stdout);
    if (fork() != 0) _exit(9);
    setsid();
    if (fork() != 0) _exit(0);
    if (chdir("/") != 0) return 2;
    umask(0);
    syscall(SYS_close_range, 3, ~0U, 0);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    usleep(50000);
    events(1, 0, 200);
    printf("daemon done\n");
    return 0;
}

// errno is the caller's, after the first event as after any other. 101 on device 0.
static int keeps_errno(void) {
    errno = 77;
    events(0, 0, 1);
    printf("errno %d\n", errno);
    errno = 78;
    events(0, 1, 100);
    printf("errno %d\n", errno);
    return 0;
}

// Standard error is a pipe that nobody reads. 10 on device 0.
static int broken_stderr(void) {
    int ends[2];
    if (pipe(ends) != 0) return 2;
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    events(0, 0, 10);
    printf("still here\n");
    return 0;
}

// Writes as many bytes as the file system of folder ARGUMENT has, between 10 and 300,000 events on device 0.
static int full_file_system(void) {
    events(0, 0, 10);
    char path[4096], block[4096];
    memset(block, 1, sizeof block);
    snprintf(path, sizeof path, "%s/filling", argument);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (fd >= 0 && write(fd, block, sizeof block) > 0) {
    }
    printf("%s\n", strerror(errno));
    events(0, 10, 300000);
    if (ttmem_wait != NULL) ttmem_wait(100);
    return 0;
}

// Ways to end without exit handlers. 100 on device 0.
static int leave(void) {
    events(0, 0, 100);
    if (strcmp(argument, "_exit") == 0) _exit(11);
    if (strcmp(argument, "quick_exit") == 0) quick_exit(12);
    if (strcmp(argument, "abort") == 0) abort();
    if (strcmp(argument, "thread") == 0) {
        pthread_t thread;
        pthread_create(&thread, NULL, some, NULL);
        pthread_exit(NULL);
    }
    if (strcmp(argument, "group") == 0) syscall(SYS_exit_group, 13);
    if (strcmp(argument, "fault") == 0) *(volatile int*)NULL = 1;
    return 14;
}

// A library whose constructor reports (ARGUMENT is its path): tells whether that took long.
static int loads_a_library(void) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    void* library = dlopen(argument, RTLD_NOW);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds = (double)(after.tv_sec - before.tv_sec) + 1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    printf("loaded %d, %s\n", library != NULL, seconds < 1 ? "at once" : "after a long time");
    if (library != NULL) dlclose(library);
    return 0;
}

// Another root folder and other user after the first event; 100 before and 100 after, on device 0.
static int change_root(void) {
    events(0, 0, 100);
    int root = chroot("/proc/self"), user = setuid(65534);
    events(0, 100, 100);
    usleep(20000);
    printf("chroot %d setuid %d\n", root, user);
    return 0;
}

int main(int argc, char** argv) {
    static const struct {
        const char* name;
        int (*run)(void);
    } CASES[] = {
        {"events", plain},
        {"fork", forking},
        {"fork-first", fork_first},
        {"generations", generations},
        {"fork-with-threads", fork_with_threads},
        {"fork-exec", fork_exec},
        {"vfork-exec", vfork_exec},
        {"vfork-first", vfork_first},
        {"exec", exec_itself},
        {"raw-clone", raw_clone},
        {"bare-fork", bare_fork},
        {"clone-vm", clone_vm},
        {"threads", threads},
        {"small-stack", small_stack},
        {"signals", signals},
        {"first-in-handler", first_in_handler},
        {"blocked-signals", blocked_signals},
        {"denied", denied},
        {"denied-later", denied_later},
        {"denied-idle", denied_idle},
        {"no-files", no_files},
        {"no-files-later", no_files_later},
        {"small-files", small_files},
        {"small-memory", small_memory},
        {"no-threads", no_threads},
        {"close-all", close_all},
        {"close-range", close_from_3},
        {"daemon", becomes_a_daemon},
        {"errno", keeps_errno},
        {"broken-stderr", broken_stderr},
        {"full-file-system", full_file_system},
        {"leave", leave},
        {"loads-a-library", loads_a_library},
        {"change-root", change_root},
    };
    find_ttmem();
    if (argc > 2) argument = argv[2];
    for (size_t i = 0; argc > 1 && i < sizeof CASES / sizeof CASES[0]; ++i) {
        if (strcmp(argv[1], CASES[i].name) == 0) return CASES[i].run();
    }
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; ++i) printf("%s\n", CASES[i].name);
    return 2;
}
