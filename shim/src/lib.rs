//! `libttmem.so`: reports what a program does with the memory of its Tenstorrent devices.
//!
//! A C++ build links it and calls the C ABI of [`abi`]; any other program gets it by `LD_PRELOAD`, where [`interpose`]
//! stands in for tt-metal's own functions, calls the real ones, and notes what happened.
//!
//! An event goes from [`capture`] into the queue in this process's ring file; the thread of [`flusher`] drains it into the ring. Nothing
//! of that exists before the first event: see [`startup`]. The host is never harmed: whatever goes wrong, tracking is turned off, one
//! line says so, and the program runs on.
//!
//! What the library exports is listed in `abi/exports.txt`, and nothing else is visible.
// The exported functions are `pub` for cbindgen and for readers; nothing links this crate as Rust.
#![allow(unreachable_pub)]

mod abi;
mod capture;
mod checkpoints;
mod complain;
mod config;
mod control;
mod facts;
mod fired;
mod flush;
mod flusher;
mod fork_guard;
mod full_queue;
mod interpose;
mod known;
mod last_thread;
mod memory_request;
mod mode;
mod nap;
mod past_allocators;
mod patch;
mod pool_cache;
mod pool_sets;
mod region;
mod signals;
mod stacks;
mod startup;
#[cfg(feature = "switch")]
mod switch;
mod symbols;
mod thread;
mod tracker;
mod turn;
