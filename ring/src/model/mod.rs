//! Models and stress tests of the parts together: loom (every order), shuttle (random orders), and real threads.

#[cfg(loom)]
mod loom;
#[cfg(shuttle)]
mod shuttle;
#[cfg(any(loom, shuttle))]
mod test_reader;
#[cfg(not(any(loom, shuttle)))]
mod threads;
