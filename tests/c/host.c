// What real programs do around a preloaded library. Every case prints what it saw and exits with a code of its own; with
// and without ttmem both must be the same. Where events are made, their number is written down beside the case.
//
//     host CASE [ARGUMENT]
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
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

static volatile int stop;

// These report by events(), and use what is above.
#include "host_children.h"
#include "host_limits.h"

// ARGUMENT events on device 9.
static int plain(void) {
    events(9, 0, strtoull(argument, NULL, 10));
    printf("done\n");
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
