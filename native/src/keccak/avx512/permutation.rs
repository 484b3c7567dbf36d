//! The permutation of 8 states in vectors, in assembly, since the compiler spills: a round holds 25 words, 5 column parities
//! and 2 temporaries, which is all 32 registers. Choices that were measured: `vpternlogq` for chi, where it saves an
//! instruction and a read, but two-operand exclusive ors for the theta effect (a third source costs as much as a second
//! instruction); outputs written to the registers that the inputs of their row leave, so that rotations do all the moving
//! and four rounds restore the order.
//!
//! Where a vector instruction is done in two halves ([`Units::Half`]), the integer units are idle meanwhile. They do the same round of a
//! ninth state, whose words wait in memory, and the CRC-32C of bytes that were or will be hashed. Their instructions stand between the
//! vector instructions of the same step, so that the CPU sees both at any time. The price: a round is 300 instructions instead of 120,
//! five a cycle, so that another busy hardware thread of the same core slows this down more than vectors alone. Where vectors are whole
//! ([`Units::Full`]) a round ends before the integer units would be through: only the checksum, which has a unit of its own, stands
//! beside them, and column parities take a copy, which is free, and two `vpternlogq`.

use super::super::{RATE_WORDS, ROUND_CONSTANTS};
use super::Units;
use std::arch::x86_64::__m512i;
use std::arch::{asm, naked_asm};

/// At one address, so that the end can be recognised.
static CONSTANTS: [u64; 24] = ROUND_CONSTANTS;

/// The words of 8 states: word `w` of lane `l` is element `l` of vector `w`.
pub(super) type State = [__m512i; 25];

/// Bytes whose checksum a permutation takes: 7 words a round.
pub(super) const CHECKSUM_BYTES: usize = 24 * 7 * 8;

/// The ninth state. The assembly alone uses the fields, since wide reads of what it just wrote word by word would wait.
#[derive(Default)]
#[repr(C, align(64))]
pub(super) struct Ninth {
    /// The words before a permutation and after it.
    words: [u64; 25],
    /// The words after every odd round.
    odd_words: [u64; 25],
    /// The address behind the last round constant: the first, to end amid the last round; the second, to end after it.
    ends: [usize; 2],
}

// The integer registers: rdi is the ninth state, rsi the round constant, rax a temporary, r8 to r11 and rbx the theta effect
// on columns 0 to 4, rbp and r12 to r15 the words of a row or the column parities, rcx the checksum, rdx its bytes.
#[rustfmt::skip]
macro_rules! word { (0) => { "rbp" }; (1) => { "r12" }; (2) => { "r13" }; (3) => { "r14" }; (4) => { "r15" }; }
#[rustfmt::skip]
macro_rules! effect { (0) => { "r8" }; (1) => { "r9" }; (2) => { "r10" }; (3) => { "r11" }; (4) => { "rbx" }; }

/// What the integer units do between the vector instructions; `none` of it with 8 states only.
#[rustfmt::skip]
macro_rules! ninth {
    (none $($rest:tt)*) => { "" };
    (full $($rest:tt)*) => { "" };
    // The parity of column `$x` of the words at `$from`.
    (ninth parity $x:tt $from:literal) => {
        concat!(
            "mov ", word!($x), ", [rdi + 8 * ", $x, " + ", $from, "]\n",
            "xor ", word!($x), ", [rdi + 8 * ", $x, " + 40 + ", $from, "]\n",
            "xor ", word!($x), ", [rdi + 8 * ", $x, " + 80 + ", $from, "]\n",
            "xor ", word!($x), ", [rdi + 8 * ", $x, " + 120 + ", $from, "]\n",
            "xor ", word!($x), ", [rdi + 8 * ", $x, " + 160 + ", $from, "]\n",
        )
    };
    (ninth effect $left:tt $x:tt $right:tt) => {
        concat!("rorx ", effect!($x), ", ", word!($right), ", 63\n", "xor ", effect!($x), ", ", word!($left), "\n")
    };
    // Word `$w` of column `$column` at `$from`, with the theta effect and rotated by `$n`, as word `$x` of a row.
    (ninth load $x:tt $w:literal $column:tt $n:literal $from:literal) => {
        concat!(
            "mov ", word!($x), ", [rdi + 8 * ", $w, " + ", $from, "]\n",
            "xor ", word!($x), ", ", effect!($column), "\n",
            "rol ", word!($x), ", ", $n, "\n",
        )
    };
    // Chi of the words `$a`, `$b`, `$c` of row `$y`, to `$to`.
    (ninth chi $y:literal $a:tt $b:tt $c:tt $to:literal) => {
        concat!(
            "andn rax, ", word!($b), ", ", word!($c), "\n", "xor rax, ", word!($a), "\n",
            "mov [rdi + 40 * ", $y, " + 8 * ", $a, " + ", $to, "], rax\n",
        )
    };
    (ninth iota $to:literal) => { concat!("mov rax, [rsi]\n", "xor [rdi + ", $to, "], rax\n") };
}

