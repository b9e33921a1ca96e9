//! The rule of surviving generations, where it meets the rest of the ledger: few looks, closes, runs, and the end.

use ttmem_ledger::{Course, Ledger, Point, Seen, Series, Undecided, judge};
use ttmem_wire::{Event, EventKind, Memory, Target, flags};

const KIB: u64 = 1024;

#[derive(Default)]
struct Program {
    ledger: Ledger,
    ticks: u64,
}

impl Program {
    fn event(&mut self, kind: EventKind, device: i32, number: u64, size: u64) {
        self.ticks += 10;
        let event = Event {
            kind,
            memory: Some(Memory::Dram),
            target: Target::Device(device),
            ticks: self.ticks,
            address: number << 12,
            size,
            site: 8,
            ..Event::default()
        };
        self.ledger.apply(&event, None);
    }

    fn allocate(&mut self, number: u64, size: u64) {
        self.event(EventKind::Allocate, 0, number, size);
    }

    fn free(&mut self, number: u64) {
        self.event(EventKind::Free, 0, number, 0);
    }

    fn close(&mut self) {
        self.event(EventKind::DeviceClosed, 0, 0, 0);
    }

    fn series(&self, point: &Point) -> Series {
        self.ledger.growth().into_iter().find(|series| series.point == *point).expect("the loop")
    }

    fn marks(&self) -> Series {
        self.series(&Point::Marks("step #".into()))
    }
}

/// So many marks, and at each one more of 128 KiB beside a temporary.
fn leaking(marks: u64) -> Program {
    let mut program = Program::default();
    (0..4).for_each(|number| program.allocate(1_000_000 + number, 64 * KIB));
    for step in 0..marks {
        program.allocate(2_000_000, 32 * KIB);
        program.allocate(step, 128 * KIB);
        program.free(2_000_000);
        program.ledger.mark(&format!("step {step}"));
    }
    program
}

fn courses(series: &Series) -> Vec<(Option<u64>, Course)> {
    series.trends.iter().map(|trend| (trend.source.size, trend.course)).collect()
}

#[test]
fn four_marks_tell_a_leak_of_each_iteration_with_its_exact_rate() {
    for marks in [4, 5, 40, 1000] {
        let series = leaking(marks).marks();
        let [leak] = series.leaks()[..] else { panic!("{marks}: {series:#?}") };
        assert_eq!((leak.source.size, leak.source.site), (Some(128 * KIB), 8));
        assert_eq!((leak.allocations_per_iteration, leak.bytes_per_iteration), (1.0, 131_072.0), "{marks}");
        // In a long loop the warm-up is a bin of iterations.
        let after_warm_up = if marks < 128 { marks - 2 } else { marks - 8 };
        assert_eq!((leak.generations, leak.births_kept, leak.births), (after_warm_up, after_warm_up, marks - 2));
        assert_eq!((leak.live.allocations, &leak.devices[..]), (marks, &[0][..]));
        assert_eq!((series.looks, series.iterations), (marks, marks - 1));
    }
    let three = leaking(3).marks();
    let few = Course::Undecided(Undecided::FewIterations);
    let weights_alone = [(None, few), (Some(64 * KIB), Course::Baseline), (Some(128 * KIB), few)];
    assert_eq!(courses(&three), weights_alone);
    // Two see no iteration after the warm-up, and prove nothing of what was born between them.
    assert_eq!(courses(&leaking(2).marks()), weights_alone);
}

#[test]
fn a_close_erases_no_growth_and_is_no_death() {
    let mut program = leaking(40);
    let (marks, time) = (program.marks(), program.series(&Point::Time));
    assert_eq!((marks.leaks().len(), time.leaks().len()), (1, 1));
    program.close();
    let after = program.series(&Point::Time);
    assert_eq!((after.leaks().len(), program.marks()), (1, marks));
    // Nor do a few iterations after it.
    for step in 0..5 {
        program.allocate(step, 4096);
        program.free(step);
        program.ledger.mark(&format!("step {step}"));
    }
    assert_eq!((program.series(&Point::Time).leaks().len(), program.marks().leaks().len()), (1, 1));
}

#[test]
fn what_a_program_frees_before_it_ends_leaked_all_the_same() {
    let mut program = leaking(60);
    (0..60).for_each(|step| program.free(step));
    assert_eq!(program.series(&Point::Time).leaks().len(), 1);
}

#[test]
fn a_queue_that_backs_up_grows_by_what_arrives_less_what_is_done() {
    let mut program = Program::default();
    for step in 0..60 {
        program.allocate(2 * step, 4096);
        program.allocate(2 * step + 1, 4096);
        program.free(step);
        program.ledger.mark(&format!("step {step}"));
    }
    let series = program.marks();
    let [leak] = series.leaks()[..] else { panic!("{series:#?}") };
    assert_eq!((leak.allocations_per_iteration, leak.bytes_per_iteration), (1.0, 4096.0));
    // Half of the iterations are done with.
    assert_eq!((leak.generations, leak.live.allocations), (30, 60));
}

#[test]
fn a_stack_that_stands_still_in_the_end_is_no_leak() {
    let mut program = Program::default();
    let (mut depth, mut next) = (0, 0);
    for step in 0..60_u64 {
        // Up by three and down by one for a while, then up and down.
        let up = if step < 20 { 3 } else { 2 };
        (0..up).for_each(|_| {
            program.allocate(depth, 4096);
            depth += 1;
        });
        let down = if step < 20 { 2 } else { 1 + step % 3 };
        (0..down).for_each(|_| {
            depth -= 1;
            program.free(depth);
        });
        next += 1;
        program.ledger.mark(&format!("step {next}"));
    }
    let series = program.marks();
    assert!(series.leaks().is_empty(), "{series:#?}");
}

