//! A call in a process by lldb, which puts all registers back by itself.

use super::{Call, Plan, Wish};
use crate::Failure;

/// Microseconds that one call may take; lldb takes it back then.
const LONGEST: u32 = 10_000_000;

#[expect(clippy::unnecessary_wraps, reason = "the plan for gdb can fail")]
pub(super) fn plan(wish: &Wish<'_>) -> Result<Plan, Failure> {
    let pid = wish.target.pid().to_string();
    let settings = ["target.preload-symbols", "symbols.enable-external-lookup"];
    let settings = settings.into_iter().flat_map(|name| ["-O".to_owned(), format!("settings set {name} false")]);
    let begin = ["--no-lldbinit", "--batch"].into_iter().map(str::to_owned);
    Ok(Plan {
        scripts: vec![("attach.lldb", script(wish))],
        arguments: begin.chain(settings).chain(["-p".to_owned(), pid]).collect(),
        before_script: "-s",
        waits: "",
        done: "(int) $ttmem_done =",
        not_done: "-1",
        // lldb itself takes an interrupt only once the process has stopped. This signal does nothing to one that it has let go.
        interrupt: Some((wish.target.pid(), libc::SIGWINCH)),
        refused: "(const char *) $ttmem_why =",
    })
}

/// The result is printed where the library was found, and the dynamic linker's words where it was not. The thread is found as for
/// gdb; at a place that came too late nothing is called, and so nothing is printed.
fn script(wish: &Wish<'_>) -> String {
    let Wish { target, call, library, folder } = wish;
    let (types, argument) = if *call == Call::Start { ("const char *", *folder) } else { ("", "") };
    let (function, now_for_all) = (call.name(), libc::RTLD_NOW | libc::RTLD_GLOBAL);
    let calls = [
        format!("void *$ttmem_library = ((void *(*)(const char *, int))dlopen)({library}, {now_for_all})"),
        format!(
            "void *$ttmem_function = $ttmem_library ? ((void *(*)(void *, const char *))dlsym)($ttmem_library, \"{function}\") \
             : (void *)0"
        ),
        format!("int $ttmem_done = $ttmem_function ? ((unsigned char (*)({types}))$ttmem_function)({argument}) : -1"),
        "const char *$ttmem_why = $ttmem_function ? \"\" : ((const char *(*)())dlerror)()".to_owned(),
    ];
    let calls: String =
        calls.iter().map(|call| format!("expression -l c++ -i true -t {LONGEST} -- {call}\n")).collect();
    let at_safe_place = if target.sleeps() {
        format!("thread select 1\n{calls}")
    } else {
        // The commands of a breakpoint end with a line of their own.
        format!(
            "process handle -s true -p false -n false SIGWINCH
breakpoint set -K false -s libc.so.6 -n malloc -n calloc -n realloc -n free
breakpoint command add
breakpoint disable
{calls}DONE
process continue
breakpoint delete -f
"
        )
    };
    format!("{at_safe_place}expression -l c++ -- $ttmem_done\nexpression -l c++ -- $ttmem_why\nprocess detach\nquit\n")
}