/// Word `$n` of the checksum's next 7.
#[rustfmt::skip]
macro_rules! step {
    (checksum $n:literal) => { concat!("crc32 rcx, qword ptr [rdx + 8 * ", $n, "]\n") };
    (plain $n:literal) => { "" };
}

/// Moves on to the bytes of the next round, and fetches what comes 4 KiB behind them (never used if that is too far).
#[rustfmt::skip]
macro_rules! advance {
    (checksum) => { concat!("add rdx, 56\n", "prefetcht0 [rdx + 4096]\n") };
    (plain) => { "" };
}

#[rustfmt::skip]
macro_rules! rotate {
    ($s:literal 0 => $t:literal) => { concat!("vmovdqa64 zmm", $t, ", zmm", $s, "\n") };
    ($s:literal $n:literal => $t:literal) => { concat!("vprolq zmm", $t, ", zmm", $s, ", ", $n, "\n") };
}

/// The register with the theta effect on a column.
#[rustfmt::skip]
macro_rules! vector_effect { (0) => { "29" }; (1) => { "25" }; (2) => { "26" }; (3) => { "27" }; (4) => { "28" }; }

/// Row `$y`. Adds the theta effect on column `$column` to each word `$s`, rotates it by `$n` into register `$t`, then puts
/// chi of the five into `$q0` to `$q4`. The first two words go to registers 30 and 31, the others to `$q2` to `$q4` in an
/// order in which no register is overwritten before it was read. In the ninth state the word is `$w` and comes to `$x`.
#[rustfmt::skip]
macro_rules! row {
    ($ninth:ident $y:literal $from:literal $to:literal
        [$(($x:tt : $w:literal $column:tt $s:literal $n:tt => $t:literal))*]
        $q0:literal $q1:literal $q2:literal $q3:literal $q4:literal) => {
        concat!(
            $("vpxorq zmm", $s, ", zmm", $s, ", zmm", vector_effect!($column), "\n",
            ninth!($ninth load $x $w $column $n $from),
            rotate!($s $n => $t),)*
            "vmovdqa64 zmm", $q0, ", zmm30\n",
            "vpternlogq zmm", $q0, ", zmm31, zmm", $q2, ", 0xD2\n",
            ninth!($ninth chi $y 0 1 2 $to),
            "vmovdqa64 zmm", $q1, ", zmm31\n",
            "vpternlogq zmm", $q1, ", zmm", $q2, ", zmm", $q3, ", 0xD2\n",
            ninth!($ninth chi $y 1 2 3 $to),
            "vpternlogq zmm", $q2, ", zmm", $q3, ", zmm", $q4, ", 0xD2\n",
            ninth!($ninth chi $y 2 3 4 $to),
            "vpternlogq zmm", $q3, ", zmm", $q4, ", zmm30, 0xD2\n",
            ninth!($ninth chi $y 3 4 0 $to),
            "vpternlogq zmm", $q4, ", zmm30, zmm31, 0xD2\n",
            ninth!($ninth chi $y 4 0 1 $to),
        )
    };
}

/// The exclusive or of column `$x`.
#[rustfmt::skip]
macro_rules! parity {
    ($crc:ident full $x:tt $from:literal $a:literal $b:literal $c:literal $d:literal $e:literal => $t:literal) => {
        concat!(
            step!($crc $x),
            "vmovdqa64 zmm", $t, ", zmm", $a, "\n",
            "vpternlogq zmm", $t, ", zmm", $b, ", zmm", $c, ", 0x96\n",
            "vpternlogq zmm", $t, ", zmm", $d, ", zmm", $e, ", 0x96\n",
        )
    };
    ($crc:ident $ninth:ident $x:tt $from:literal $a:literal $b:literal $c:literal $d:literal $e:literal => $t:literal) => {
        concat!(
            step!($crc $x),
            "vpxorq zmm", $t, ", zmm", $a, ", zmm", $b, "\n",
            "vpternlogq zmm", $t, ", zmm", $c, ", zmm", $d, ", 0x96\n",
            ninth!($ninth parity $x $from),
            "vpxorq zmm", $t, ", zmm", $t, ", zmm", $e, "\n",
        )
    };
}

