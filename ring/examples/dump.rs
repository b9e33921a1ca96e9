//! Prints what a ring file holds, event by event, and takes nothing out of it.
//!
//!     cargo run -p ttmem-ring --example dump RING

use ttmem_ring::RingReader;
use ttmem_wire::{Event, Target};

fn main() {
    let path = std::env::args_os().nth(1).expect("usage: dump RING");
    let mut reader = RingReader::open(path.as_ref()).unwrap_or_else(|error| panic!("{error}"));
    let mut records = Vec::new();
    reader.read(&mut records, usize::MAX);
    let recovery = if reader.is_alive() { None } else { Some(reader.recover(&mut records)) };
    for record in &records {
        match Event::decode(record) {
            Ok(event) => {
                let chips = match event.target {
                    Target::Pool(index) => format!("{:?}", reader.pool(index)),
                    Target::Device(device) => format!("{device}"),
                };
                println!(
                    "{:6} {:?} {:?} at {:#x} size {} bank {:?} holder {} flags {} cores {:?} space {:?} on {chips}",
                    event.sequence,
                    event.kind,
                    event.memory,
                    event.address,
                    event.size,
                    event.size_per_bank,
                    event.holder,
                    event.flags,
                    event.cores,
                    event.space
                );
            }
            Err(error) => println!("{error}"),
        }
    }
    println!("{:?} {recovery:?} exit {:?}", reader.counters(), reader.exit_status());
}
