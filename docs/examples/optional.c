// Runs with and without ttmem, and links without it: the names are weak, and
// null where no library brings them.
#include <stdio.h>

#pragma weak report_allocation
#pragma weak report_deallocation
#include <ttmem.h>

int main(void) {
    if (report_allocation && report_deallocation) {
        report_allocation(0, 1024, 0, 0x1000);
        report_deallocation(0, 0x1000);
        puts("somebody listens");
    } else {
        puts("nobody listens");
    }
    return 0;
}