/// The theta effect and row 0.
#[rustfmt::skip]
macro_rules! first_row {
    ($crc:ident $ninth:ident $from:literal $to:literal
        $a0:literal $a1:literal $a2:literal $a3:literal $a4:literal
        $a5:literal $a6:literal $a7:literal $a8:literal $a9:literal
        $a10:literal $a11:literal $a12:literal $a13:literal $a14:literal
        $a15:literal $a16:literal $a17:literal $a18:literal $a19:literal
        $a20:literal $a21:literal $a22:literal $a23:literal $a24:literal) => {
        concat!(
            parity!($crc $ninth 0 $from $a0 $a5 $a10 $a15 $a20 => 25),
            parity!($crc $ninth 1 $from $a1 $a6 $a11 $a16 $a21 => 26),
            parity!($crc $ninth 2 $from $a2 $a7 $a12 $a17 $a22 => 27),
            parity!($crc $ninth 3 $from $a3 $a8 $a13 $a18 $a23 => 28),
            parity!($crc $ninth 4 $from $a4 $a9 $a14 $a19 $a24 => 29),
            "vprolq zmm30, zmm25, 1\n",
            step!($crc 5),
            "vprolq zmm31, zmm27, 1\n", "vpxorq zmm25, zmm25, zmm31\n",
            ninth!($ninth effect 0 1 2),
            "vprolq zmm31, zmm29, 1\n", "vpxorq zmm27, zmm27, zmm31\n",
            ninth!($ninth effect 2 3 4),
            "vprolq zmm31, zmm26, 1\n", "vpxorq zmm29, zmm29, zmm31\n",
            ninth!($ninth effect 4 0 1),
            "vprolq zmm31, zmm28, 1\n", "vpxorq zmm26, zmm26, zmm31\n",
            ninth!($ninth effect 1 2 3),
            "vpxorq zmm28, zmm28, zmm30\n",
            ninth!($ninth effect 3 4 0),
            step!($crc 6),
            advance!($crc),
            row!($ninth 0 $from $to
                [(0: 0 0 $a0 0 => 30) (1: 6 1 $a6 44 => 31) (2: 12 2 $a12 43 => $a12) (3: 18 3 $a18 21 => $a18)
                (4: 24 4 $a24 14 => $a24)] $a0 $a6 $a12 $a18 $a24),
            "vpxorq zmm", $a0, ", zmm", $a0, ", qword ptr [rsi]{{1to8}}\n",
            ninth!($ninth iota $to),
            "add rsi, 8\n",
        )
    };
}

/// A round for each `($from $to)`: vector words start in the registers `$a0` to `$a24`, the ninth state goes from the words
/// at byte `$from` to those at byte `$to`. `$exit` may leave after row 0, the only one with words of the hash.
#[rustfmt::skip]
macro_rules! rounds {
    ($crc:ident $ninth:ident [] $($a:literal)*) => { "" };
    ($crc:ident $ninth:ident [($from:literal $to:literal $exit:literal) $($more:tt)*]
        $a0:literal $a1:literal $a2:literal $a3:literal $a4:literal
        $a5:literal $a6:literal $a7:literal $a8:literal $a9:literal
        $a10:literal $a11:literal $a12:literal $a13:literal $a14:literal
        $a15:literal $a16:literal $a17:literal $a18:literal $a19:literal
        $a20:literal $a21:literal $a22:literal $a23:literal $a24:literal) => {
        concat!(
            first_row!($crc $ninth $from $to
                $a0 $a1 $a2 $a3 $a4 $a5 $a6 $a7 $a8 $a9 $a10 $a11 $a12 $a13 $a14 $a15 $a16 $a17 $a18 $a19 $a20 $a21 $a22 $a23 $a24),
            $exit,
            row!($ninth 1 $from $to
                [(0: 3 3 $a3 28 => 30) (1: 9 4 $a9 20 => 31) (4: 22 2 $a22 61 => $a3) (3: 16 1 $a16 45 => $a22)
                (2: 10 0 $a10 3 => $a16)] $a9 $a10 $a16 $a22 $a3),
            row!($ninth 2 $from $to
                [(0: 1 1 $a1 1 => 30) (1: 7 2 $a7 6 => 31) (3: 19 4 $a19 8 => $a1) (4: 20 0 $a20 18 => $a7)
                (2: 13 3 $a13 25 => $a20)] $a13 $a19 $a20 $a1 $a7),
            row!($ninth 3 $from $to
                [(0: 4 4 $a4 27 => 30) (1: 5 0 $a5 36 => 31) (2: 11 1 $a11 10 => $a4) (3: 17 2 $a17 15 => $a5)
                (4: 23 3 $a23 56 => $a11)] $a17 $a23 $a4 $a5 $a11),
            row!($ninth 4 $from $to
                [(0: 2 2 $a2 62 => 30) (1: 8 3 $a8 55 => 31) (2: 14 4 $a14 39 => $a8) (3: 15 0 $a15 41 => $a14)
                (4: 21 1 $a21 2 => $a15)] $a21 $a2 $a8 $a14 $a15),
            rounds!($crc $ninth [$($more)*]
            $a0 $a6 $a12 $a18 $a24
            $a9 $a10 $a16 $a22 $a3
            $a13 $a19 $a20 $a1 $a7
            $a17 $a23 $a4 $a5 $a11
            $a21 $a2 $a8 $a14 $a15),
        )
    };
}

