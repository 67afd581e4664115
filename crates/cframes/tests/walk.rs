//! Walks over functions whose rules are known, in memory made by hand.
// For what is not itself a `#[test]`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use cframes::{Called, End, Start, State};
use gimli::write::{CallFrameInstruction as Rule, Expression};
use gimli::{AArch64, Register, X86_64};
use model::{Addr, Arch, Trust};
use proptest::prelude::*;
use support::{CODE, ELSEWHERE, Memory, OBJECT, Rules, object, walk};

const STACK: u64 = 0x7fff_0000;

fn at(n: u64, offset: u64) -> u64 {
    CODE + n * 0x1000 + offset
}

fn interrupted(arch: Arch, pc: u64, registers: &[(usize, u64)]) -> Start {
    let mut state = State::new(arch, Addr(pc), Addr(STACK));
    for &(number, value) in registers {
        state.set(number, Some(value));
    }
    Start {
        state,
        interrupted: true,
        called: None,
    }
}

fn elsewhere(pc: u64, sp: u64) -> End {
    End::Elsewhere {
        pc: Addr(pc),
        sp: Some(Addr(sp)),
    }
}

const RBP: usize = 6;
const RBX: usize = 3;
const RSP: Register = X86_64::RSP;

/// Its frame has so many bytes, the return address included.
fn frame_of(bytes: i32) -> Vec<(u32, Rule)> {
    vec![
        (0, Rule::Cfa(RSP, bytes)),
        (0, Rule::Offset(X86_64::RA, -8)),
    ]
}

/// One that begins like any other: a push, a frame pointer.
fn with_frame_pointer() -> Vec<(u32, Rule)> {
    let mut rules = frame_of(8);
    rules.extend([
        (1, Rule::CfaOffset(16)),
        (1, Rule::Offset(X86_64::RBP, -16)),
        (4, Rule::CfaRegister(X86_64::RBP)),
    ]);
    rules
}

/// Its frame's end is what lies below the frame pointer, as where a stack was aligned.
fn aligned() -> Vec<(u32, Rule)> {
    let mut end = Expression::new();
    end.op_breg(X86_64::RBP, -8);
    end.op_deref();
    vec![
        (0, Rule::CfaExpression(end)),
        (0, Rule::Offset(X86_64::RA, -8)),
        (0, Rule::Offset(X86_64::RBP, -16)),
    ]
}

#[test]
fn by_every_sort_of_rule() {
    let (plain, keeps, aligned) = (frame_of(24), with_frame_pointer(), aligned());
    let image = object(
        Arch::Amd64,
        &[(0, &plain), (1, &keeps), (2, &aligned), (3, &plain)],
    );
    let mut stack = Memory::default();
    // Of the function 0: two words and the return address.
    let mut words = vec![0, 0, at(1, 0x20)];
    // Of 1, which had more on the stack: the frame pointer of 2, and the return address.
    let fp1 = STACK + 24 + 8;
    let (fp2, end2) = (STACK + 0x100, STACK + 0x180);
    words.extend([0, fp2, at(2, 0x30)]);
    stack.words(STACK, &words);
    // Of 2: below its frame pointer its end, where the caller's frame pointer and the return address are.
    stack.words(fp2 - 8, &[end2]);
    stack.words(end2 - 16, &[0x1234, at(3, 0x40)]);
    stack.words(end2, &[0, 0, ELSEWHERE + 0x50]);
    let start = interrupted(Arch::Amd64, at(0, 0x10), &[(RBP, fp1)]);
    let walked = walk(Arch::Amd64, &image, &stack, &start);
    assert_eq!(walked.end, elsewhere(ELSEWHERE + 0x50, end2 + 24));
    let pcs: Vec<u64> = walked.frames.iter().map(|frame| frame.pc.0).collect();
    assert_eq!(pcs, [at(0, 0x10), at(1, 0x20), at(2, 0x30), at(3, 0x40)]);
    // The first was interrupted, the others have called.
    let lookups: Vec<u64> = walked.frames.iter().map(|frame| frame.lookup.0).collect();
    assert_eq!(
        lookups,
        [at(0, 0x10), at(1, 0x1f), at(2, 0x2f), at(3, 0x3f)]
    );
    assert!(walked.frames.iter().all(|f| f.trust == Trust::Exact));
}

