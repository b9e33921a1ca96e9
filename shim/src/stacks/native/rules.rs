//! How to get from a frame to its caller's: worked out of `.eh_frame` once for each return address, and kept.

use gimli::{
    BaseAddresses, CallFrameInstruction, EhFrame, EhFrameHdr, EndianSlice, LittleEndian, Operation, Register,
    UnwindExpression, UnwindSection,
};

use super::{
    Go, Registers, StackMemory,
    modules::{self, Module},
    trails::Trails,
};
use crate::known::Known;
use ttmem_wire::sites::MAX_FRAMES;

const RBP: Register = Register(6);
const RSP: Register = Register(7);
const RETURN_ADDRESS: Register = Register(16);

/// Addresses whose rules are kept; further ones are worked out each time.
const ENTRIES: usize = 1 << 16;

/// The rules that are known, packed.
static KNOWN: Known<ENTRIES> = Known::new();
/// And those of them that the last walks met.
static TRAILS: Trails = Trails::new();

/// The rules of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules;

/// What a frame's own registers are, and where its caller's lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Nobody calls it, or nobody can say who.
    End,
    /// The caller's stack pointer is `cfa`, its address lies below that, and its frame pointer is `rbp`.
    Step { cfa: Cfa, rbp: Saved },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cfa {
    Rsp(i32),
    Rbp(i32),
    /// What lies at rbp + this: functions that align their stack.
    AtRbp(i32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    Same,
    AtCfa(i32),
    AtRbp(i32),
}

impl Rule {
    const END: u64 = 1;
    const STEP: u64 = 2;
    /// Of a packed rule: the address lies in a library of tt-metal's or ttnn's.
    const METAL: u64 = 1 << 6;

    /// Bits: 0-1 which, 2-3 and 4-5 the two kinds, 6 [`Self::METAL`], 8-35 and 36-63 their offsets. Never 0.
    fn pack(self) -> u64 {
        let Self::Step { cfa, rbp } = self else { return Self::END };
        let (cfa_kind, cfa_offset) = match cfa {
            Cfa::Rsp(offset) => (0, offset),
            Cfa::Rbp(offset) => (1, offset),
            Cfa::AtRbp(offset) => (2, offset),
        };
        let (rbp_kind, rbp_offset) = match rbp {
            Saved::Same => (0, 0),
            Saved::AtCfa(offset) => (1, offset),
            Saved::AtRbp(offset) => (2, offset),
        };
        let fits = |offset: i32| (-(1 << 27)..1 << 27).contains(&offset);
        if !fits(cfa_offset) || !fits(rbp_offset) {
            return Self::END;
        }
        let bits = |offset: i32| u64::from(offset as u32 & 0xFFF_FFFF);
        Self::STEP | cfa_kind << 2 | rbp_kind << 4 | bits(cfa_offset) << 8 | bits(rbp_offset) << 36
    }

    /// The caller's registers, by a packed rule.
    #[inline(always)]
    fn caller(packed: u64, stack: &StackMemory, registers: &Registers) -> Option<Registers> {
        if packed & 3 != Self::STEP {
            return None;
        }
        let signed = |bits: u64| ((bits << 36) as i64 >> 36) as isize;
        let (cfa_offset, rbp_offset) = (signed(packed >> 8 & 0xFFF_FFFF), signed(packed >> 36));
        let cfa = match packed >> 2 & 3 {
            0 => registers.sp.wrapping_add_signed(cfa_offset),
            1 => registers.fp.wrapping_add_signed(cfa_offset),
            _ => stack.read(registers.fp.wrapping_add_signed(cfa_offset))?,
        };
        // Callers lie further up, always.
        if cfa <= registers.sp {
            return None;
        }
        let pc = stack.read(cfa.wrapping_sub(8))?;
        let fp = match packed >> 4 & 3 {
            0 => registers.fp,
            1 => stack.read(cfa.wrapping_add_signed(rbp_offset))?,
            _ => stack.read(registers.fp.wrapping_add_signed(rbp_offset))?,
        };
        (pc != 0).then_some(Registers { pc, sp: cfa, fp })
    }
}

impl Rules {
    /// Shows the callers to `visit`, innermost first, as they will be when they go on, and whether their code is tt-metal's
    /// or ttnn's: until `most` of them count, and [`MAX_FRAMES`] (or `most`) in all. Returns whether a limit ended the walk.
    #[inline(always)]
    pub(crate) fn walk(
        &self,
        registers: &Registers,
        most: usize,
        mut visit: impl FnMut(&Registers, bool) -> Go,
    ) -> bool {
        let Some(stack) = StackMemory::from(registers.sp) else { return false };
        let mut registers = *registers;
        let mut counted = 0;
        let trail = TRAILS.from(registers.sp);
        let mut rule = trail.at(0, registers.pc, || self.rule(registers.pc));
        for step in 1..=most.max(MAX_FRAMES) {
            let Some(caller) = Rule::caller(rule, &stack, &registers) else { return false };
            registers = caller;
            rule = trail.at(step, registers.pc, || self.rule(registers.pc));
            match visit(&registers, rule & Rule::METAL != 0) {
                Go::Count => counted += 1,
                Go::Skip => {}
                Go::Stop => return false,
            }
            if counted == most {
                return true;
            }
        }
        true
    }

    #[inline(always)]
    fn rule(&self, pc: usize) -> u64 {
        KNOWN.get(pc).unwrap_or_else(|| self.learn(pc))
    }

    #[cold]
    #[inline(never)]
    fn learn(&self, pc: usize) -> u64 {
        let module = crate::thread::keeping_errno(|| modules::module_of(pc));
        let rule = module.and_then(|module| work_out(&module, pc)).unwrap_or(Rule::End);
        let metal = if module.is_some_and(|module| module.is_metal()) { Rule::METAL } else { 0 };
        let packed = rule.pack() | metal;
        KNOWN.keep(pc, packed);
        packed
    }
}

/// The rows of a frame's table, as far as three registers go.
#[derive(Clone, Copy)]
struct Row {
    cfa: Option<Cfa>,
    rbp: Option<Saved>,
    return_address: Option<i64>,
}

/// Rows that a function may set aside.
const SET_ASIDE: usize = 8;

/// The rule that `.eh_frame` has for the call before `pc`.
fn work_out(module: &Module, pc: usize) -> Option<Rule> {
    let header_bytes = module.eh_frame_header()?;
    let header = EhFrameHdr::new(header_bytes, LittleEndian);
    let bases = BaseAddresses::default().set_eh_frame_hdr(header_bytes.as_ptr() as u64);
    let parsed = header.parse(&bases, 8).ok()?;
    let start = parsed.eh_frame_ptr().direct().ok()? as usize;
    let frames = EhFrame::new(module.bytes_from(start)?, LittleEndian);
    let bases = bases.set_eh_frame(start as u64);
    // A return address may be behind the end of a function whose last deed is the call.
    let call = pc.wrapping_sub(1) as u64;
    let fde = parsed.table()?.fde_for_address(&frames, &bases, call, EhFrame::cie_from_offset).ok()?;
    // Behind a signal lies whatever was interrupted: that is no call.
    if fde.is_signal_trampoline() || fde.cie().return_address_register() != RETURN_ADDRESS {
        return None;
    }
    let factor = fde.cie().data_alignment_factor();
    let mut row = Row { cfa: None, rbp: Some(Saved::Same), return_address: None };
    let mut initial = fde.cie().instructions(&frames, &bases);
    while let Some(instruction) = initial.next().ok()? {
        let before = row;
        apply(&mut row, &before, &instruction, factor, &frames);
    }
    let first = row;
    let (mut aside, mut depth) = ([row; SET_ASIDE], 0_usize);
    let mut at = fde.initial_address();
    let mut instructions = fde.instructions(&frames, &bases);
    while let Some(instruction) = instructions.next().ok()? {
        match instruction {
            CallFrameInstruction::AdvanceLoc { delta } => {
                at = at.wrapping_add(u64::from(delta).wrapping_mul(fde.cie().code_alignment_factor()));
            }
            CallFrameInstruction::SetLoc { address } => at = address,
            CallFrameInstruction::RememberState => {
                *aside.get_mut(depth)? = row;
                depth += 1;
            }
            CallFrameInstruction::RestoreState => {
                depth = depth.checked_sub(1)?;
                row = *aside.get(depth)?;
            }
            other => apply(&mut row, &first, &other, factor, &frames),
        }
        if at > call {
            break;
        }
    }
    // The return address right below the caller's frame, as every call puts it.
    (row.return_address == Some(-8)).then_some(())?;
    Some(Rule::Step { cfa: row.cfa?, rbp: row.rbp? })
}

fn apply(
    row: &mut Row,
    first: &Row,
    instruction: &CallFrameInstruction<usize>,
    factor: i64,
    frames: &EhFrame<EndianSlice<'_, LittleEndian>>,
) {
    use CallFrameInstruction as Is;
    let cfa = |register: Register, offset: i64| match register {
        RSP => Some(Cfa::Rsp(offset.try_into().ok()?)),
        RBP => Some(Cfa::Rbp(offset.try_into().ok()?)),
        _ => None,
    };
    let cfa_register = match row.cfa {
        Some(Cfa::Rsp(_)) => RSP,
        _ => RBP,
    };
    match *instruction {
        Is::DefCfa { register, offset } => row.cfa = cfa(register, offset as i64),
        Is::DefCfaSf { register, factored_offset } => row.cfa = cfa(register, factored_offset.wrapping_mul(factor)),
        Is::DefCfaRegister { register } => {
            let offset = match row.cfa {
                Some(Cfa::Rsp(offset) | Cfa::Rbp(offset)) => Some(offset),
                _ => None,
            };
            row.cfa = offset.and_then(|offset| cfa(register, offset.into()));
        }
        Is::DefCfaOffset { offset } if row.cfa.is_some() => row.cfa = cfa(cfa_register, offset as i64),
        Is::DefCfaOffsetSf { factored_offset } if row.cfa.is_some() => {
            row.cfa = cfa(cfa_register, factored_offset.wrapping_mul(factor));
        }
        Is::DefCfaExpression { expression } => row.cfa = at_rbp(expression, frames, true).map(Cfa::AtRbp),
        Is::Offset { register, factored_offset } => save(row, register, (factored_offset as i64).wrapping_mul(factor)),
        Is::OffsetExtendedSf { register, factored_offset } => save(row, register, factored_offset.wrapping_mul(factor)),
        Is::SameValue { register: RBP } => row.rbp = Some(Saved::Same),
        Is::Restore { register: RBP } => row.rbp = first.rbp,
        Is::Expression { register: RBP, expression } => row.rbp = at_rbp(expression, frames, false).map(Saved::AtRbp),
        // Its value is lost, which only matters where a caller's frame is told by it: then the walk goes astray, and ends
        // at the first read outside of the stack.
        Is::Undefined { register: RBP } => row.rbp = Some(Saved::Same),
        Is::ValOffset { register: RBP, .. }
        | Is::ValOffsetSf { register: RBP, .. }
        | Is::ValExpression { register: RBP, .. }
        | Is::Register { dest_register: RBP, .. } => row.rbp = None,
        Is::Undefined { register: RETURN_ADDRESS }
        | Is::SameValue { register: RETURN_ADDRESS }
        | Is::Expression { register: RETURN_ADDRESS, .. }
        | Is::ValExpression { register: RETURN_ADDRESS, .. }
        | Is::Register { dest_register: RETURN_ADDRESS, .. } => row.return_address = None,
        Is::Restore { register: RETURN_ADDRESS } => row.return_address = first.return_address,
        _ => {}
    }
}

fn save(row: &mut Row, register: Register, offset: i64) {
    match register {
        RBP => row.rbp = offset.try_into().ok().map(Saved::AtCfa),
        RETURN_ADDRESS => row.return_address = Some(offset),
        _ => {}
    }
}

/// The two expressions that compilers write for functions which align their stack: rbp + offset, and what lies there.
fn at_rbp(
    expression: UnwindExpression<usize>,
    frames: &EhFrame<EndianSlice<'_, LittleEndian>>,
    and_load: bool,
) -> Option<i32> {
    let expression = expression.get(frames).ok()?;
    let encoding = gimli::Encoding { address_size: 8, format: gimli::Format::Dwarf32, version: 4 };
    let mut operations = expression.operations(encoding);
    let offset = match operations.next().ok()?? {
        Operation::RegisterOffset { register: RBP, offset, .. } => offset,
        _ => return None,
    };
    match (operations.next().ok()?, and_load) {
        (Some(Operation::Deref { size: 8, .. }), true) => operations.next().ok()?.is_none().then_some(())?,
        (None, false) => {}
        _ => return None,
    }
    offset.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_rule_finds_the_caller() {
        let words: Vec<usize> = (0..8).map(|word| 1000 + word).collect();
        let start = words.as_ptr() as usize;
        let stack = StackMemory { from: start, to: start + 64 };
        let here = Registers { pc: 1, sp: start, fp: start + 32 };
        let caller = |cfa, rbp| Rule::caller(Rule::Step { cfa, rbp }.pack(), &stack, &here);
        let found = caller(Cfa::Rsp(24), Saved::AtCfa(-16)).unwrap();
        assert_eq!((found.pc, found.sp, found.fp), (1002, start + 24, 1001));
        let found = caller(Cfa::Rbp(-8), Saved::AtRbp(8)).unwrap();
        assert_eq!((found.pc, found.sp, found.fp), (1002, start + 24, 1005));
        assert_eq!(caller(Cfa::Rsp(24), Saved::Same).unwrap().fp, start + 32);
        // Outside of the stack, downwards, and at the end: no caller.
        assert!(caller(Cfa::Rsp(80), Saved::Same).is_none() && caller(Cfa::Rsp(0), Saved::Same).is_none());
        assert!(caller(Cfa::AtRbp(0), Saved::Same).is_none());
        assert!(Rule::caller(Rule::End.pack(), &stack, &here).is_none());
    }

    #[test]
    fn the_frames_of_this_test_are_those_of_the_unwinder() {
        #[inline(never)]
        fn nested(depth: usize, rules: &Rules) -> (usize, Vec<usize>) {
            if depth > 0 {
                let found = nested(depth - 1, rules);
                return std::hint::black_box(found);
            }
            let registers = Registers::here();
            let mut found = Vec::new();
            rules.walk(&registers, 16, |frame, is_metal| {
                assert!(!is_metal);
                found.push(frame.pc);
                Go::Count
            });
            let mut theirs = 0;
            // The return address of the recursion is the same over and over.
            found.windows(2).for_each(|pair| theirs += usize::from(pair[0] == pair[1]));
            std::hint::black_box((theirs, found))
        }
        let (repeated, found) = nested(6, &Rules);
        assert_eq!(found.len(), 16, "the test harness is deeper than that: {found:x?}");
        assert!(repeated >= 4, "{found:x?}");
        // The second time by what is known.
        assert_eq!(nested(6, &Rules).1[..4], found[..4]);
    }

    #[test]
    fn frames_that_do_not_count_are_walked_past_the_others_limit() {
        #[inline(never)]
        fn nested(depth: usize, uncounted: usize) -> (usize, bool) {
            if depth > 0 {
                let found = nested(depth - 1, uncounted);
                return std::hint::black_box(found);
            }
            let registers = Registers::here();
            let mut seen = 0;
            let is_cut = Rules.walk(&registers, 16, |_, _| {
                seen += 1;
                if seen > uncounted { Go::Count } else { Go::Skip }
            });
            std::hint::black_box((seen, is_cut))
        }
        assert_eq!(nested(100, 0), (16, true));
        assert_eq!(nested(100, 30), (46, true));
        assert_eq!(nested(100, 100), (MAX_FRAMES, true));
    }
}
