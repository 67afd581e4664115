//! Which addresses a function's code refers to: no disassembler, only the forms in which Go's
//! compiler and linker write the address of a variable.

use model::{Addr, Arch};

/// The addresses that `code`, which lies at `at`, may refer to. On amd64 it is not known where
/// instructions begin, so some of what is found is no address at all: the caller keeps what leads somewhere.
pub(crate) fn references(arch: Arch, code: &[u8], at: Addr) -> Vec<Addr> {
    match arch {
        Arch::Amd64 => amd64(code, at),
        Arch::Arm64 => arm64(code, at),
    }
}

/// RIP-relative operands: behind a ModRM byte that says so four bytes, counted from the end of
/// the instruction (Intel's manual, volume 2, 2.1 and 2.2.1.6).
fn amd64(code: &[u8], at: Addr) -> Vec<Addr> {
    let mut found = Vec::new();
    for (i, window) in code.windows(6).enumerate() {
        let &[opcode, modrm, a, b, c, d] = window else {
            continue;
        };
        if modrm & 0xc7 != 0x05 {
            continue;
        }
        let immediate = match opcode {
            // Group 1, shifts, MOV and IMUL with a byte.
            0x80 | 0x83 | 0xc0 | 0xc1 | 0xc6 | 0x6b => 1,
            0x81 | 0xc7 | 0x69 => match i.checked_sub(1).and_then(|i| code.get(i)) {
                Some(0x66) => 2,
                _ => 4,
            },
            // TEST is the only one of its group that has an immediate.
            0xf6 if modrm & 0x30 == 0 => 1,
            0xf7 if modrm & 0x30 == 0 => 4,
            _ => 0,
        };
        let displacement = i64::from(i32::from_le_bytes([a, b, c, d])).cast_unsigned();
        let end = at.0.wrapping_add(i as u64 + 6 + immediate);
        found.push(Addr(end.wrapping_add(displacement)));
    }
    found
}

/// How many instructions after an ADRP its register is still looked for.
const ARM64_REACH: usize = 8;

/// ADRP gives a page, and an ADD, a load or a store the place in it.
fn arm64(code: &[u8], at: Addr) -> Vec<Addr> {
    let (words, _) = code.as_chunks::<4>();
    let words: Vec<u32> = words.iter().map(|w| u32::from_le_bytes(*w)).collect();
    let mut found = Vec::new();
    for (i, &adrp) in words.iter().enumerate() {
        if adrp & 0x9f00_0000 != 0x9000_0000 {
            continue;
        }
        let low = u64::from(adrp >> 29 & 3);
        let high = u64::from(adrp >> 5 & 0x7_ffff);
        // 21 bits with a sign.
        let pages = ((high << 2 | low) << 43).cast_signed() >> 43;
        let pc = at.0.wrapping_add(4 * i as u64);
        let page = (pc & !0xfff).wrapping_add((pages << 12).cast_unsigned());
        let register = adrp & 0x1f;
        for &word in words.iter().skip(i + 1).take(ARM64_REACH) {
            if word >> 5 & 0x1f == register
                && let Some(offset) = arm64_offset(word)
            {
                found.push(Addr(page.wrapping_add(offset)));
            }
            if word & 0x1f == register && word & 0x9f00_0000 == 0x9000_0000 {
                break;
            }
        }
    }
    found
}

/// The offset that an ADD (immediate), a load or a store (unsigned offset) adds to its register.
fn arm64_offset(word: u32) -> Option<u64> {
    let imm12 = u64::from(word >> 10 & 0xfff);
    if word & 0x7fc0_0000 == 0x1100_0000 {
        return Some(imm12);
    }
    // Integer registers: size in the top bits; V = 0.
    if word & 0x3f00_0000 == 0x3900_0000 {
        return Some(imm12 << (word >> 30));
    }
    // LDP and STP of 64-bit registers, signed offset: not below the page.
    if word & 0xff80_0000 == 0xa900_0000 {
        let imm7 = u64::from(word >> 15 & 0x7f);
        return (imm7 < 64).then_some(imm7 * 8);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amd64_operands_are_found() {
        let code = [
            &[0x48, 0x8b, 0x05, 0x10, 0, 0, 0][..], // mov rax, [rip+0x10]
            &[0x80, 0x3d, 0x20, 0, 0, 0, 0x01],     // cmp byte [rip+0x20], 1
            &[0x48, 0xc7, 0x05, 0x30, 0, 0, 0, 0x01, 0, 0, 0], // mov qword [rip+0x30], 1
            &[0xf0, 0x0f, 0xb1, 0x0d, 0xf0, 0xff, 0xff, 0xff], // lock cmpxchg [rip-0x10], ecx
        ]
        .concat();
        let found = references(Arch::Amd64, &code, Addr(0x1000));
        assert_eq!(found, [0x1017, 0x102e, 0x1049, 0x1011].map(Addr));
    }

    #[test]
    fn arm64_pairs_are_found() {
        let code = [
            0xb000_001bu32, // adrp x27, .+0x1000
            0xf940_0b60,    // ldr x0, [x27, #16]
            0xf000_003b,    // adrp x27, .+0x7000
            0x9100_8361,    // add x1, x27, #32
            0xa901_0760,    // stp x0, x1, [x27, #16]
            0xf000_0003,    // adrp x3: nothing follows
        ];
        let bytes: Vec<u8> = code.iter().flat_map(|w| w.to_le_bytes()).collect();
        let found = references(Arch::Arm64, &bytes, Addr(0x1_0000));
        assert_eq!(found, [0x1_1010, 0x1_7020, 0x1_7010].map(Addr));
    }
}