#[test]
fn where_a_thread_begins() {
    let first = vec![(0, Rule::Cfa(RSP, 8)), (0, Rule::Undefined(X86_64::RA))];
    let image = object(Arch::Amd64, &[(0, &first)]);
    let start = interrupted(Arch::Amd64, at(0, 0), &[]);
    let walked = walk(Arch::Amd64, &image, &Memory::default(), &start);
    assert_eq!((walked.frames.len(), walked.end), (1, End::Start));
}

/// A register that a function may use as it likes is not known behind a call of it; one that
/// it has to give back is.
#[test]
fn registers_are_known_or_not() {
    for (register, expected) in [
        (X86_64::RBX, elsewhere(ELSEWHERE, STACK + 0x40)),
        (
            X86_64::RCX,
            End::Lost("its unwind table needs register 2, whose value was not kept".to_owned()),
        ),
    ] {
        let uses = vec![
            (0, Rule::Cfa(register, 0)),
            (0, Rule::Offset(X86_64::RA, -8)),
        ];
        let plain = frame_of(8);
        let image = object(Arch::Amd64, &[(0, &plain), (1, &uses)]);
        let mut stack = Memory::default();
        stack.words(STACK, &[at(1, 5), 0, 0, 0, 0, 0, 0, ELSEWHERE]);
        let known = [(RBX, STACK + 0x40), (2, STACK + 0x40)];
        let start = interrupted(Arch::Amd64, at(0, 0), &known);
        let walked = walk(Arch::Amd64, &image, &stack, &start);
        assert_eq!(walked.end, expected);
        assert_eq!(walked.frames.len(), 2);
    }
}

#[test]
fn without_tables_by_frame_pointers_and_not_believed() {
    let plain = frame_of(16);
    let image = object(Arch::Amd64, &[(1, &plain)]);
    let mut stack = Memory::default();
    // The function 5 has no table; its frame pointer leads to 1, which has one.
    stack.words(STACK, &[0, 0, 0xf0f0, at(1, 9), 0, ELSEWHERE]);
    let start = interrupted(Arch::Amd64, at(5, 1), &[(RBP, STACK + 16)]);
    let walked = walk(Arch::Amd64, &image, &stack, &start);
    assert_eq!(walked.end, elsewhere(ELSEWHERE, STACK + 48));
    let trusts: Vec<Trust> = walked.frames.iter().map(|f| f.trust).collect();
    assert_eq!(trusts, [Trust::Exact, Trust::Assumed]);

    for fp in [STACK - 8, STACK + 3, 0x10] {
        let start = interrupted(Arch::Amd64, at(5, 1), &[(RBP, fp)]);
        let walked = walk(Arch::Amd64, &image, &stack, &start);
        assert_eq!(walked.frames.len(), 1);
        let End::Lost(why) = walked.end else {
            panic!("{:?}", walked.end)
        };
        let expected = format!("libx.so.1 has no unwind table for {:#x}", at(5, 1));
        assert!(why.starts_with(&expected), "{why}");
    }
}