/// Four rounds until `$exit` leaves amid the last one or `$compare` after it says enough. One loop does both: a second copy
/// would not fit the CPU's cache of decoded instructions, and decoding is slower than this runs.
#[rustfmt::skip]
macro_rules! loops {
    ($crc:ident $ninth:ident $exit:literal $compare:literal) => {
        concat!(
            ".p2align 5\n2:\n",
            rounds!($crc $ninth [(0 200 "") (200 0 "") (0 200 "") (200 0 $exit)]
                0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24),
            $compare,
            "\njne 2b\n3:\n",
        )
    };
}

/// A function that is called by assembly only: the registers are its arguments.
type InRegisters = extern "C" fn();

/// Ends amid the last round where the constants end at r8, after it where they end at r9.
#[unsafe(naked)]
extern "C" fn eight_in_registers() {
    naked_asm!(loops!(plain none "cmp rsi, r8\nje 3f\n" "cmp rsi, r9"), "ret")
}

/// The same, for full units.
#[unsafe(naked)]
extern "C" fn eight_in_full_registers() {
    naked_asm!(loops!(plain full "cmp rsi, r8\nje 3f\n" "cmp rsi, r9"), "ret")
}

/// The same, with the checksum.
#[unsafe(naked)]
extern "C" fn eight_with_checksum_in_full_registers() {
    naked_asm!(loops!(checksum full "cmp rsi, r8\nje 3f\n" "cmp rsi, r9"), "ret")
}

/// The ninth state absorbs its block at r8 first and leaves its hash in r8 to r11.
#[unsafe(naked)]
extern "C" fn nine_in_registers() {
    naked_asm!(
        "push rbx",
        "push rbp",
        ".irp index, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16",
        "mov rax, [r8 + 8 * \\index]",
        "xor [rdi + 8 * \\index], rax",
        ".endr",
        loops!(checksum ninth "cmp rsi, [rdi + 400]\nje 3f\n" "cmp rsi, [rdi + 408]"),
        "mov r8, [rdi]",
        "mov r9, [rdi + 8]",
        "mov r10, [rdi + 16]",
        "mov r11, [rdi + 24]",
        "pop rbp",
        "pop rbx",
        "ret",
    )
}

/// Calls one of them with the vectors `$a`.
#[rustfmt::skip]
macro_rules! call {
    ($function:expr, $a:ident, $($operand:tt)*) => {
        asm!(
            "call rax",
            inout("rax") $function as InRegisters as usize => _,
            inout("rsi") CONSTANTS.as_ptr() => _,
            inout("zmm0") $a[0], inout("zmm1") $a[1], inout("zmm2") $a[2], inout("zmm3") $a[3], inout("zmm4") $a[4],
            inout("zmm5") $a[5], inout("zmm6") $a[6], inout("zmm7") $a[7], inout("zmm8") $a[8], inout("zmm9") $a[9],
            inout("zmm10") $a[10], inout("zmm11") $a[11], inout("zmm12") $a[12], inout("zmm13") $a[13], inout("zmm14") $a[14],
            inout("zmm15") $a[15], inout("zmm16") $a[16], inout("zmm17") $a[17], inout("zmm18") $a[18], inout("zmm19") $a[19],
            inout("zmm20") $a[20], inout("zmm21") $a[21], inout("zmm22") $a[22], inout("zmm23") $a[23], inout("zmm24") $a[24],
            out("zmm25") _, out("zmm26") _, out("zmm27") _, out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
            $($operand)*
        )
    };
}

