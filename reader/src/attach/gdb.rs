//! A call in a process by gdb.

use super::{Call, Plan, Wish, failure};
use crate::Failure;

/// What the script prints before it waits.
const WAITS: &str = "ttmem-waits";
/// And before its result.
const DONE: &str = "ttmem-done:";
const REFUSED: &str = "ttmem-dlopen:";

pub(super) fn plan(wish: &Wish<'_>) -> Result<Plan, Failure> {
    let pid = wish.target.pid().to_string();
    let settings = ["-iex", "set auto-solib-add off", "-iex", "set debuginfod enabled off", "-p", &pid];
    Ok(Plan {
        scripts: vec![("attach.gdb", script(wish)?), ("detach.gdb", ending())],
        arguments: ["-nx", "-q", "-batch"].into_iter().chain(settings).map(str::to_owned).collect(),
        before_script: "-x",
        waits: WAITS,
        done: DONE,
        not_done: "",
        interrupt: None,
        refused: REFUSED,
    })
}

/// Where a thread that has no lock of the C library is found. One that sleeps in a system call has none; else the first thread is taken
/// that comes to the entry of malloc or one of its like, since one that is inside them, or inside dlopen, may hold their locks.
fn safe_place(sleeps: bool) -> String {
    if sleeps {
        return "set $safe = 1\n".to_owned();
    }
    let stops = ["malloc", "calloc", "realloc", "free"];
    let stops: String =
        stops.iter().map(|name| format!("break {name}\ncommands\nsilent\nset $safe = 1\nend\n")).collect();
    format!("set $safe = 0\n{stops}printf \"{WAITS}\\n\"\ncontinue\ndelete\n")
}

/// The registers that a call may change; the last tells the kernel whether a system call is to go on.
const REGISTERS: [&str; 12] = ["rip", "rsp", "rdi", "rsi", "rdx", "rcx", "r8", "r9", "r10", "r11", "rax", "orig_rax"];

/// What gdb runs in any case, whatever became of the script.
fn ending() -> String {
    let restore: String = REGISTERS.iter().map(|name| format!("set ${name} = $old_{name}\n")).collect();
    format!("delete\nif $saved\neval \"thread %d\", $caller\n{restore}end\ndetach\n")
}

/// Calls dlopen, dlsym and the function on a thread, by its general registers alone, and puts them back: where a processor has more
/// state than gdb knows (AMX, with gdb 13), its own calls fail. By the ABI no other register is in use at these places. The calls
/// return to the program's entry point, where nobody comes any more. Paths lie on the thread's stack, below what it uses.
fn script(wish: &Wish<'_>) -> Result<String, Failure> {
    let Wish { target, call, library, folder } = *wish;
    let function = call.name();
    let argument = if call == Call::Start { "($text+1024)" } else { "0" };
    let entry = target.entry().ok_or_else(|| failure(target, "its entry point cannot be read in /proc"))?;
    let save: String = REGISTERS.iter().map(|name| format!("set $old_{name} = ${name}\n")).collect();
    Ok(format!(
        "set confirm off
set pagination off
set breakpoint pending off
handle SIGTRAP nopass
sharedlibrary libc[.-]
sharedlibrary libdl[.-]
set $dlopen = (unsigned long)&dlopen
set $dlsym = (unsigned long)&dlsym
set $dlerror = (unsigned long)&dlerror
define ttmem_call
set $rdi = $arg1
set $rsi = $arg2
set $rax = 0
set $rsp = $text - 2056
set {{unsigned long}}$rsp = {entry:#x}
set $rip = $arg0
continue
end
set $saved = 0
{safe}if $safe
{save}set $caller = $_thread
set $saved = 1
set $orig_rax = -1
set $text = ((unsigned long)$rsp - 4096) & ~15
set {{char[{library_bytes}]}}$text = {library}
set {{char[{folder_bytes}]}}($text + 1024) = {folder}
set {{char[{function_bytes}]}}($text + 2048) = \"{function}\"
eval \"break *{entry:#x} thread %d\", $caller
ttmem_call $dlopen $text {now_for_all}
set $library = $rax
if $library
ttmem_call $dlsym $library ($text+2048)
set $function = $rax
end
if $library && $function
ttmem_call $function {argument} 0
printf \"{DONE} %d\\n\", (int)($rax & 255)
else
ttmem_call $dlerror 0 0
printf \"{REFUSED} %s\\n\", (char *)$rax
end
end
",
        safe = safe_place(target.sleeps()),
        now_for_all = libc::RTLD_NOW | libc::RTLD_GLOBAL,
        library_bytes = library.len() - 1,
        folder_bytes = folder.len() - 1,
        function_bytes = function.len() + 1,
    ))
}