/// A function without a table that is known to have been called from elsewhere.
#[test]
fn what_was_called_returns_there() {
    let plain = frame_of(16);
    let image = object(Arch::Amd64, &[(1, &plain)]);
    let mut stack = Memory::default();
    stack.words(STACK, &[0, at(9, 0x44), 0, 0, 0]);
    let called = Called {
        entry: Addr(at(9, 0)),
        pc: Addr(ELSEWHERE + 7),
        sp: Addr(STACK + 0x80),
    };
    let start = Start {
        called: Some(called),
        ..interrupted(Arch::Amd64, at(1, 0), &[])
    };
    let walked = walk(Arch::Amd64, &image, &stack, &start);
    assert_eq!(walked.end, elsewhere(ELSEWHERE + 7, STACK + 0x80));
    assert_eq!(walked.frames.len(), 2);

    let mut c = support::frames_of(Arch::Amd64);
    let program = cframes::Loaded(&image);
    struct Nobody;
    impl cframes::Text for Nobody {
        fn is_elsewhere(&self, _: Addr) -> bool {
            false
        }
        fn function(&self, _: Addr) -> Option<(Addr, String)> {
            None
        }
    }
    let call = &c.calls(&program, &Nobody, Addr(at(1, 5)))[0];
    assert_eq!(call.name, "libx.so.1+0x2000", "by where the table begins");
    assert_eq!((call.entry, call.line), (Addr(at(1, 0)), 0));
    let call = &c.calls(&program, &Nobody, Addr(at(5, 5)))[0];
    assert_eq!(call.name, "libx.so.1+0x6005", "by the call");
    let call = &c.calls(&program, &Nobody, Addr(0x1234))[0];
    assert_eq!(call.name, "0x1234");
}

/// A handler returns to code that gives back the registers: without a table it is known by its bytes.
#[test]
fn over_a_signal() {
    for arch in [Arch::Amd64, Arch::Arm64] {
        let trampoline = at(6, 0);
        let (code, ucontext): (&[u8], u64) = match arch {
            Arch::Amd64 => (&[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05], 40),
            Arch::Arm64 => (&[0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4], 128 + 176 + 8),
        };
        let (sp, pc, count) = match arch {
            Arch::Amd64 => (15, 16, 17),
            Arch::Arm64 => (31, 32, 33),
        };
        let plain = match arch {
            Arch::Amd64 => frame_of(8),
            Arch::Arm64 => vec![
                (0, Rule::Cfa(AArch64::SP, 16)),
                (0, Rule::Offset(AArch64::X30, -8)),
            ],
        };
        let image = object(arch, &[(0, &plain)]);
        let mut code_too = image;
        // Over the object's own bytes there.
        let bytes = code_too.pieces().next().unwrap();
        let skip = (trampoline - OBJECT) as usize;
        bytes[skip..skip + code.len()].copy_from_slice(code);
        let mut stack = Memory::default();
        let frame = STACK + 0x1000;
        let mut saved = vec![0; count];
        saved[sp] = STACK + 0x4000;
        saved[pc] = at(0, 0x77);
        stack.words(frame + ucontext, &saved);
        stack.words(STACK + 0x4000, &[ELSEWHERE, ELSEWHERE]);
        let mut state = State::new(arch, Addr(trampoline), Addr(frame));
        state.set(29, Some(0));
        let start = Start {
            state,
            interrupted: false,
            called: None,
        };
        let walked = walk(arch, &code_too, &stack, &start);
        let end = match arch {
            Arch::Amd64 => STACK + 0x4008,
            Arch::Arm64 => STACK + 0x4010,
        };
        assert_eq!(walked.end, elsewhere(ELSEWHERE, end));
        let lookups: Vec<u64> = walked.frames.iter().map(|f| f.lookup.0).collect();
        // Neither of them was in a call.
        assert_eq!(lookups, [trampoline, at(0, 0x77)]);
        assert!(walked.frames.iter().all(|f| f.trust == Trust::Exact));
    }
}