#[test]
fn the_epoch_that_kept_most_outlives_a_longer_one() {
    let mut program = leaking(30);
    program.close();
    for step in 0..100 {
        program.allocate(step % 3, 4096);
        program.free(step % 3);
        program.ledger.mark(&format!("step {step}"));
    }
    program.close();
    program.allocate(0, 4096);
    program.ledger.mark("step 0");
    assert_eq!(program.marks().leaks().len(), 1);
}

#[test]
fn a_program_that_only_loads_is_undecided_by_time() {
    let mut program = Program::default();
    (0..200).for_each(|number| program.allocate(number, 4096));
    let series = program.series(&Point::Time);
    assert!(series.leaks().is_empty());
    assert_eq!(courses(&series)[0].1, Course::Undecided(Undecided::NothingRepeats));
}

#[test]
fn one_tensor_that_becomes_ever_longer_is_no_baseline() {
    let mut program = Program::default();
    for step in 0..60 {
        program.allocate(step, (step + 1) * KIB);
        if step > 0 {
            program.free(step - 1);
        }
        program.ledger.mark(&format!("step {step}"));
    }
    let longer = Course::Undecided(Undecided::SizesRise);
    assert_eq!(courses(&program.marks())[0], (None, longer));
    assert_eq!(courses(&program.series(&Point::Time))[0], (None, longer));
    // The last stays as long as it is.
    for step in 60..200 {
        program.allocate(step, 60 * KIB);
        program.free(step - 1);
        program.ledger.mark(&format!("step {step}"));
    }
    assert_eq!(courses(&program.marks())[0], (None, Course::Baseline));
}

#[test]
fn events_without_ticks_say_nothing() {
    let mut program = leaking(0);
    for step in 0..40 {
        program.ticks = 0;
        let event = Event {
            memory: Some(Memory::Dram),
            target: Target::Device(0),
            address: step << 12,
            size: 8,
            ..Event::default()
        };
        program.ledger.apply(&Event { kind: EventKind::Allocate, ..event }, None);
        program.ledger.mark(&format!("step {step}"));
    }
    assert!(program.ledger.growth().iter().all(|series| series.leaks().is_empty()));
}

#[test]
fn what_the_program_cache_holds_is_its_own_growth() {
    let mut program = Program::default();
    for step in 0..20 {
        program.ticks += 10;
        let event = Event {
            kind: EventKind::Allocate,
            memory: Some(Memory::Dram),
            target: Target::Device(0),
            ticks: program.ticks,
            address: step << 12,
            size: 64 * (step + 1),
            site: 8,
            flags: flags::FOR_PROGRAM,
            ..Event::default()
        };
        program.ledger.apply(&event, None);
        program.ledger.mark(&format!("step {step}"));
    }
    let series = program.marks();
    assert_eq!((series.leaks().len(), series.cached_growth().len()), (0, 1));
    assert_eq!(series.cached_growth()[0].source.size, None);
}

#[test]
fn closes_of_a_device_are_a_loop_by_what_they_release() {
    let mut program = Program::default();
    let mut steady = Program::default();
    for cycle in 0..5 {
        (0..=cycle).for_each(|number| program.allocate(number, 4096));
        program.close();
        (0..3).for_each(|number| steady.allocate(number, 4096));
        steady.close();
    }
    let series = program.series(&Point::Closes(0));
    let [leak] = series.leaks()[..] else { panic!("{series:#?}") };
    assert_eq!((leak.allocations_per_iteration, leak.bytes_per_iteration), (1.0, 4096.0));
    let steady = steady.series(&Point::Closes(0));
    assert!(steady.trends.iter().all(|trend| trend.course == Course::Baseline), "{steady:#?}");
}

#[test]
fn runs_are_judged_by_what_each_left() {
    let run = |left: u64| -> Vec<Seen> {
        let one = Seen { memory: Memory::Dram, device: 3, site: 2, size: 8192, cached: false, born: 0 };
        (0..left).map(|_| one).chain([Seen { size: 512, ..one }]).collect()
    };
    let grows = judge(&[run(1), run(2), run(3), run(4)]);
    let [leak] = grows.leaks()[..] else { panic!("{grows:#?}") };
    assert_eq!((leak.source.size, leak.bytes_per_iteration, &leak.devices[..]), (Some(8192), 8192.0, &[3][..]));
    assert!(judge(&[run(3), run(3), run(3), run(3)]).leaks().is_empty());
    assert!(judge(&[run(1), run(5), run(2), run(6), run(1), run(3)]).leaks().is_empty());
    assert!(judge(&[]).trends.is_empty());
}

#[test]
fn each_byte_is_reported_once() {
    let mut program = Program::default();
    for step in 0..60 {
        // Two sizes at one call site: one line of code, and one leak.
        program.allocate(10 * step, 4096);
        program.allocate(10 * step + 1, 8192);
        program.ledger.mark(&format!("step {step}"));
    }
    let sizes: Vec<_> =
        program.marks().leaks().iter().map(|leak| (leak.source.size, leak.bytes_per_iteration)).collect();
    assert_eq!(sizes, [(None, 12288.0)]);
    let mut program = Program::default();
    for step in 0..60 {
        program.allocate(10 * step, 64 * (step + 1));
        program.ledger.mark(&format!("step {step}"));
    }
    assert_eq!(program.marks().leaks().iter().map(|leak| leak.source.size).collect::<Vec<_>>(), [None]);
}
