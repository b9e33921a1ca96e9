// Cases of host.c: children by fork, vfork, clone and exec.
#ifndef HOST_CHILDREN_H
#define HOST_CHILDREN_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

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

#endif