#[test]
fn on_arm64_the_link_register_and_signed_addresses() {
    let leaf: Vec<(u32, Rule)> = vec![(0, Rule::Cfa(AArch64::SP, 0))];
    let signed = vec![
        (0, Rule::Cfa(AArch64::SP, 0)),
        (4, Rule::NegateRaState),
        (8, Rule::CfaOffset(32)),
        (8, Rule::Offset(AArch64::X29, -32)),
        (8, Rule::Offset(AArch64::X30, -24)),
    ];
    let image = object(Arch::Arm64, &[(0, &leaf), (1, &signed)]);
    let mut stack = Memory::default();
    // The upper bits are the signature.
    stack.words(STACK, &[0, ELSEWHERE | 0x5a5a << 48, 0, 0]);
    let start = interrupted(Arch::Arm64, at(0, 0), &[(30, at(1, 0x20))]);
    let walked = walk(Arch::Arm64, &image, &stack, &start);
    assert_eq!(walked.end, elsewhere(ELSEWHERE, STACK + 32));
    assert_eq!(walked.frames.len(), 2);

    // A call takes the link register: who has called and has not saved it cannot return.
    let image = object(Arch::Arm64, &[(0, &leaf), (1, &leaf)]);
    let walked = walk(Arch::Arm64, &image, &stack, &start);
    assert_eq!(
        walked.end,
        End::Lost("its return address was not kept".to_owned())
    );
}

#[test]
fn a_stack_that_leads_nowhere_ends() {
    let plain = frame_of(8);
    // A frame that ends below where it begins.
    let back = frame_of(-0x100);
    for (rules, why) in [
        (&back, "the stack makes no progress at"),
        (&plain, "is in no file that is mapped"),
    ] {
        let image = object(Arch::Amd64, &[(0, rules)]);
        let mut stack = Memory::default();
        stack.words(STACK - 0x200, &[0xdead; 0x80]);
        let start = interrupted(Arch::Amd64, at(0, 0), &[]);
        let walked = walk(Arch::Amd64, &image, &stack, &start);
        let End::Lost(lost) = walked.end else {
            panic!("{:?}", walked.end)
        };
        assert!(lost.contains(why), "{lost}");
    }
    // Calls of itself without end are as many as are allowed.
    let image = object(Arch::Amd64, &[(0, &plain)]);
    let mut stack = Memory::default();
    stack.words(STACK, &[at(0, 5); 1000]);
    let start = interrupted(Arch::Amd64, at(0, 0), &[]);
    let walked = walk(Arch::Amd64, &image, &stack, &start);
    assert_eq!(walked.frames.len(), 100);
    assert_eq!(walked.end, End::Lost("there are more than 100".to_owned()));
}

/// A call through a pointer to nowhere: the return address is where the call left it.
#[test]
fn a_call_of_what_is_no_function() {
    let plain = frame_of(16);
    let image = object(Arch::Amd64, &[(1, &plain)]);
    let mut stack = Memory::default();
    stack.words(STACK, &[at(1, 9), 0, ELSEWHERE]);
    let walked = walk(
        Arch::Amd64,
        &image,
        &stack,
        &interrupted(Arch::Amd64, 0, &[]),
    );
    assert_eq!(walked.end, elsewhere(ELSEWHERE, STACK + 24));
    assert_eq!(walked.frames[1].trust, Trust::Assumed);
}

proptest! {
    /// Whatever tables, stack and registers hold, a walk ends, and what it found can be named.
    #[test]
    fn nothing_is_fatal(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        words in prop::collection::vec(prop_oneof![
            any::<u64>(),
            (0u64..0x10000).prop_map(|offset| OBJECT + offset),
            (0u64..0x200).prop_map(|offset| STACK + offset),
        ], 64),
        fp in 0u64..0x200,
        pc in 0u64..0x10000,
        arm in any::<bool>(),
    ) {
        let arch = if arm { Arch::Arm64 } else { Arch::Amd64 };
        let (plain, keeps, aligned) = (frame_of(24), with_frame_pointer(), aligned());
        let functions: [(u64, Rules<'_>); 3] = [(0, &plain), (1, &keeps), (2, &aligned)];
        let mut image = object(arch, &functions);
        for bytes in image.pieces() {
            for (place, byte) in &changes {
                // Where headers and tables are.
                let at = place.index(0x600);
                bytes[at] = *byte;
            }
        }
        let mut stack = Memory::default();
        stack.words(STACK, &words);
        let registers = [(RBP, STACK + fp), (29, STACK + fp), (30, OBJECT + fp)];
        walk(arch, &image, &stack, &interrupted(arch, OBJECT + pc, &registers));
    }
}