/// [`call!`] for 9 states; the hash of the ninth goes to `$w0` to `$w3`.
#[rustfmt::skip]
macro_rules! call_nine {
    ($a:ident, $ninth:ident, $block:ident, $bytes:ident, $checksum:ident, [$w0:tt, $w1:tt, $w2:tt, $w3:tt]) => {
        call!(
            nine_in_registers, $a,
            inout("rdi") std::ptr::from_mut::<Ninth>($ninth) => _,
            inout("r8") $block.as_ptr() => $w0, out("r9") $w1, out("r10") $w2, out("r11") $w3,
            inout("rdx") $bytes.as_ptr() => _, inout("rcx") *$checksum,
            out("r12") _, out("r13") _, out("r14") _, out("r15") _,
        )
    };
}

/// How far a permutation goes.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// All words are right.
    End,
    /// The first 4 vectors are right.
    Hashes,
}

impl Until {
    /// The address behind the last round constant: the first, to end amid the last round; the second, to end after it.
    fn ends(self) -> [usize; 2] {
        let end = CONSTANTS.as_ptr_range().end.addr();
        match self {
            Self::End => [0, end],
            Self::Hashes => [end, 0],
        }
    }
}

/// Permutes 8 states.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn eight(units: Units, a: &mut State, until: Until) {
    let [amid, after] = until.ends();
    let function: InRegisters = match units {
        Units::Half => eight_in_registers,
        Units::Full => eight_in_full_registers,
    };
    // SAFETY: the functions read the 24 round constants and change only the registers named here.
    unsafe { call!(function, a, in("r8") amid, in("r9") after,) }
}

/// A checksum that is taken beside a permutation.
pub(super) struct Checksum<'a> {
    /// The CRC-32C register, without its inversions.
    pub(super) register: &'a mut u64,
    /// What it takes in.
    pub(super) bytes: &'a [u8; CHECKSUM_BYTES],
}

/// Permutes 8 states in full units and takes a checksum meanwhile.
#[inline]
#[target_feature(enable = "avx512f,sse4.2")]
pub(super) fn eight_with_checksum(a: &mut State, checksum: Checksum<'_>, until: Until) {
    let [amid, after] = until.ends();
    let Checksum { register, bytes } = checksum;
    // SAFETY: the function reads the 24 round constants and 24 times 56 bytes of `bytes`, and changes only the registers named here.
    unsafe {
        call!(
            eight_with_checksum_in_full_registers, a,
            in("r8") amid, in("r9") after, inout("rdx") bytes.as_ptr() => _, inout("rcx") *register,
        )
    }
}

/// What the ninth lane and the checksum of a permutation work on.
pub(super) struct Side<'a> {
    /// The ninth state.
    pub(super) ninth: &'a mut Ninth,
    /// What it absorbs before the permutation.
    pub(super) block: &'a [u64; RATE_WORDS],
    /// The CRC-32C register, without its inversions.
    pub(super) checksum: &'a mut u64,
    /// What it takes in.
    pub(super) bytes: &'a [u8; CHECKSUM_BYTES],
}

/// Permutes 9 states and takes a checksum meanwhile.
#[inline]
#[target_feature(enable = "avx512f,bmi1,bmi2,sse4.2")]
pub(super) fn nine(a: &mut State, side: Side<'_>) {
    let Side { ninth, block, checksum, bytes } = side;
    ninth.ends = [0, CONSTANTS.as_ptr_range().end.addr()];
    // SAFETY: the function reads the 24 round constants, `block` and 24 times 56 bytes of `bytes`, writes within `ninth`,
    // changes only the registers named here and restores RBX and RBP.
    unsafe { call_nine!(a, ninth, block, bytes, checksum, [_, _, _, _]) }
}

/// The same, but only the first 4 vectors and the returned first words of the ninth state are right afterwards.
#[inline]
#[target_feature(enable = "avx512f,bmi1,bmi2,sse4.2")]
pub(super) fn nine_to_hashes(a: &mut State, side: Side<'_>) -> [u64; 4] {
    let Side { ninth, block, checksum, bytes } = side;
    ninth.ends = [CONSTANTS.as_ptr_range().end.addr(), 0];
    let (w0, w1, w2, w3);
    // SAFETY: as above.
    unsafe { call_nine!(a, ninth, block, bytes, checksum, [w0, w1, w2, w3]) }
    [w0, w1, w2, w3]
}
