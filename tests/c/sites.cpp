/* Allocates from many kinds of C++ code. The functions are named after the address that they report.
 *
 *     sites            all of it
 *     sites replaced   waits for a line on standard input after the first, so that the program can be replaced */
#include "events.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <pthread.h>
#include <stdexcept>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, noclone))

namespace app {

volatile int sink;

/* A function of its own in the way between: no tail calls. */
template <typename F> KEEP void through(F &&f) {
    f();
    sink = sink + 1;
}

KEEP void direct(uint64_t address) {
    ttmem_allocation(0, 4096, 0, address);
    sink = sink + 1;
}

struct Layer {
    KEEP void forward(uint64_t address) {
        direct(address);
        sink = sink + 1;
    }
};

/* The stack is aligned anew: the frame is found by an expression. */
KEEP void aligned(uint64_t address, int size) {
    alignas(64) char buffer[256];
    char *more = static_cast<char *>(__builtin_alloca(size));
    memset(buffer, size, sizeof buffer);
    memset(more, size, size);
    direct(address);
    sink = sink + buffer[size & 255] + more[0];
}

struct Guard {
    uint64_t address;
    KEEP ~Guard() {
        direct(address);
        sink = sink + 1;
    }
};

KEEP void throwing(uint64_t address) {
    Guard guard{address};
    throw std::runtime_error("x");
}

KEEP void recursion(int depth, uint64_t address) {
    if (depth) {
        recursion(depth - 1, address);
    } else {
        direct(address);
    }
    sink = sink + 1;
}

}  // namespace app

static ucontext_t main_context, other_context;

static void coroutine() {
    app::direct(0x6000);
    swapcontext(&other_context, &main_context);
}

static void handler(int) { app::direct(0x7000); }

static void *small_thread(void *) {
    app::aligned(0x8000, 100);
    return nullptr;
}

static void on_a_small_stack() {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16 * 1024);
    pthread_create(&thread, &attributes, small_thread, nullptr);
    pthread_join(thread, nullptr);
}

int main(int argc, char **argv) {
    find_ttmem();
    if (!ttmem_allocation) {
        return 0;
    }
    app::Layer().forward(0x1000);
    if (argc > 1 && !strcmp(argv[1], "replaced")) {
        return getchar() == EOF;
    }
    app::aligned(0x2000, argc * 1000);
    app::through([] { app::direct(0x3000); });
    try {
        app::throwing(0x4000);
    } catch (const std::exception &) {
    }
    app::recursion(1000, 0x5000);

    static char stack[64 * 1024];
    getcontext(&other_context);
    other_context.uc_stack.ss_sp = stack;
    other_context.uc_stack.ss_size = sizeof stack;
    other_context.uc_link = &main_context;
    makecontext(&other_context, coroutine, 0);
    swapcontext(&main_context, &other_context);

    static char signal_stack[64 * 1024];
    stack_t alternative = {};
    alternative.ss_sp = signal_stack;
    alternative.ss_size = sizeof signal_stack;
    sigaltstack(&alternative, nullptr);
    struct sigaction action = {};
    action.sa_handler = handler;
    action.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);

    on_a_small_stack();
    if (pid_t child = fork()) {
        waitpid(child, nullptr, 0);
    } else {
        app::Layer().forward(0x9000);
        _exit(0);
    }
    return 0;
}
